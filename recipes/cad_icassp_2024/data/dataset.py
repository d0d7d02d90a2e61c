"""The data set: scenes, listeners, songs and pairs, read once and checked as a whole.

This is the only reader of metadata. Everything a user can have wrong in the files is found here
and reported together, before any work starts.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from clarity.separation.base import VDBO
from clarity.utils.audiogram import Listener
from recipes.cad_icassp_2024.data import metadata
from recipes.cad_icassp_2024.data.audio_files import OnDisk, audio_problems, read_stereo
from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.data.metadata import Problems, Table

logger = logging.getLogger(__name__)

MIXTURE = "mixture"
SONG_FILES = (MIXTURE, *VDBO)
"""The five files of a song, without ``.wav``."""

Gains = dict[str, float]
"""Decibels for each stem."""


def seed_for(text: str) -> int:
    """Seed that the challenge derives from a name: MD5 as a number, modulo 10^8.

    Parameters
    ----------
    text : str
        A song's name, a scene's id, or any other text.

    Returns
    -------
    int
        The seed, 0 to 99,999,999.
    """
    return int(hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(), 16) % 10**8


def set_song_seed(song: str) -> None:
    """Seed NumPy's legacy global generator by `seed_for`.

    Parameters
    ----------
    song : str
        A song's name, a scene's id, or any other text.
    """
    np.random.seed(seed_for(song))


def mixture_id(song: str, head_position: str) -> str:
    """Name of a song at the microphones of one head: ``{song}-{head position}``."""
    return f"{song}-{head_position}"


def existing_root(root: str | Path) -> Path:
    """Make sure that the folder of the data set is there.

    Parameters
    ----------
    root : str or Path
        ``path.root``, as the user typed it.

    Returns
    -------
    Path
        The same, ``~`` expanded.

    Raises
    ------
    RecipeError
        When it is not a folder.
    """
    folder = Path(root).expanduser()
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise RecipeError(
            f"path.root={root} {what} (looked for {folder.absolute()}); "
            "give the folder that holds audio/ and metadata/"
        )
    return folder


@dataclass(frozen=True)
class DataPaths:
    """Where the parts of a data set lie; the attributes are the keys of ``path`` in the config.

    Attributes
    ----------
    root : Path
        Folder of the data set.
    split : str
        train, valid or test; part of the file names.
    metadata_dir, music_dir : Path
        Folders of the JSON files and of the at-mic music.
    gains_file, head_positions_file, listeners_file : Path
    music_file, scenes_file, scene_listeners_file : Path
        The JSON files.
    """

    root: Path
    split: str
    metadata_dir: Path
    music_dir: Path
    gains_file: Path
    head_positions_file: Path
    listeners_file: Path
    music_file: Path
    scenes_file: Path
    scene_listeners_file: Path

    @classmethod
    def from_config(cls, config: Any) -> DataPaths:
        """Take the paths from ``cfg.path``, with the spelling that is on disk.

        Parameters
        ----------
        config : PathConfig or DictConfig
            Anything with the attributes of this class: strings or paths.

        Returns
        -------
        DataPaths
            Paths as the user typed them, ``~`` expanded.

        Raises
        ------
        RecipeError
            When ``path.root`` is not a folder.
        """
        root = existing_root(config.root)
        disk = OnDisk()
        names = [item.name for item in fields(cls) if item.name not in {"root", "split"}]
        found = {name: disk.find(Path(getattr(config, name)).expanduser()) for name in names}
        return cls(root=root, split=str(config.split), **found)


@dataclass(frozen=True)
class Scene:
    """A song at a head, and the balance that is asked for.

    Attributes
    ----------
    id : str
        Scene id, ``scene_10001``.
    song : str
        Name of the song before it was filtered with the head's impulse responses.
    head_position : str
        Id of the head and loudspeaker positions.
    gain_id : str
        Id of the gain set.
    gains_db : mapping of str to float
        The gain of each stem, dB.
    """

    id: str
    song: str
    head_position: str
    gain_id: str
    gains_db: Mapping[str, float]

    @property
    def mixture_id(self) -> str:
        """Name of the at-mic song: ``{song}-{head position}``."""
        return mixture_id(self.song, self.head_position)


@dataclass(frozen=True)
class Pair:
    """A scene and one of its listeners: the unit of work and of scores."""

    scene: Scene
    listener: Listener

    @property
    def id(self) -> str:
        """``{scene}_{listener}``, the start of the names of the pair's files."""
        return f"{self.scene.id}_{self.listener.id}"


