"""Sweeps over separators: each in its folder, and one that fails leaves the others running."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.conftest import Undisturbed, undisturbed
from tests.faults.running import Runner, signals

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def few(plugin: Path, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """Eight pairs, enhanced and scored with my_shares and with hpss, one run after the other."""
    folder = tmp_path_factory.mktemp("few")
    result = undisturbed(folder, plugin, "enhance", "evaluate", seconds=1.0)
    runner = Runner(result.data.root, plugin, folder / "run")
    for script in ("enhance", "evaluate"):
        runner.run(script, "separator=hpss")
    return result


def assert_same(exp: Path, expected: Path, *names: str) -> None:
    for name in names:
        assert signals(exp / name) == signals(expected / name)
        ours, theirs = exp / name / "scores.csv", expected / name / "scores.csv"
        assert ours.read_bytes() == theirs.read_bytes()
    assert signals(exp / names[0]) != signals(exp / names[1])


@pytest.mark.parametrize("launcher", [(), ("hydra/launcher=parallel",)])
def test_separators_are_swept_each_in_its_folder(few: Undisturbed, launcher, tmp_path):
    runner = few.runner(tmp_path / "run")
    for script in ("enhance", "evaluate"):
        runner.run(script, "-m", "separator=my_shares,hpss", *launcher)
    exp = tmp_path / "run" / "exp"
    assert {path.name for path in exp.iterdir()} == {"my_shares", "hpss"}
    assert_same(exp, few.exp.parent, "my_shares", "hpss")


@pytest.mark.parametrize("launcher", [(), ("hydra/launcher=parallel",)])
def test_a_failing_job_leaves_the_others_running(few: Undisturbed, launcher, tmp_path):
    runner = few.runner(tmp_path / "run")
    exp = tmp_path / "run" / "exp"
    sweep = ("-m", "separator=my_shares,broken,hpss", *launcher)
    output = runner.run("enhance", *sweep, code=1)
    assert "the model of this test is broken" in output
    (log,) = (exp / "broken" / "logs").iterdir()
    text = log.read_text()
    assert "Traceback" in text
    assert 'in forward\n    raise RuntimeError("the model of this test is broken")' in text
    for name in ("my_shares", "hpss"):
        (log,) = (exp / name / "logs").iterdir()
        assert "Traceback" not in log.read_text()

    output = runner.run("evaluate", *sweep, code=1)
    assert "broken/enhanced_signals: no such folder; run enhance.py" in output
    assert "Traceback" not in output
    assert_same(exp, few.exp.parent, "my_shares", "hpss")


def test_every_job_of_a_sweep_in_one_folder_has_a_log_of_its_own(few: Undisturbed, tmp_path):
    runner = few.runner(tmp_path / "run")
    runner.run("enhance", "-m", "evaluate.batch_size=4", "evaluate.batch=range(0,4)")
    logs = sorted((tmp_path / "run" / "exp" / "my_shares" / "logs").iterdir())
    assert len(logs) == 4
    assert all("all together: 2 signals written" in log.read_text() for log in logs)


def test_a_job_that_fails_unforeseen_does_not_end_a_parallel_sweep(few: Undisturbed, tmp_path):
    """Its exception comes from an argument that no schema knows, and does not unpickle."""
    runner = few.runner(tmp_path / "run")
    output = runner.run(
        "enhance",
        "-m",
        "separator=unpicklable,hpss",
        "hydra/launcher=parallel",
        code=1,
    )
    assert "raised on purpose: 1 and 2" in output
    (log,) = (tmp_path / "run" / "exp" / "unpicklable" / "logs").iterdir()
    assert "Traceback" in log.read_text()
    exp = tmp_path / "run" / "exp"
    assert signals(exp / "hpss") == signals(few.exp.parent / "hpss")
