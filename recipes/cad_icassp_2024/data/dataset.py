"""The data set: scenes, listeners, songs and pairs, read once and checked as a whole.

This is the only reader of metadata. Everything a user can have wrong in the files is found here
and reported together, before any work starts.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clarity.utils.audiogram import Listener
from recipes.cad_icassp_2024.data import consistency, schema
from recipes.cad_icassp_2024.data.audio_files import SongFolders, audio_problems, read_stereo
from recipes.cad_icassp_2024.data.content import Contents
from recipes.cad_icassp_2024.data.errors import Problems, RecipeError
from recipes.cad_icassp_2024.data.metadata import Table, read_table
from recipes.cad_icassp_2024.data.paths import DataPaths
from recipes.cad_icassp_2024.data.scenes import Pair, Scene, mixture_id

logger = logging.getLogger(__name__)

OPTIONAL = ("head_positions_file", "music_file")
"""Metadata files that enhancement and evaluation can do without."""


@dataclass(frozen=True)
class Dataset:
    """Scenes, listeners and pairs of one split, all of them checked, in the order of their files.

    ``songs`` finds the files of the at-mic songs by `Scene.mixture_id`, ``contents`` tells what
    they hold.
    """

    paths: DataPaths
    scenes: dict[str, Scene]
    listeners: dict[str, Listener]
    pairs: tuple[Pair, ...]
    songs: SongFolders
    contents: Contents

    @classmethod
    def load(cls, paths: DataPaths, contents: Contents | None = None) -> Dataset:
        """Read and check all metadata; a `RecipeError` lists everything that is wrong.

        The file of at-mic music is used if it is there; without it a song's folder is
        ``{split}/{song}-{head position}``. So it is with the head positions, which neither
        enhancement nor evaluation needs: an id is checked against them if they are there.
        Without ``contents``, digests of audio files are forgotten.
        """
        problems = Problems()

        def table(key: str, kind: Any, **options: Any) -> Table[Any]:
            path = getattr(paths, key)
            if key in OPTIONAL and not path.exists():
                logger.info("There is no %s; going on without it", path)
                return Table(path, {})
            return read_table(paths, key, kind, problems, **options)

        gains = table("gains_file", schema.GainSet)
        listener_entries = table("listeners_file", schema.ListenerEntry, check_id=schema.id_fault)
        scene_entries = table("scenes_file", schema.SceneEntry, check_id=schema.id_fault)
        scene_listeners = table("scene_listeners_file", schema.ListenerIds)
        positions = table("head_positions_file", schema.HeadPosition)
        music = table("music_file", schema.SongEntry)
        consistency.note_shared_paths(music, problems)

        scenes = _scenes(scene_entries, gains, positions, music, problems)
        listeners = {name: entry.listener(name) for name, entry in listener_entries.entries.items()}
        consistency.note_unknown_pairs(scene_listeners, scene_entries, listener_entries, problems)
        pairs = tuple(
            Pair(scenes[scene_id], listeners[listener_id])
            for scene_id, listener_ids in scene_listeners.entries.items()
            for listener_id in listener_ids
            if scene_id in scenes and listener_id in listeners
        )
        consistency.note_equal_ids(pairs, scene_listeners.path, problems)
        problems.raise_if_any(f"the metadata of split '{paths.split}' in {paths.metadata_dir}")
        names = (scene.mixture_id for scene in scenes.values())
        folders = {name: f"{paths.split}/{name}" for name in names}
        folders |= {name: entry.folder for name, entry in music.entries.items()}
        songs = SongFolders(paths.music_dir, folders)
        return cls(paths, scenes, listeners, pairs, songs, contents or Contents())

    def select(self, batch: int = 0, n_batches: int = 1, small_test: bool = False) -> list[Pair]:
        """Return the pairs of a batch, ``pairs[batch::n_batches]``; of every 15th for a small test.

        Raises `RecipeError` when there is no such batch.
        """
        if n_batches < 1 or not 0 <= batch < n_batches:
            raise RecipeError(
                f"There is no batch {batch} of {n_batches}: evaluate.batch counts from 0 to "
                "evaluate.batch_size - 1"
            )
        pairs = self.pairs[::15] if small_test else self.pairs
        return list(pairs[batch::n_batches])

    def music_file(self, scene: Scene, name: str) -> Path:
        """Return the path of ``mixture`` or a stem of a scene, spelt as it is on disk."""
        return self.songs.file(scene.mixture_id, name)

    def check_audio(self, pairs: Iterable[Pair], names: Sequence[str]) -> list[str]:
        """Read the headers of all files that the pairs need, each once.

        Returns what is wrong, each line with the file and what to do; empty if all is well.
        """
        songs = {pair.scene.mixture_id: pair.scene for pair in pairs}
        return audio_problems(
            {name: self.music_file(scene, name) for name in names} for scene in songs.values()
        ).lines()

    def read_music(self, scene: Scene, name: str, sample_rate: int) -> np.ndarray:
        """Read ``mixture`` or a stem of a scene by `read_stereo`.

        Raises `RecipeError` as that does, and when the file has changed since it was first read.
        """
        path = self.music_file(scene, name)
        with self.contents.reading(path):
            return read_stereo(path, sample_rate)

    @contextlib.contextmanager
    def reading(self, scene: Scene, names: Sequence[str]) -> Iterator[None]:
        """See to it that what others read of these files in the block is what `digest` tells of."""
        with contextlib.ExitStack() as stack:
            for name in names:
                stack.enter_context(self.contents.reading(self.music_file(scene, name)))
            yield

    def digest(self, scene: Scene, name: str) -> str:
        """Return the digest of one of a scene's at-mic files, as `read_music` reads it."""
        return self.contents.digest(self.music_file(scene, name))


def _scenes(
    entries: Table[schema.SceneEntry],
    gains: Table[schema.GainSet],
    positions: Table[schema.HeadPosition],
    music: Table[schema.SongEntry],
    problems: Problems,
) -> dict[str, Scene]:
    """Scenes with their gains; notes ids that no file has."""
    scenes: dict[str, Scene] = {}
    for scene_id, entry in entries.entries.items():
        where, position = f"{entries.path}: {scene_id}", entry.head_loudspeaker_positions
        gains.note_missing(entry.gain, "gain", where, problems)
        positions.note_missing(position, "head position", where, problems)
        music.note_missing(mixture_id(entry.music, position), "at-mic song", where, problems)
        known = gains.entries.get(entry.gain)
        gains_db = known.model_dump() if known else {}
        scenes[scene_id] = Scene(scene_id, entry.music, position, entry.gain, gains_db)
    consistency.note_equal_folders(entries, problems)
    return scenes
