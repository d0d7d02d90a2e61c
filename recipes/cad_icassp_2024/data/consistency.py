"""Checks of one metadata file against another: what is named but not there, what shares a name."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from recipes.cad_icassp_2024.data.errors import Problems
from recipes.cad_icassp_2024.data.metadata import Table
from recipes.cad_icassp_2024.data.scenes import Pair, mixture_id
from recipes.cad_icassp_2024.data.schema import ListenerEntry, SceneEntry, SongEntry, path_fault


def note_equal_folders(scenes: Table[SceneEntry], problems: Problems) -> None:
    """Note at-mic songs whose folders would have one name, and names that no folder can have.

    A folder is named ``{song}-{head position}``: ``a-b`` at ``c`` and ``a`` at ``b-c`` are one.
    """
    first: dict[str, tuple[str, SceneEntry]] = {}
    for scene_id, entry in scenes.entries.items():
        name = mixture_id(entry.music, entry.head_loudspeaker_positions)
        other_id, other = first.setdefault(name, (scene_id, entry))
        if other.music != entry.music:
            line = f"{scenes.path}: {other_id} and {scene_id} would share the folder '{name}'"
            hint = "rename a song or a head position"
            problems.add("equal folders", f"{line}, but not the song; {hint}")
        fault = path_fault(name)
        if fault is not None:
            problems.add("song folder", f"{scenes.path}: {scene_id}: the folder {fault}")


def note_shared_paths(songs: Table[SongEntry], problems: Problems) -> None:
    """Note songs that a list says are in the same folder: one would be taken for the other."""
    first: dict[str, str] = {}
    for name, entry in songs.entries.items():
        other = first.setdefault(entry.folder, name)
        if other != name:
            line = f"{songs.path}: {other} and {name} have the same Path, '{entry.folder}'"
            problems.add("equal paths", f"{line}; correct one of them")


def note_unknown_pairs(
    scene_listeners: Table[list[str]],
    scenes: Table[SceneEntry],
    listeners: Table[ListenerEntry],
    problems: Problems,
) -> None:
    """Note scenes and listeners that no file has, and scenes without listeners."""
    for scene_id, listener_ids in scene_listeners.entries.items():
        where = f"{scene_listeners.path}: {scene_id}"
        if scenes.lacks(scene_id):
            line = f"{where}: there is no such scene in {scenes.path}"
            problems.add("unknown scene", f"{line}; remove it or add the scene")
        for listener_id in listener_ids:
            listeners.note_missing(listener_id, "listener", where, problems)
    for scene_id in sorted(scenes.ids or ()):
        if scene_listeners.lacks(scene_id):
            line = f"{scene_listeners.path}: {scene_id}: has no listeners"
            problems.add("no listeners", f"{line}; add them or remove the scene from {scenes.path}")


def note_equal_ids(pairs: Iterable[Pair], path: Path, problems: Problems) -> None:
    """Note pairs whose files would have one name (``a_b`` with ``c``, ``a`` with ``b_c``)."""
    first: dict[str, Pair] = {}
    for pair in pairs:
        other = first.setdefault(pair.id, pair)
        if other is not pair:
            line = f"{path}: {pair.scene.id} with {pair.listener.id} and {other.scene.id} with"
            hint = "rename one of them"
            problems.add("equal ids", f"{line} {other.listener.id} would share a file name; {hint}")
