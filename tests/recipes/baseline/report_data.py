"""Experiments with scores that were made up, for the tests of the report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile
from hydra import compose, initialize_config_dir

from clarity.utils.file_io import write_csv
from recipes.cad_icassp_2024.data.dataset import Dataset
from recipes.cad_icassp_2024.data.paths import DataPaths
from recipes.cad_icassp_2024.runs.composition import CONFIG_DIR
from recipes.cad_icassp_2024.runs.config import Config, as_config
from recipes.cad_icassp_2024.runs.experiment import Experiment
from recipes.cad_icassp_2024.runs.scores import SCORE_COLUMNS
from tests.recipes.tiny_dataset import TinyDataset

SIGNAL_RATE = 32000


def report_config(root: Path, *overrides: str) -> Config:
    """The real configuration."""
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        return as_config(compose("config", [f"path.root={quoted(root)}", *overrides]))


def quoted(path: Path) -> str:
    """A path as Hydra takes it, whatever is in it."""
    return f'"{path}"'


def load(data: TinyDataset) -> Dataset:
    return Dataset.load(DataPaths.from_config(report_config(data.root).path))


def make_experiment(
    data: TinyDataset, folder: Path, model: str, mean: float, *, seed: int = 0, signals: bool = True
) -> Experiment:
    """Write scores around a mean, and noise for signals."""
    rng = np.random.default_rng(seed)
    experiment = Experiment(folder)
    experiment.record_file("enhance").parent.mkdir(parents=True)
    experiment.record_file("enhance").write_text(json.dumps({"separator.model": model}))
    rows = []
    for pair in load(data).pairs:
        left, right = (mean + 0.05 * rng.standard_normal(2)).tolist()
        values = (pair.scene.id, pair.scene.mixture_id, pair.listener.id)
        scores = map(repr, (left, right, (left + right) / 2))
        rows.append(dict(zip(SCORE_COLUMNS, (*values, *scores), strict=True)))
        if signals:
            experiment.signals.mkdir(exist_ok=True)
            noise = 0.1 * rng.standard_normal((SIGNAL_RATE // 2, 2))
            soundfile.write(experiment.signal_file(pair), noise, SIGNAL_RATE, subtype="PCM_16")
    write_csv(folder / "scores.csv", SCORE_COLUMNS, rows)
    return experiment


def rename_song(data: TinyDataset, old: str, new: str) -> None:
    """Give a song another name in the metadata; its folders stay where they are."""
    scenes = data.metadata / f"scenes.{data.split}.json"
    entries = json.loads(scenes.read_text())
    for entry in entries.values():
        entry["music"] = new if entry["music"] == old else entry["music"]
    scenes.write_text(json.dumps(entries))
    music = data.metadata / f"at_mic_music.{data.split}.json"
    tracks = json.loads(music.read_text())
    renamed = {name.replace(f"{old}-", f"{new}-"): track for name, track in tracks.items()}
    music.write_text(json.dumps(renamed))
