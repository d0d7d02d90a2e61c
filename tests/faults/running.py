"""Scripts of the recipe as processes that tests watch, disturb and wait for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.recipes.baseline.helpers import ROOT

RECIPE = ROOT / "recipes" / "cad_icassp_2024"
PATIENCE_S = 300


def wait_until(condition: Callable[[], bool], running: subprocess.Popen | None = None) -> bool:
    """Look until a condition holds; False when the process has ended before that."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if running is not None and running.poll() is not None:
            return condition()
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)
    return True


class Runner:
    """Starts scripts with the same data set, separator and folder to work in."""

    def __init__(self, root: Path, plugin: Path, cwd: Path, *, slow_disk: bool = False) -> None:
        cwd.mkdir(parents=True, exist_ok=True)
        self.root = root
        self.cwd = cwd
        self.environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(
                map(str, [plugin, *([plugin / "slow_disk"] if slow_disk else []), ROOT])
            ),
        }
        self._search = f"hydra.searchpath=[file://{plugin}]"

    def arguments(self, script: str, *overrides: str) -> list[str]:
        folder = "generate_dataset" if script.startswith("generate_") else "baseline"
        own = () if folder == "generate_dataset" else (self._search,)
        if not any(argument.startswith("separator") for argument in overrides) and own:
            own = (*own, "separator=my_shares")
        command = [sys.executable, str(RECIPE / folder / f"{script}.py")]
        return [*command, f"path.root={self.root}", *own, *overrides]

    @contextmanager
    def start(self, script: str, *overrides: str) -> Iterator[subprocess.Popen[str]]:
        """Start a script; whatever happens, it is gone when the block ends."""
        log = self.cwd / "output.txt"
        with (
            log.open("w") as file,
            subprocess.Popen(
                self.arguments(script, *overrides),
                cwd=self.cwd,
                env=self.environment,
                stdout=file,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            ) as running,
        ):
            try:
                yield running
            finally:
                if running.poll() is None:
                    running.send_signal(signal.SIGCONT)
                    running.kill()
                running.wait()

    def output(self) -> str:
        """What the process started last has printed."""
        return (self.cwd / "output.txt").read_text()

    def run(self, script: str, *overrides: str, code: int = 0) -> str:
        """Run a script to its end, which must give a certain exit code."""
        with self.start(script, *overrides) as running:
            running.wait(PATIENCE_S)
        output = self.output()
        assert running.returncode == code, output
        return output


def signals(folder: Path) -> dict[str, bytes]:
    """The enhanced signals under their final names."""
    return {
        path.name: path.read_bytes() for path in sorted((folder / "enhanced_signals").glob("[!.]*"))
    }


def temporary_files(folder: Path) -> list[Path]:
    """Files that are being written, or were when a process died."""
    found: list[Path] = []
    try:
        found += folder.rglob(".*.tmp*")
    except FileNotFoundError:  # one went away while the folder was listed
        return [*found, *temporary_files(folder)]
    return found


def n_signals(folder: Path) -> int:
    """How many enhanced signals are there."""
    return sum(1 for _ in (folder / "enhanced_signals").glob("[!.]*"))


def n_scores(folder: Path) -> int:
    """How many rows of scores are there."""
    path = folder / "scores.csv"
    return max(0, path.read_bytes().count(b"\n") - 1) if path.exists() else 0


def has_one_message(output: str) -> bool:
    """Whether a failed run says what is wrong, once, without a traceback."""
    return "Traceback" not in output and output.count("] ERROR ") == 1
