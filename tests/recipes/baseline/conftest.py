"""Data sets and a separator for the tests of the baseline."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from recipes.cad_icassp_2024.generate_dataset import generate_at_mic_musdb18
from recipes.cad_icassp_2024.generate_dataset.config import generate_config
from tests.recipes.baseline.helpers import write_plugin
from tests.recipes.tiny_dataset import TinyDataset, make_tiny_dataset


@pytest.fixture(scope="session")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a separator that is no part of the project; importable while tests run."""
    folder = write_plugin(tmp_path_factory.mktemp("mine") / "plugin")
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyDataset:
    """Two songs of two seconds, four scenes, eight pairs; not to be changed."""
    return make_tiny_dataset(tmp_path_factory.mktemp("tiny"), music=False)


@pytest.fixture
def own_tiny(tmp_path: Path) -> TinyDataset:
    """A data set that a test may spoil."""
    return make_tiny_dataset(tmp_path / "data", music=False, seconds=1.0)


@pytest.fixture(scope="session")
def mini(cadenza_mini: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real data set in miniature with its music at the microphones generated."""
    root = tmp_path_factory.mktemp("mini") / "cadenza_data"
    shutil.copytree(cadenza_mini, root, copy_function=shutil.copyfile)
    for folder in (root, *(path for path in root.rglob("*") if path.is_dir())):
        folder.chmod(0o755)
    generate_at_mic_musdb18.run(generate_config(root))
    return root