@dataclass(frozen=True)
class Dataset:
    """Scenes, listeners and pairs of one split, all of them checked.

    Attributes
    ----------
    paths : DataPaths
        Where everything lies.
    scenes, listeners
        By id, in the order of their files.
    pairs : tuple of Pair
        All pairs, in the order of the file of scene listeners.
    song_folders : dict of str to str
        Folder of every at-mic song, below ``paths.music_dir``, by `Scene.mixture_id`.
    """

    paths: DataPaths
    scenes: dict[str, Scene]
    listeners: dict[str, Listener]
    pairs: tuple[Pair, ...]
    song_folders: dict[str, str]
    _disk: OnDisk = field(default_factory=OnDisk, repr=False, compare=False)

    @classmethod
    def load(cls, paths: DataPaths) -> Dataset:
        """Read and check all metadata.

        The file of at-mic music is used if it is there; without it a song's folder is
        ``{split}/{song}-{head position}``. So it is with the head positions, which neither
        enhancement nor evaluation needs: an id is checked against them if they are there.

        Parameters
        ----------
        paths : DataPaths
            Where the files lie.

        Returns
        -------
        Dataset
            The data set.

        Raises
        ------
        RecipeError
            With a list of everything that is wrong.
        """
        problems = Problems()
        tables = _Tables.read(paths, problems)
        scenes = tables.scenes(problems)
        pairs = tables.pairs(scenes, problems)
        problems.raise_if_any(f"the metadata of split '{paths.split}' in {paths.metadata_dir}")
        return cls(paths, scenes, tables.listeners.entries, pairs, tables.song_folders(scenes))

    def select(self, batch: int = 0, n_batches: int = 1, small_test: bool = False) -> list[Pair]:
        """Choose the pairs of one batch.

        Parameters
        ----------
        batch : int
            Which batch, from 0.
        n_batches : int
            How many batches the pairs are dealt out to.
        small_test : bool
            Deal out every 15th pair only.

        Returns
        -------
        list of Pair
            ``pairs[batch::n_batches]``.

        Raises
        ------
        RecipeError
            When there is no such batch.
        """
        if n_batches < 1 or not 0 <= batch < n_batches:
            raise RecipeError(
                f"There is no batch {batch} of {n_batches}: evaluate.batch counts from 0 to "
                "evaluate.batch_size - 1"
            )
        pairs = self.pairs[::15] if small_test else self.pairs
        return list(pairs[batch::n_batches])

    def music_file(self, scene: Scene, name: str) -> Path:
        """Path of one of a scene's at-mic files, spelt as it is on disk.

        Parameters
        ----------
        scene : Scene
            The scene.
        name : str
            ``mixture`` or a stem.

        Returns
        -------
        Path
            The WAV file.
        """
        folder = self.paths.music_dir / self.song_folders[scene.mixture_id]
        return self._disk.find(folder / f"{name}.wav")

    def check_audio(self, pairs: Iterable[Pair], names: Sequence[str]) -> list[str]:
        """Read the headers of all files that the pairs need, each once.

        Parameters
        ----------
        pairs : iterable of Pair
            The pairs to be worked on.
        names : sequence of str
            Which files of each song: ``mixture`` and stems.

        Returns
        -------
        list of str
            What is wrong, each line with the file and what to do; empty if all is well.
        """
        songs = {pair.scene.mixture_id: pair.scene for pair in pairs}
        return audio_problems(
            {name: self.music_file(scene, name) for name in names} for scene in songs.values()
        )

    def read_music(self, scene: Scene, name: str, sample_rate: int) -> np.ndarray:
        """Read one of a scene's at-mic files.

        Parameters
        ----------
        scene : Scene
            The scene.
        name : str
            ``mixture`` or a stem.
        sample_rate : int
            Wanted rate in Hz; a file of another rate is resampled.

        Returns
        -------
        ndarray
            Signal, shape (samples, 2), float64, full scale 1.

        Raises
        ------
        RecipeError
            When the file is missing, unreadable, not stereo, or holds NaN or infinity.
        """
        return read_stereo(self.music_file(scene, name), sample_rate)


