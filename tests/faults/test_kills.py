"""SIGKILL at random moments: nothing is lost, nothing half-written, the end is the same."""

from __future__ import annotations

import random
import re
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.faults.conftest import Undisturbed
from tests.faults.running import (
    Runner,
    n_scores,
    n_signals,
    signals,
    temporary_files,
    wait_until,
)

pytestmark = pytest.mark.slow

N_KILLS = 24


@dataclass
class Tally:
    """What the kills met."""

    n_kills: int = 0
    progress: list[int] = field(default_factory=list)
    n_amid_writing: int = 0


def kill_again_and_again(
    runner: Runner, script: str, exp: Path, count: Callable[[Path], int], check: Callable[[], None]
) -> Tally:
    """Start a script, kill it at a moment drawn from a seed, look at what it leaves, repeat.

    The moment: some time after the start, or after the next or next but one result; there, half of
    the kills of enhance strike as soon as another file is being written.
    """
    rng = random.Random(script)
    tally = Tally()
    while tally.n_kills < N_KILLS:
        before = count(exp)
        wanted = before + rng.choice([0, 1, 1, 2])
        on_sight = script == "enhance" and rng.random() < 0.5
        delay_s = rng.uniform(0.0, 4.0) if wanted == before else rng.uniform(0.0, 0.1)
        limit = max(wanted, before + 1)  # so that the work lasts for all kills
        leftovers = temporary_files(exp)
        with runner.start(script, f"path.exp_folder={exp}") as running:
            assert wait_until(lambda n=wanted: count(exp) >= n, running), runner.output()
            if on_sight:
                old = set(leftovers)
                wait_until(lambda old=old: bool(set(temporary_files(exp)) - old), running)
            else:
                moment = time.monotonic() + delay_s
                wait_until(
                    lambda moment=moment, n=limit: time.monotonic() > moment or count(exp) > n,
                    running,
                )
            running.send_signal(signal.SIGKILL)
        assert running.returncode == -signal.SIGKILL, runner.output()
        if leftovers and count(exp) > before:
            assert "left half-written by a run that was stopped" in runner.output()
        tally.n_kills += 1
        tally.progress.append(count(exp))
        tally.n_amid_writing += bool(temporary_files(exp))
        check()
    return tally


def assert_killed_at_work(tally: Tally, n_pairs: int) -> None:
    """Kills that all fall into the start or after the end would show nothing."""
    amid = [n for n in tally.progress if 0 < n < n_pairs]
    assert len(amid) >= 0.75 * N_KILLS, tally
    assert len(set(amid)) >= N_KILLS / 3, tally


def files(folder: Path) -> set[str]:
    """All files but the logs, and the records, of which each process has its own."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder))
        for path in found
        if path.parent.name not in ("logs", "records")
    }


def test_enhancement_survives_kills(songs: Undisturbed, tmp_path):
    exp = tmp_path / "exp"
    whole = signals(songs.exp)
    runner = songs.runner(tmp_path / "run", slow_disk=True)

    def check() -> None:
        for name, content in signals(exp).items():
            assert content == whole[name], name

    tally = kill_again_and_again(runner, "enhance", exp, n_signals, check)
    print(tally)
    assert_killed_at_work(tally, len(whole))
    assert tally.n_amid_writing >= N_KILLS / 4, tally
    output = runner.run("enhance", f"path.exp_folder={exp}")
    assert re.search(r"\d+ of 48 pairs are done, going on", output)
    assert signals(exp) == whole
    assert not temporary_files(exp)
    assert files(exp) == files(songs.exp)


def test_evaluation_survives_kills(snippets: Undisturbed, tmp_path):
    exp = tmp_path / "exp"
    whole = (snippets.exp / "scores.csv").read_bytes()
    copy_signals(snippets.exp, exp)
    runner = snippets.runner(tmp_path / "run", slow_disk=True)

    def check() -> None:
        if (exp / "scores.csv").exists():
            assert whole.startswith((exp / "scores.csv").read_bytes())

    tally = kill_again_and_again(runner, "evaluate", exp, n_scores, check)
    print(tally)
    assert_killed_at_work(tally, 48)
    output = runner.run("evaluate", f"path.exp_folder={exp}")
    assert re.search(r"\d+ of 48 pairs are scored, going on", output)
    assert (exp / "scores.csv").read_bytes() == whole
    assert not temporary_files(exp)
    assert files(exp) == files(snippets.exp)


def copy_signals(source: Path, target: Path) -> None:
    """Copy enhanced signals and the record of their settings."""
    for folder in ("enhanced_signals", "settings", "locks"):
        for path in (source / folder).glob("*enh*" if folder != "enhanced_signals" else "*"):
            (target / folder).mkdir(parents=True, exist_ok=True)
            (target / folder / path.name).write_bytes(path.read_bytes())
