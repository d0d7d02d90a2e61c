"""Draw the scenes of the training set and the listeners of each scene.

``python generate_train_scenes.py path.root=cadenza_data`` writes ``scenes.train.json`` and
``scene_listeners.train.json``; the draws are seeded, so everybody gets the same.
"""

from __future__ import annotations

if __name__ == "__main__":
    from clarity.utils.stopping import end_at_once_when_stopped

    end_at_once_when_stopped()

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import hydra
import numpy as np
from omegaconf import DictConfig

from recipes.cad_icassp_2024.data.errors import Problems, RecipeError
from recipes.cad_icassp_2024.data.metadata import read_table, read_tracks, write_generated
from recipes.cad_icassp_2024.data.scenes import set_song_seed
from recipes.cad_icassp_2024.data.schema import GainSet, HeadPosition, ListenerEntry, SceneEntry
from recipes.cad_icassp_2024.generate_dataset.config import GenerateConfig, as_generate_config
from recipes.cad_icassp_2024.runs.command_line import command_line
from recipes.cad_icassp_2024.runs.composition import CONFIG_DIR
from recipes.cad_icassp_2024.runs.job import job

T = TypeVar("T")

FIRST_SCENE = 10001
LISTENER_SEED = "icassp2024"


def run(cfg: Any) -> None:
    """Draw scenes, then their listeners."""
    generate_scenes(cfg)
    generate_scene_listener(cfg)


def generate_scenes(cfg: Any) -> None:
    """Draw the scenes and write them to ``path.scene_file``.

    Parameters
    ----------
    cfg : GenerateConfig or DictConfig
        Uses ``path.{music_file,gains_file,head_loudspeaker_positions_file,scene_file}``, or
        ``path.metadata_dir`` for those that are not given, ``scene.number_scenes_per_song`` and
        ``overwrite``.

    Raises
    ------
    RecipeError
        When the metadata has faults, or a different scene file is there already.
    """
    config = as_generate_config(cfg)
    path = config.path
    problems = Problems()
    songs = read_tracks(path, problems).entries
    gains = read_table(path, "gains_file", GainSet, problems).entries
    positions_key = "head_loudspeaker_positions_file"
    positions = read_table(path, positions_key, HeadPosition, problems).entries
    problems.raise_if_any(f"the metadata in {path.metadata_dir}")
    scenes = draw_scenes(songs, list(gains), list(positions), config.scene.number_scenes_per_song)
    write_generated(path.scene_file, scenes, config.overwrite)


def draw_scenes(
    songs: Iterable[str], gains: Sequence[str], head_positions: Sequence[str], n_per_song: int
) -> dict[str, dict[str, str]]:
    """Draw the scenes of every song: each has a gain set and a head position of its own.

    The ids are in the order of their files; a song's name seeds its draws.
    """
    for what, ids in (("gain sets", gains), ("head positions", head_positions)):
        if len(ids) < n_per_song:
            raise RecipeError(
                f"scene.number_scenes_per_song={n_per_song}, but there are only {len(ids)} {what}; "
                "ask for fewer scenes"
            )
    scenes: dict[str, dict[str, str]] = {}
    for song in songs:
        set_song_seed(song)
        left = {"gain": list(gains), "head_loudspeaker_positions": list(head_positions)}
        for _ in range(n_per_song):
            drawn = {key: choose_samples(ids, 1)[0] for key, ids in left.items()}
            scenes[f"scene_{FIRST_SCENE + len(scenes)}"] = {"music": song, **drawn}
            for key, ids in left.items():
                ids.remove(drawn[key])
    return scenes


def generate_scene_listener(cfg: Any) -> None:
    """Draw the listeners of the scenes and write them to ``path.scene_listeners_file``.

    Parameters
    ----------
    cfg : GenerateConfig or DictConfig
        Uses ``path.{scene_file,listeners_file,scene_listeners_file}``, or ``path.metadata_dir``
        for those that are not given, ``scene_listener.number_listeners_per_scene`` and
        ``overwrite``.

    Raises
    ------
    RecipeError
        When the metadata has faults, or a different file of listeners is there already.
    """
    config = as_generate_config(cfg)
    path = config.path
    problems = Problems()
    scenes = read_table(path, "scene_file", SceneEntry, problems).entries
    listeners = list(read_table(path, "listeners_file", ListenerEntry, problems).entries)
    problems.raise_if_any(f"the metadata in {path.metadata_dir}")
    n_per_scene = config.scene_listener.number_listeners_per_scene
    set_song_seed(LISTENER_SEED)
    drawn = {scene: choose_samples(listeners, n_per_scene) for scene in scenes}
    write_generated(path.scene_listeners_file, drawn, config.overwrite)


def choose_samples(source: Sequence[T], size: int) -> list[T]:
    """Draw from a list without putting back, by NumPy's legacy global generator.

    Parameters
    ----------
    source : sequence
        What to draw from.
    size : int
        How many to draw.

    Returns
    -------
    list
        The drawn items. A list no longer than `size` is taken whole, without a draw.
    """
    if len(source) <= size:
        return list(source)
    return [source[index] for index in np.random.choice(len(source), size, replace=False)]


@command_line(
    "generate_train_scenes",
    "draw the scenes of the training set and the listeners of each scene",
    "python generate_train_scenes.py path.root=cadenza_data",
    "python generate_train_scenes.py path.root=cadenza_data scene.number_scenes_per_song=2",
    "python generate_train_scenes.py path.root=cadenza_data overwrite=true",
    config_name="generate_dataset",
    schema=GenerateConfig,
)
@hydra.main(version_base="1.3", config_path=str(CONFIG_DIR), config_name="generate_dataset")
def main(cfg: DictConfig) -> None:
    """Run the script."""
    with job("generate_train_scenes", cfg, schema=GenerateConfig, results=None) as config:
        run(config)


if __name__ == "__main__":
    main()