@dataclass(frozen=True)
class _Tables:
    """The metadata files of one split, before they are put together."""

    paths: DataPaths
    gains: Table[Gains]
    listeners: Table[Listener]
    scene_entries: Table[metadata.SceneEntry]
    scene_listeners: Table[list[str]]
    head_positions: Table[metadata.HeadPosition]
    music: Table[str]

    @classmethod
    def read(cls, paths: DataPaths, problems: Problems) -> _Tables:
        def table(name: str, parse: Any, **options: Any) -> Table:
            path = getattr(paths, f"{name}_file")
            key = f"path.{name}_file"
            return metadata.read_table(path, key, problems, parse, **options)

        def optional(name: str, parse: Any) -> Table:
            path = getattr(paths, f"{name}_file")
            if path.exists():
                return table(name, parse)
            logger.info("There is no %s; going on without it", path)
            return Table(path, {}, None)

        listeners = table("listeners", metadata.parse_listener, check_id=metadata.id_fault)
        named = {name: replace(listener, id=name) for name, listener in listeners.entries.items()}
        return cls(
            paths=paths,
            gains=table("gains", metadata.parse_gains),
            listeners=replace(listeners, entries=named),
            scene_entries=table("scenes", metadata.parse_scene, check_id=metadata.id_fault),
            scene_listeners=table("scene_listeners", metadata.parse_listener_ids),
            head_positions=optional("head_positions", metadata.parse_head_position),
            music=optional("music", metadata.parse_track_path),
        )

    def scenes(self, problems: Problems) -> dict[str, Scene]:
        """Scenes with their gains; notes ids that no file has."""
        built: dict[str, Scene] = {}
        path = self.scene_entries.path
        for scene_id, entry in self.scene_entries.entries.items():
            name = mixture_id(entry.music, entry.head_position)
            for what, wanted, table in (
                ("gain", entry.gain, self.gains),
                ("head position", entry.head_position, self.head_positions),
                ("at-mic song", name, self.music),
            ):
                if table.lacks(wanted):
                    line = f"{path}: {scene_id}: {what} '{wanted}' is not in {table.path}"
                    problems.add(f"unknown {what}", f"{line}; correct the id or add the entry")
            gains = self.gains.entries.get(entry.gain, {})
            built[scene_id] = Scene(scene_id, entry.music, entry.head_position, entry.gain, gains)
        return built

    def pairs(self, scenes: Mapping[str, Scene], problems: Problems) -> tuple[Pair, ...]:
        """Pairs in the order of the file of scene listeners; notes ids that no file has."""
        pairs: list[Pair] = []
        path = self.scene_listeners.path
        for scene_id, listener_ids in self.scene_listeners.entries.items():
            if self.scene_entries.lacks(scene_id):
                line = f"{path}: {scene_id}: there is no such scene in {self.scene_entries.path}"
                problems.add("unknown scene", f"{line}; remove it or add the scene")
            for listener_id in listener_ids:
                if self.listeners.lacks(listener_id):
                    line = f"{path}: {scene_id}: listener '{listener_id}' is not in"
                    hint = "correct the id or add the listener"
                    problems.add("unknown listener", f"{line} {self.listeners.path}; {hint}")
            known = [self.listeners.entries.get(listener_id) for listener_id in listener_ids]
            if scene_id in scenes:
                pairs += [Pair(scenes[scene_id], listener) for listener in known if listener]
        for scene_id in sorted(self.scene_entries.ids or ()):
            if self.scene_listeners.lacks(scene_id):
                line = f"{path}: {scene_id}: has no listeners; add them or remove the scene from"
                problems.add("no listeners", f"{line} {self.scene_entries.path}")
        _note_equal_ids(pairs, path, problems)
        return tuple(pairs)

    def song_folders(self, scenes: Mapping[str, Scene]) -> dict[str, str]:
        """Folder of each at-mic song below the music folder."""
        names = dict.fromkeys(scene.mixture_id for scene in scenes.values())
        return {name: self.music.entries.get(name, f"{self.paths.split}/{name}") for name in names}


def _note_equal_ids(pairs: Iterable[Pair], path: Path, problems: Problems) -> None:
    """Note pairs whose files would have one name (``a_b`` with ``c``, ``a`` with ``b_c``)."""
    first: dict[str, Pair] = {}
    for pair in pairs:
        other = first.setdefault(pair.id, pair)
        if other is not pair:
            line = f"{path}: {pair.scene.id} with {pair.listener.id} and {other.scene.id} with"
            hint = "rename one of them"
            problems.add("equal ids", f"{line} {other.listener.id} would share a file name; {hint}")
