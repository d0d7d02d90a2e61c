"""Data sets, separators, disks and undisturbed runs for the fault tests."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.running import Runner
from tests.recipes.baseline.helpers import write_plugin
from tests.recipes.tiny_dataset import TinyDataset, make_tiny_dataset

# A disk on which it takes a while until a file is safe, so that kills fall into the writing.
SLOW_DISK = """
import os
import time

_fsync = os.fsync


def fsync(descriptor):
    time.sleep(0.1)
    _fsync(descriptor)


os.fsync = fsync
"""
BROKEN = """
import torch


class OddError(Exception):
    def __init__(self, first, second):
        super().__init__(f"raised on purpose: {first} and {second}")


class Unpicklable(torch.nn.Module):
    def train(self, mode=True):
        raise OddError(1, 2)


class Broken(torch.nn.Module):
    def forward(self, mixture):
        raise RuntimeError("the model of this test is broken")
"""


@pytest.fixture(scope="session")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of separators that are no part of the project, and of a slow disk."""
    folder = write_plugin(tmp_path_factory.mktemp("mine") / "plugin")
    (folder / "slow_disk").mkdir()
    (folder / "slow_disk" / "sitecustomize.py").write_text(SLOW_DISK)
    (folder / "outside_broken.py").write_text(BROKEN)
    config = (folder / "separator" / "my_shares.yaml").read_text()
    lines = [line for line in config.splitlines() if not line.startswith("  shares")]
    config = "\n".join(lines)
    for name in ("Broken", "Unpicklable"):
        own = config.replace("outside_shares.FixedShares", f"outside_broken.{name}")
        own = own.replace("my_shares", name.lower())
        (folder / "separator" / f"{name.lower()}.yaml").write_text(own)
    return folder


@dataclass(frozen=True)
class Undisturbed:
    """A data set and the experiment folder of a run on it that nothing disturbed."""

    data: TinyDataset
    exp: Path
    plugin: Path

    def runner(self, cwd: Path, *, slow_disk: bool = False) -> Runner:
        """A runner on this data set."""
        return Runner(self.data.root, self.plugin, cwd, slow_disk=slow_disk)


def undisturbed(folder: Path, plugin: Path, *steps: str, **size: float) -> Undisturbed:
    """Make a data set and run steps on it."""
    data = make_tiny_dataset(folder / "data", music=False, **size)
    runner = Runner(data.root, plugin, folder / "run")
    for step in steps:
        runner.run(step)
    return Undisturbed(data, folder / "run" / "exp" / "my_shares", plugin)


@pytest.fixture(scope="session")
def songs(plugin: Path, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """48 pairs of four seconds, enhanced."""
    return undisturbed(
        tmp_path_factory.mktemp("songs"),
        plugin,
        "enhance",
        seconds=4.0,
        n_songs=4,
        n_scenes_per_song=4,
        n_listeners_per_scene=3,
    )


@pytest.fixture(scope="session")
def snippets(plugin: Path, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """48 pairs of one second, enhanced and scored."""
    return undisturbed(
        tmp_path_factory.mktemp("snippets"),
        plugin,
        "enhance",
        "evaluate",
        seconds=1.0,
        n_songs=4,
        n_scenes_per_song=4,
        n_listeners_per_scene=3,
    )


class SmallDisk:
    """A file system of its own, of a size that can be changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def remount(self, options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", str(self.folder)], check=True)

    @property
    def filler(self) -> Path:
        return self.folder / "somebody_elses_file"

    def fill(self, leave_bytes: int = 0) -> None:
        """Use up what is free, but for some bytes, as another program would."""
        n_bytes = shutil.disk_usage(self.folder).free - leave_bytes
        try:
            with self.filler.open("ab", buffering=0) as file:
                while n_bytes > 0:
                    n_bytes -= file.write(bytes(min(n_bytes, 4096)))
        except OSError:
            assert leave_bytes == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """A disk of 1 MiB."""
    folder = tmp_path / "small_disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"cannot mount a file system here: {done.stderr.strip()}")
    yield SmallDisk(folder)
    subprocess.run(["umount", str(folder)], check=True)
