"""Draw the scenes of the training set and the listeners of each scene.

``python generate_train_scenes.py path.root=cadenza_data`` writes ``scenes.train.json`` and
``scene_listeners.train.json``; the draws are seeded, so everybody gets the same.
"""

from __future__ import annotations

if __name__ == "__main__":
    from clarity.utils.stopping import end_at_once_when_stopped

    end_at_once_when_stopped()

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from clarity.utils.file_io import write_json
from recipes.cad_icassp_2024.data import metadata
from recipes.cad_icassp_2024.data.audio_files import find_on_disk
from recipes.cad_icassp_2024.data.dataset import set_song_seed
from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.data.metadata import Problems
from recipes.cad_icassp_2024.generate_dataset.config import GenerateConfig, as_generate_config
from recipes.cad_icassp_2024.runs.entry import EntryPoint

logger = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_SCENE = 10001
LISTENER_SEED = "icassp2024"

Scenes = dict[str, dict[str, str]]
"""Scene id to ``music``, ``gain`` and ``head_loudspeaker_positions``."""


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


def generate_scenes(cfg: Any) -> None:
    """Draw the scenes and write them to ``path.scene_file``.

    Parameters
    ----------
    cfg : GenerateConfig or DictConfig
        Uses ``path.{music_file,gains_file,head_loudspeaker_positions_file,scene_file}``,
        ``scene.number_scenes_per_song`` and ``overwrite``.

    Raises
    ------
    RecipeError
        When the metadata has faults, or a different scene file is there already.
    """
    config = as_generate_config(cfg)
    path = config.path
    problems = Problems()
    tracks = metadata.read_tracks(find_on_disk(path.music_file), "path.music_file", problems)
    gains = _ids(path.gains_file, "path.gains_file", metadata.parse_gains, problems)
    positions = _ids(
        path.head_loudspeaker_positions_file,
        "path.head_loudspeaker_positions_file",
        metadata.parse_head_position,
        problems,
    )
    problems.raise_if_any(f"the metadata in {path.metadata_dir}")
    scenes = draw_scenes(tracks, gains, positions, config.scene.number_scenes_per_song)
    write_generated(find_on_disk(path.scene_file), scenes, config.overwrite)


def generate_scene_listener(cfg: Any) -> None:
    """Draw the listeners of the scenes and write them to ``path.scene_listeners_file``.

    Parameters
    ----------
    cfg : GenerateConfig or DictConfig
        Uses ``path.{scene_file,listeners_file,scene_listeners_file}``,
        ``scene_listener.number_listeners_per_scene`` and ``overwrite``.

    Raises
    ------
    RecipeError
        When the metadata has faults, or a different file of listeners is there already.
    """
    config = as_generate_config(cfg)
    path = config.path
    problems = Problems()
    scenes = _ids(path.scene_file, "path.scene_file", metadata.parse_scene, problems)
    listeners = _ids(path.listeners_file, "path.listeners_file", metadata.parse_listener, problems)
    problems.raise_if_any(f"the metadata in {path.metadata_dir}")
    n_per_scene = config.scene_listener.number_listeners_per_scene
    drawn = draw_scene_listeners(scenes, listeners, n_per_scene)
    write_generated(find_on_disk(path.scene_listeners_file), drawn, config.overwrite)


def _ids(path: str, key: str, parse: Callable[..., Any], problems: Problems) -> list[str]:
    """Read a file of entries and keep their ids, in order."""
    return list(metadata.read_table(find_on_disk(path), key, problems, parse).entries)


def write_generated(path: Path, data: Mapping[str, Any], overwrite: bool) -> None:
    """Write generated metadata, but do not destroy other metadata that is there already.

    Parameters
    ----------
    path : Path
        The JSON file.
    data : mapping of str to object
        Entries by id.
    overwrite : bool
        Replace a file whose entries would change or go.

    Raises
    ------
    RecipeError
        When the file holds other entries and `overwrite` is not set.
    """
    if not check_generated(path, data, overwrite):
        logger.info("%s is there already, with the same content", path)
        return
    write_json(path, data)
    logger.info("Wrote %s: %d entries", path, len(data))


def check_generated(path: Path, data: Mapping[str, Any], overwrite: bool) -> bool:
    """Tell whether generated metadata needs to be written.

    Parameters
    ----------
    path, data, overwrite
        As for `write_generated`.

    Returns
    -------
    bool
        False when the file has the same content already.

    Raises
    ------
    RecipeError
        When the file holds other entries and `overwrite` is not set.
    """
    if not path.exists():
        return True
    problems = Problems()
    present = metadata.read_metadata(path, "its key", problems)
    if present == data and not problems:
        return list(present) != list(data)
    new = object()
    kept = isinstance(present, dict) and all(
        data.get(key, new) == value for key, value in present.items()
    )
    if not overwrite and not kept:
        raise RecipeError(
            f"{path} is there already and differs from what would be generated now; move it "
            "away, or give overwrite=true to replace it"
        )
    return True


def run(config: GenerateConfig) -> None:
    """Draw scenes, then their listeners."""
    generate_scenes(config)
    generate_scene_listener(config)


def main() -> None:
    """Run the script."""
    EntryPoint(
        name="generate_train_scenes",
        task=run,
        summary="draw the scenes of the training set and the listeners of each scene",
        examples=(
            "python generate_train_scenes.py path.root=cadenza_data",
            "python generate_train_scenes.py path.root=cadenza_data scene.number_scenes_per_song=2",
            "python generate_train_scenes.py path.root=cadenza_data overwrite=true",
        ),
        config_name="generate_dataset",
        schema=GenerateConfig,
        results=None,
    ).run()


if __name__ == "__main__":
    main()
