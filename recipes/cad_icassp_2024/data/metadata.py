"""Single metadata files: read, every entry checked, and written without harm to what is there.

`dataset` puts the files together.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from clarity.utils.file_io import write_json
from recipes.cad_icassp_2024.data.errors import Problems, RecipeError
from recipes.cad_icassp_2024.data.paths import find_on_disk
from recipes.cad_icassp_2024.data.schema import TrackEntry, in_words, json_type, path_fault, show

logger = logging.getLogger(__name__)

T_co = TypeVar("T_co", covariant=True)

UNREADABLE = object()
"""Stands for the content of a file that cannot be read; JSON's null is None."""


@dataclass(frozen=True)
class Table(Generic[T_co]):
    """The well-formed entries of one metadata file by id, in its order.

    ``ids`` has malformed ones too; it is None if the file could not be read.
    """

    path: Path
    entries: dict[str, T_co]
    ids: frozenset[str] | None = None

    def lacks(self, entry_id: str) -> bool:
        """Whether the file is known not to have an entry (a file that is broken may have it)."""
        return self.ids is not None and entry_id not in self.ids

    def note_missing(self, entry_id: str, what: str, where: str, problems: Problems) -> None:
        """Note an id that is used at a place, ``where``, and that this file does not have."""
        if self.lacks(entry_id):
            line = f"{where}: {what} '{entry_id}' is not in {self.path}"
            problems.add(f"unknown {what}", f"{line}; correct the id or add the entry")


def read_table(
    paths: Any,
    key: str,
    kind: Any,
    problems: Problems,
    check_id: Callable[[Any], str | None] = path_fault,
) -> Table[Any]:
    """Read the JSON object of entries by id at ``paths.key``, and check each of them.

    ``kind`` is a model of `schema`; ``check_id`` says what is wrong with an id. A file that cannot
    be read has no entries.
    """
    path = find_on_disk(getattr(paths, key))
    data = _read_container(path, key, dict, "an object of entries by id", problems)
    adapter, entries = TypeAdapter(kind), {}
    for entry_id, value in data.items():
        fault = check_id(entry_id)
        if fault is not None:
            problems.add(f"id in {path}", f"{path}: id {fault}")
        entry = _checked(value, adapter, f"{path}: {entry_id}", problems)
        if entry is not None:
            entries[entry_id] = entry
    return Table(path, entries, frozenset(data) if data else None)


def read_tracks(paths: Any, problems: Problems) -> Table[TrackEntry]:
    """Read a list of songs such as musdb18.train.json: its entries by name, in its order."""
    path = find_on_disk(paths.music_file)
    data = _read_container(path, "music_file", list, "a list of songs", problems)
    adapter = TypeAdapter(TrackEntry)
    tracks: dict[str, TrackEntry] = {}
    for number, value in enumerate(data, 1):
        where = f"{path}: song {number}"
        track = _checked(value, adapter, where, problems)
        if track is None:
            continue
        if track.track_name in tracks:
            line = f"{where}: {show(track.track_name)} is there more than once; keep one of them"
            problems.add("repeated song", line)
        tracks[track.track_name] = track
    return Table(path, tracks, frozenset(tracks) if data else None)


def _read_container(path: Path, key: str, kind: type, what: str, problems: Problems) -> Any:
    """Read a JSON object or list that has entries; an empty one, with a note, if it is none."""
    data = read_metadata(path, key, problems)
    if isinstance(data, kind):
        if not data:
            text = "has no entries; download it again or generate it"
            problems.add("empty file", f"{path}: {text}")
        return data
    if data is not UNREADABLE:
        line = f"{path}: holds {json_type(data)}, but must hold {what}"
        problems.add("wrong top level", line)
    return kind()


def read_metadata(path: Path, key: str, problems: Problems) -> Any:
    """Read a JSON file; note why it cannot be read (`UNREADABLE`), or which keys it has twice.

    ``path.key`` is the configuration key that gives the path, for the message.
    """
    repeated: list[str] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        counts = Counter(name for name, _ in pairs)
        repeated.extend(name for name, count in counts.items() if count > 1)
        return dict(pairs)

    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=unique)
    except (OSError, ValueError, RecursionError) as error:
        problems.add("unreadable file", f"{path}: {_why_unreadable(error, key)}")
        return UNREADABLE
    for name in repeated:
        problems.add("repeated key", f"{path}: {name}: is there more than once; keep one of them")
    return data


def _why_unreadable(error: Exception, key: str) -> str:
    """Say why a JSON file gives nothing, and what to do."""
    match error:
        case FileNotFoundError():
            return f"no such file; set path.{key}=... or put it there"
        case OSError():
            return f"cannot be read ({error.strerror}); check path.{key}"
        case json.JSONDecodeError():
            place = f"line {error.lineno}, column {error.colno}"
            return f"not valid JSON at {place}: {error.msg}; repair it"
        case UnicodeDecodeError():
            return f"not UTF-8 text at byte {error.start}; repair it"
        case RecursionError():
            return "nested too deeply to be metadata; repair it"
    return f"not usable: {error}; repair it"  # such as a number of thousands of digits


def _checked(value: Any, kind: TypeAdapter[Any], where: str, problems: Problems) -> Any:
    """Make an entry of its JSON value; None, with notes, if it is malformed."""
    try:
        return kind.validate_python(value, strict=True)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            file = where.rpartition(": ")[0]
            problems.add(f"entry of {file}", f"{where}: {in_words(detail, kind)}")
        return None


def write_generated(path: str, data: Mapping[str, Any], overwrite: bool) -> None:
    """Write entries by id, unless the file has them already; see `needs_writing`."""
    file = find_on_disk(path)
    if not needs_writing(path, data, overwrite):
        logger.info("%s is there already, with the same content", file)
        return
    write_json(file, data)
    logger.info("Wrote %s: %d entries", file, len(data))


def needs_writing(path: str, data: Mapping[str, Any], overwrite: bool) -> bool:
    """Tell whether a file lacks entries; RecipeError if its own would change or go."""
    file = find_on_disk(path)
    if not file.exists():
        return True
    problems = Problems()
    present = read_metadata(file, "", problems)
    if present == data and not problems:
        return list(present) != list(data)
    kept = isinstance(present, dict) and present.items() <= data.items()
    if not overwrite and not kept:
        raise RecipeError(
            f"{file} is there already and differs from what would be generated now; move it "
            "away, or give overwrite=true to replace it"
        )
    return True
