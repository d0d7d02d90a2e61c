"""Make peer_reference.json: what pyClarity 0.9.0 generates from the tests' own tiny data set.

Run with a Python that has pyclarity installed (not this project), from any folder:

    python make_peer_reference.py

The package `recipes` that is run here must be pyClarity's.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile

HERE = Path(__file__).resolve().parent
EVERY = 441
"""Samples between those that are kept."""


def load_tiny_dataset_module():
    spec = importlib.util.spec_from_file_location("tiny_dataset", HERE.parent / "tiny_dataset.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["tiny_dataset"] = module
    spec.loader.exec_module(module)
    return module


def run_peer(script: str, root: Path, *overrides: str) -> None:
    module = f"recipes.cad_icassp_2024.generate_dataset.{script}"
    command = [sys.executable, "-m", module, f"path.root={root}", *overrides]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(command, check=True, cwd=folder)


def main() -> None:
    tiny_dataset = load_tiny_dataset_module()
    reference = {
        "source": f"pyclarity {importlib.metadata.version('pyclarity')}, "
        f"numpy {np.__version__}, scipy {importlib.metadata.version('scipy')}",
        "scenes": {},
    }
    for n_scenes, n_listeners in ((1, 1), (2, 2), (3, 3)):
        with tempfile.TemporaryDirectory() as folder:
            data = tiny_dataset.make_tiny_dataset(
                Path(folder), n_songs=4, scenes=False, music=False, at_mic=False
            )
            run_peer(
                "generate_train_scenes",
                data.root,
                f"scene.number_scenes_per_song={n_scenes}",
                f"scene_listener.number_listeners_per_scene={n_listeners}",
            )
            reference["scenes"][f"{n_scenes} {n_listeners}"] = {
                name: (data.metadata / f"{name}.train.json").read_text()
                for name in ("scenes", "scene_listeners")
            }
    with tempfile.TemporaryDirectory() as folder:
        data = tiny_dataset.make_tiny_dataset(Path(folder), seconds=1.0, at_mic=False)
        (data.metadata / "at_mic_music.train.json").unlink()
        run_peer("generate_at_mic_musdb18", data.root)
        reference["at_mic_music"] = (data.metadata / "at_mic_music.train.json").read_text()
        reference["at_mic_every_441st_sample"] = {
            f"{mixture}/{name}": soundfile.read(
                data.at_mic_folder(mixture) / f"{name}.wav", dtype="int16"
            )[0][::EVERY].tolist()
            for mixture in data.mixtures
            for name in tiny_dataset.FILES
        }
    (HERE / "peer_reference.json").write_text(json.dumps(reference) + "\n")


if __name__ == "__main__":
    main()
