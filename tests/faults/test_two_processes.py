"""Two processes on the same work, Ctrl-C and SIGTERM."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from tests.faults.conftest import Undisturbed
from tests.faults.running import (
    Runner,
    has_one_message,
    n_scores,
    n_signals,
    signals,
    temporary_files,
    wait_until,
)
from tests.faults.test_kills import copy_signals
from tests.recipes.tiny_dataset import make_tiny_dataset

pytestmark = pytest.mark.slow

COUNTS = {"enhance": n_signals, "evaluate": n_scores}


@pytest.fixture
def exp(snippets: Undisturbed, tmp_path) -> Path:
    """An experiment folder with signals to score, but for one that is yet to be made."""
    copy_signals(snippets.exp, tmp_path / "exp")
    return tmp_path / "exp"


def prepare(script: str, exp: Path) -> None:
    """Take away what the script is to make."""
    if script == "enhance":
        for path in (exp / "enhanced_signals").iterdir():
            path.unlink()


def assert_same_end(exp: Path, undisturbed: Undisturbed, script: str) -> None:
    assert signals(exp) == signals(undisturbed.exp)
    if script == "evaluate":
        ours, theirs = exp / "scores.csv", undisturbed.exp / "scores.csv"
        assert ours.read_bytes() == theirs.read_bytes()
    assert not temporary_files(exp)


def start_and_freeze(running: subprocess.Popen, script: str, exp: Path) -> None:
    """Let a process begin its work and stand still in it."""
    assert wait_until(lambda: COUNTS[script](exp) >= 1, running)
    running.send_signal(signal.SIGSTOP)


@pytest.mark.parametrize("script", ["enhance", "evaluate"])
def test_a_second_process_on_the_same_batch_says_so_and_stops(
    snippets: Undisturbed, script, exp, tmp_path
):
    prepare(script, exp)
    first, second = (snippets.runner(tmp_path / name) for name in ("first", "second"))
    with first.start(script, f"path.exp_folder={exp}") as running:
        start_and_freeze(running, script, exp)
        before = COUNTS[script](exp)
        output = second.run(script, f"path.exp_folder={exp}", code=1)
        assert has_one_message(output), output
        assert f"process {running.pid} on " in output
        assert "is at work on the same batch" in output
        assert COUNTS[script](exp) == before
        running.send_signal(signal.SIGCONT)
        running.wait(240)
    assert running.returncode == 0, first.output()
    assert_same_end(exp, snippets, script)


@pytest.mark.parametrize("script", ["enhance", "evaluate"])
def test_the_lock_of_a_dead_process_does_not_block(snippets: Undisturbed, script, exp, tmp_path):
    prepare(script, exp)
    runner = snippets.runner(tmp_path / "run")
    with runner.start(script, f"path.exp_folder={exp}") as running:
        start_and_freeze(running, script, exp)
        running.kill()
        running.wait()
    holder = exp / "locks" / f"{script}.holder"
    assert str(running.pid) in holder.read_text()
    runner.run(script, f"path.exp_folder={exp}")
    assert_same_end(exp, snippets, script)


def test_another_batch_goes_on_beside_and_another_division_does_not(
    snippets: Undisturbed, exp, tmp_path
):
    prepare("enhance", exp)
    first, second = (snippets.runner(tmp_path / name) for name in ("first", "second"))
    folder = f"path.exp_folder={exp}"
    with first.start("enhance", folder, "evaluate.batch_size=2") as running:
        start_and_freeze(running, "enhance", exp)
        second.run("enhance", folder, "evaluate.batch_size=2", "evaluate.batch=1")
        assert n_signals(exp) >= 24
        output = second.run("enhance", folder, code=1)
        assert has_one_message(output), output
        assert "is at work on batch 0 of 2" in output
        running.send_signal(signal.SIGCONT)
        running.wait(120)
    assert running.returncode == 0, first.output()
    assert_same_end(exp, snippets, "enhance")


@pytest.mark.parametrize("script", ["enhance", "evaluate"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_is_stopped_ends_at_once_and_the_same_command_goes_on(
    snippets: Undisturbed, number, code, script, exp, tmp_path
):
    prepare(script, exp)
    runner = snippets.runner(tmp_path / "run")
    with runner.start(script, f"path.exp_folder={exp}") as running:
        assert wait_until(lambda: COUNTS[script](exp) >= 2, running)
        running.send_signal(number)
        running.wait(60)
    assert running.returncode == code
    assert "Traceback" not in runner.output()
    assert runner.output().endswith(
        "Stopped. The same command, without overwrite=true, goes on from here.\n"
    )
    assert 2 <= COUNTS[script](exp) < 48
    assert not temporary_files(exp)
    runner.run(script, f"path.exp_folder={exp}")
    assert_same_end(exp, snippets, script)


def test_ctrl_c_stops_generation(plugin, tmp_path):
    data = make_tiny_dataset(tmp_path / "data", seconds=15.0, at_mic=False, n_scenes_per_song=3)
    (data.metadata / "at_mic_music.train.json").unlink()
    out = data.at_mic_folder("")
    runner = Runner(data.root, plugin, tmp_path / "run")
    with runner.start("generate_at_mic_musdb18") as running:
        assert wait_until(lambda: len(list(out.rglob("[!.]*.wav"))) >= 2, running)
        running.send_signal(signal.SIGINT)
        running.wait(60)
    assert running.returncode == 130
    assert "Traceback" not in runner.output()
    assert not temporary_files(data.root)
    runner.run("generate_at_mic_musdb18")
    assert len(list(out.rglob("*.wav"))) == 30


def test_ctrl_c_ends_a_whole_sweep(snippets: Undisturbed, tmp_path):
    runner = snippets.runner(tmp_path / "run")
    exp = tmp_path / "run" / "exp" / "my_shares"
    with runner.start("enhance", "-m", "separator=my_shares,hpss") as running:
        assert wait_until(lambda: n_signals(exp) >= 2, running)
        running.send_signal(signal.SIGINT)
        running.wait(60)
    assert running.returncode == 130
    assert "Traceback" not in runner.output()
    assert not (tmp_path / "run" / "exp" / "hpss").exists()
