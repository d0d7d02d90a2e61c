"""The scripts as a user runs them, and the names that entrants import."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from recipes.cad_icassp_2024.generate_dataset import generate_at_mic_musdb18, generate_train_scenes
from tests.conftest import ROOT
from tests.recipes.tiny_dataset import TinyDataset, make_tiny_dataset

FOLDER = ROOT / "recipes" / "cad_icassp_2024" / "generate_dataset"


@pytest.fixture
def data(tmp_path: Path) -> TinyDataset:
    return make_tiny_dataset(tmp_path / "data", seconds=0.5, at_mic=False, scenes=False)


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command], cwd=cwd, capture_output=True, text=True, check=False
    )


def test_from_their_folder_and_as_modules(data: TinyDataset) -> None:
    two = "scene.number_scenes_per_song=2"
    done = run("generate_train_scenes.py", f"path.root={data.root}", two, cwd=FOLDER)
    assert done.returncode == 0, done.stdout + done.stderr
    module = "recipes.cad_icassp_2024.generate_dataset.generate_at_mic_musdb18"
    done = run("-m", module, "path.root=data", cwd=data.root.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list((data.root / "audio" / "at_mic_music").rglob("*.wav"))) == 4 * 5
    assert (data.metadata / "at_mic_music.train.json").is_file()
    assert sorted(path.name for path in data.root.parent.iterdir()) == ["data"]


def test_relative_root_means_what_was_typed(data: TinyDataset) -> None:
    script = str(FOLDER / "generate_train_scenes.py")
    done = run(script, "path.root=../data", "scene.number_scenes_per_song=1", cwd=data.metadata)
    assert done.returncode == 1
    assert "path.root=../data does not exist" in done.stdout + done.stderr
    done = run(script, "path.root=..", "scene.number_scenes_per_song=1", cwd=data.metadata)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (data.metadata / "scenes.train.json").is_file()


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("path.root=nowhere", "path.root=nowhere does not exist"),
        ("n_wokers=2", "n_wokers: there is no such key; did you mean n_workers?"),
        ("sample_rate=fast", "Value 'fast' of type 'str' could not be converted to Integer"),
        ("sample_rate=0", "sample_rate=0: must be 1 or more"),
    ],
)
def test_a_mistake_gets_one_message_and_exit_code_1(
    argument: str, message: str, data: TinyDataset
) -> None:
    arguments = [f"path.root={data.root}", argument]
    script = str(FOLDER / "generate_at_mic_musdb18.py")
    done = run(script, *arguments, cwd=data.root)
    assert done.returncode == 1
    assert message in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("script", ["generate_train_scenes.py", "generate_at_mic_musdb18.py"])
def test_help_explains_every_key_and_shows_three_commands(script: str, tmp_path: Path) -> None:
    done = run(str(FOLDER / script), "--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(f"python {script}") >= 3
    for key in ("path.root", "path.hrtf_dir", "scene.number_scenes_per_song", "overwrite"):
        assert f"\n  {key} " in done.stdout
    assert not list(tmp_path.iterdir())


# Read off pyclarity 0.9.0 by inspect.signature; further arguments may follow if they are optional.
SIGNATURES = {
    generate_at_mic_musdb18: {
        "apply_hrtf": ["signal", "hrtf_left", "hrtf_right"],
        "load_hrtf_signals": ["hrtf_path", "hp"],
        "normalise_lufs_level": ["signal", "reference_signal", "sample_rate"],
        "find_precreated_samples": ["source_dir"],
        "run": ["cfg"],
    },
    generate_train_scenes: {
        "choose_samples": ["source", "size"],
        "generate_scenes": ["cfg"],
        "generate_scene_listener": ["cfg"],
    },
}


@pytest.mark.parametrize("module", SIGNATURES, ids=lambda module: module.__name__.split(".")[-1])
def test_entrants_find_the_peers_names_and_arguments(module) -> None:
    for name, arguments in SIGNATURES[module].items():
        parameters = list(inspect.signature(getattr(module, name)).parameters.values())
        assert [p.name for p in parameters[: len(arguments)]] == arguments
        assert all(p.default is not p.empty for p in parameters[len(arguments) :])
