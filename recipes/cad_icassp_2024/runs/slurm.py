"""Jobs that SLURM ends: a message instead of submitit's stack and the job's error stream."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Any

from recipes.cad_icassp_2024.data.errors import RecipeError


def say_when_a_job_is_ended(arguments: Sequence[str]) -> None:
    """Let the sweep that a command line asks for end with one message when SLURM ends a job.

    Parameters
    ----------
    arguments : sequence of str
        The command line without the script's name; without a launcher of submitit nothing happens.
    """
    if not any(re.match(r"hydra/launcher=(slurm|submitit_\w+)$", text) for text in arguments):
        return
    from submitit.core.core import Job  # noqa: PLC0415 - an optional package
    from submitit.core.utils import UncompletedJobError  # noqa: PLC0415

    plain = Job.results

    @functools.wraps(plain)
    def results(job: Job[Any]) -> list[Any]:
        try:
            return plain(job)
        except UncompletedJobError as error:
            raise RecipeError(
                f"SLURM job {job.job_id} was ended before its work was ({job.state}); what it said "
                f"is in {job.paths.stderr}. Wait until squeue shows none of the sweep's jobs, then "
                "give the same command again: what is done is kept"
            ) from error

    Job.results = results  # type: ignore[method-assign, assignment]
