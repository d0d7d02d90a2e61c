"""A job that SLURM ended gets a message; without SLURM, for a job that is made up."""

from __future__ import annotations

import pytest

from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.runs.slurm import say_when_a_job_is_ended

core = pytest.importorskip("submitit.core.core", reason="the extra slurm is not installed")


class EndedJob(core.Job):
    """What submitit holds of a job that left no result behind."""

    state = "TIMEOUT"

    def wait(self) -> None:
        """It is over."""

    def _get_outcome_and_result(self):
        raise core.utils.UncompletedJobError("no output\nError stream produced: ...")


@pytest.fixture
def job(tmp_path, monkeypatch):
    monkeypatch.setattr(core.Job, "results", core.Job.results)  # taken back after the test
    return EndedJob(tmp_path, "12_1")


@pytest.mark.parametrize("launcher", ["slurm", "submitit_slurm", "submitit_local"])
def test_an_ended_job_is_named_with_its_state_and_its_log(job, launcher):
    say_when_a_job_is_ended(["-m", f"hydra/launcher={launcher}"])
    with pytest.raises(RecipeError) as told:
        job.results()
    for part in ("SLURM job 12_1 was ended", "(TIMEOUT)", str(job.paths.stderr), "same command"):
        assert part in str(told.value)


def test_other_launchers_are_left_as_they_are(job):
    say_when_a_job_is_ended(["-m", "hydra/launcher=parallel"])
    with pytest.raises(core.utils.UncompletedJobError):
        job.results()
