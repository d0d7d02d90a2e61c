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
from recipes.cad_icassp_2024.data.metadata import read_table, read_tracks
from recipes.cad_icassp_2024.data.paths import find_on_disk
from recipes.cad_icassp_2024.data.scenes import set_song_seed
from recipes.cad_icassp_2024.data.schema import GainSet, HeadPosition, ListenerEntry, SceneEntry
from recipes.cad_icassp_2024.generate_dataset.config import (
    GenerateConfig,
    GeneratePathConfig,
    as_generate_config,
)
from recipes.cad_icassp_2024.generate_dataset.generated_metadata import write_generated
from recipes.cad_icassp_2024.runs.command_line import command_line
from recipes.cad_icassp_2024.runs.composition import CONFIG_DIR
from recipes.cad_icassp_2024.runs.job import job

T = TypeVar("T")

FIRST_SCENE = 10001
LISTENER_SEED = "icassp2024"

Scenes = dict[str, dict[str, str]]
"""Scene id to ``music``, ``gain`` and ``head_loudspeaker_positions``."""


def run(cfg: Any) -> None:
    """Draw scenes, then their listeners."""
    generate_scenes(cfg)
    generate_scene_listener(cfg)


def draw_scenes(
    songs: Iterable[str], gains: Sequence[str], head_positions: Sequence[str], n_per_song: int
) -> Scenes:
    """Draw the scenes of every song: each has a gain set and a head position of its own.

    Parameters
    ----------
    songs : iterable of str
        Names; a song's name seeds its draws.
    gains, head_positions : sequence of str
        Ids to draw from, in the order of their files.
    n_per_song : int
        Scenes for each song.

    Returns
    -------
    dict
        Scenes by id, counted from ``scene_10001``.

    Raises
    ------
    RecipeError
        When there are fewer gain sets or head positions than scenes for a song.
    """
    for what, ids in (("gain sets", gains), ("head positions", head_positions)):
        if len(ids) < n_per_song:
            raise RecipeError(
                f"scene.number_scenes_per_song={n_per_song}, but there are only {len(ids)} {what}; "
                "ask for fewer scenes"
            )
    scenes: Scenes = {}
    for song in songs:
        set_song_seed(song)
        gains_left, positions_left = list(gains), list(head_positions)
        for _ in range(n_per_song):
            gain, position = _take(gains_left), _take(positions_left)
            scenes[f"scene_{FIRST_SCENE + len(scenes)}"] = {
                "music": song,
                "gain": gain,
                "head_loudspeaker_positions": position,
            }
    return scenes


def _take(left: list[str]) -> str:
    """Draw one id and take it out of the list."""
    (drawn,) = choose_samples(left, 1)
    left.remove(drawn)
    return drawn


def draw_scene_listeners(
    scenes: Iterable[str], listeners: Sequence[str], n_per_scene: int
) -> dict[str, list[str]]:
    """Draw the listeners of every scene.

    Parameters
    ----------
    scenes : iterable of str
        Scene ids.
    listeners : sequence of str
        Listener ids to draw from, in the order of their file.
    n_per_scene : int
        Listeners for each scene; where there are fewer, all of them.

    Returns
    -------
    dict
        Listener ids by scene id.
    """
    set_song_seed(LISTENER_SEED)
    return {scene: choose_samples(listeners, n_per_scene) for scene in scenes}


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
    tracks = read_tracks(find_on_disk(path.music_file), "path.music_file", problems)
    gains = _ids(path, "gains_file", GainSet, problems)
    positions = _ids(path, "head_loudspeaker_positions_file", HeadPosition, problems)
    problems.raise_if_any(f"the metadata in {path.metadata_dir}")
    scenes = draw_scenes(tracks.entries, gains, positions, config.scene.number_scenes_per_song)
    write_generated(find_on_disk(path.scene_file), scenes, config.overwrite)


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
    scenes = _ids(path, "scene_file", SceneEntry, problems)
    listeners = _ids(path, "listeners_file", ListenerEntry, problems)
    problems.raise_if_any(f"the metadata in {path.metadata_dir}")
    n_per_scene = config.scene_listener.number_listeners_per_scene
    drawn = draw_scene_listeners(scenes, listeners, n_per_scene)
    write_generated(find_on_disk(path.scene_listeners_file), drawn, config.overwrite)


def _ids(path: GeneratePathConfig, name: str, kind: type, problems: Problems) -> list[str]:
    """Read a file of entries and keep their ids, in order."""
    file = find_on_disk(getattr(path, name))
    return list(read_table(file, f"path.{name}", kind, problems).entries)


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
