"""Readers of single metadata files: they check every entry and collect what is wrong.

`dataset` puts the files together; nothing else should need this module.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Generic, TypeVar

import numpy as np

from clarity.separation.base import VDBO
from clarity.utils.audiogram import Audiogram, Listener
from recipes.cad_icassp_2024.data.errors import RecipeError

T = TypeVar("T")
Report = Callable[[str], None]

MAX_LINES_PER_KIND = 20
MAX_ID_LENGTH = 100
"""Ids become parts of file names, which most file systems cut at 255 bytes."""

UNREADABLE = object()
"""Stands for the content of a file that cannot be read; JSON's null is None."""

LEVEL_RANGE_DB_HL = (-30.0, 150.0)
"""No audiometer measures beyond this; what lies outside is a slip of the pen."""


@dataclass
class Problems:
    """What is wrong with the data, one line each, in the order found."""

    by_kind: dict[str, list[str]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.by_kind)

    def add(self, kind: str, line: str) -> None:
        """Note one problem; lines of one kind are shortened together."""
        self.by_kind.setdefault(kind, []).append(line)

    def extend(self, other: Problems) -> None:
        """Take over the problems found elsewhere."""
        for kind, lines in other.by_kind.items():
            self.by_kind.setdefault(kind, []).extend(lines)

    def lines(self) -> list[str]:
        """Every problem, but of each kind no more than the first twenty and a count."""
        shown: list[str] = []
        for lines in self.by_kind.values():
            shown += lines[:MAX_LINES_PER_KIND]
            if len(lines) > MAX_LINES_PER_KIND:
                shown.append(f"... and {len(lines) - MAX_LINES_PER_KIND} more of the same kind")
        return shown

    def raise_if_any(self, where: str) -> None:
        """Raise a `RecipeError` that lists all problems, if there are any."""
        raise_problems(self.lines(), where)


def raise_problems(lines: Sequence[str], where: str) -> None:
    """Raise a `RecipeError` that lists ``lines`` under a heading, if there are any."""
    if lines:
        noun = "problem" if len(lines) == 1 else "problems"
        listed = "\n".join(f"  {line}" for line in lines)
        raise RecipeError(f"{noun.capitalize()} with {where}:\n{listed}")


@dataclass(frozen=True)
class Table(Generic[T]):
    """The entries of one metadata file.

    Attributes
    ----------
    path : Path
        The file.
    entries : dict of str to T
        The well-formed entries by id, in the order of the file.
    ids : frozenset of str, optional
        The ids of all entries, malformed ones too; None if the file could not be read.
    """

    path: Path
    entries: dict[str, T]
    ids: frozenset[str] | None

    def lacks(self, entry_id: str) -> bool:
        """Whether the file is known not to have an entry (a file that is broken may have it)."""
        return self.ids is not None and entry_id not in self.ids


@dataclass(frozen=True)
class HeadPosition:
    """A head between two loudspeakers, as in head_loudspeaker_positions.json.

    Attributes
    ----------
    subject, mic : str
        Whose head, and which microphone of the hearing aid.
    left_angle, right_angle : float
        Azimuth of the loudspeakers in degrees; the left one's is negative.
    """

    subject: str
    mic: str
    left_angle: float
    right_angle: float

    def hrtf_names(self) -> tuple[str, str]:
        """File names of the impulse responses of the left and the right loudspeaker."""
        return (
            hrtf_file_name(self.mic, self.subject, self.left_angle),
            hrtf_file_name(self.mic, self.subject, self.right_angle),
        )


def hrtf_file_name(mic: str, subject: str, angle_deg: float) -> str:
    """Name of the impulse response file for a loudspeaker, ``BTE_fr-VP_E1-n22.5.wav``."""
    side = "n" if angle_deg < 0 else "p"
    return f"{mic}-{subject}-{side}{abs(float(angle_deg))}.wav"


@dataclass(frozen=True)
class SceneEntry:
    """One entry of scenes.{split}.json: ids only."""

    music: str
    gain: str
    head_position: str


# --- what a string may be ---------------------------------------------------------------------


def path_fault(text: object) -> str | None:
    """Say what is wrong with ``text`` as a path below a folder of the data set, if anything is."""
    if not isinstance(text, str):
        return f"{_show(text)} is not a string"
    if not text.strip():
        return "is empty"
    if any(ord(character) < 32 for character in text):
        return f"{_show(text)} has control characters"
    windows = PureWindowsPath(text)
    if PurePosixPath(text).is_absolute() or windows.drive or windows.root:
        return f"{_show(text)} is an absolute path; paths in metadata must stay below the data set"
    if ".." in windows.parts:
        return f"{_show(text)} leaves the data set by '..'; paths in metadata must stay below it"
    return None


def id_fault(text: object) -> str | None:
    """Say what is wrong with ``text`` as an id that becomes part of a file name."""
    fault = path_fault(text)
    if fault is not None:
        return fault
    assert isinstance(text, str)
    if "/" in text or "\\" in text or text == ".":
        return f"{_show(text)} cannot be part of a file name; take out the slashes"
    if len(text) > MAX_ID_LENGTH:
        return f"{_show(text)} is longer than {MAX_ID_LENGTH} characters"
    return None


def _show(value: object) -> str:
    """Show a value as it stands in the JSON, cut to a line's length."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."


def _number(value: object) -> float | None:
    """Take a finite number, or None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


# --- reading ----------------------------------------------------------------------------------


def read_metadata(path: Path, key: str, problems: Problems) -> Any:
    """Read a JSON file; note why it cannot be read, or which keys it has twice.

    Parameters
    ----------
    path : Path
        The file.
    key : str
        The configuration key that gives the path, for the message.
    problems : Problems
        Where to note what is wrong.

    Returns
    -------
    Any
        What the file holds; `UNREADABLE` if it cannot be read.
    """
    repeated: list[str] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        built = dict(pairs)
        if len(built) < len(pairs):
            counts = Counter(name for name, _ in pairs)
            repeated.extend(name for name, count in counts.items() if count > 1)
        return built

    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=unique)
    except (OSError, ValueError, RecursionError) as error:
        problems.add("unreadable file", f"{path}: {_why_unreadable(error, key)}")
        return UNREADABLE
    for name in repeated:
        problems.add("repeated key", f"{path}: {name}: stands more than once; keep one of them")
    return data


def _why_unreadable(error: Exception, key: str) -> str:
    """Say why a JSON file gives nothing, and what to do."""
    match error:
        case FileNotFoundError():
            return f"no such file; set {key}=... or put it there"
        case OSError():
            return f"cannot be read ({error.strerror}); check {key}"
        case json.JSONDecodeError():
            place = f"line {error.lineno}, column {error.colno}"
            return f"not valid JSON at {place}: {error.msg}; repair it"
        case UnicodeDecodeError():
            return f"not UTF-8 text at byte {error.start}; repair it"
        case RecursionError():
            return "nested too deeply to be metadata; repair it"
    return f"not usable: {error}; repair it"  # such as a number of thousands of digits


def read_table(
    path: Path,
    key: str,
    problems: Problems,
    parse: Callable[[Any, Report], T | None],
    *,
    check_id: Callable[[object], str | None] = path_fault,
) -> Table[T]:
    """Read a JSON object of entries and parse each.

    Parameters
    ----------
    path, key, problems
        As for `read_metadata`.
    parse : callable
        Makes an entry of its JSON value; reports what is wrong with it and returns None.
    check_id : callable
        Says what is wrong with an id.

    Returns
    -------
    Table
        The entries; empty if the file cannot be read.
    """
    data = read_metadata(path, key, problems)
    if data is UNREADABLE:
        return Table(path, {}, None)
    if not isinstance(data, dict):
        kind = f"{path}: holds {_json_type(data)}, but must hold an object of entries by id"
        problems.add("wrong top level", kind)
        return Table(path, {}, None)
    if not data:
        problems.add("empty file", f"{path}: has no entries; download it again or generate it")
        return Table(path, {}, None)
    entries: dict[str, T] = {}
    for entry_id, value in data.items():
        fault = check_id(entry_id)
        if fault is not None:
            problems.add(f"id in {path}", f"{path}: id {fault}")

        def report(what: str, entry_id: str = entry_id) -> None:
            problems.add(f"entry of {path}", f"{path}: {entry_id}: {what}")

        entry = parse(value, report)
        if entry is not None:
            entries[entry_id] = entry
    return Table(path, entries, frozenset(data))


def _json_type(value: object) -> str:
    names = {
        dict: "an object",
        list: "a list",
        str: "a string",
        bool: "a boolean",
        type(None): "null",
    }
    return names.get(type(value), "a number")


def _fields(value: object, names: Iterable[str], report: Report) -> dict[str, Any] | None:
    """Take the fields of an entry that must all be there."""
    if not isinstance(value, dict):
        report(f"is {_json_type(value)}, but must be an object with {', '.join(names)}")
        return None
    missing = [name for name in names if name not in value]
    if missing:
        report(f"lacks {', '.join(repr(name) for name in missing)}; add it")
        return None
    return value


# --- the kinds of entries ---------------------------------------------------------------------


def parse_gains(value: object, report: Report) -> dict[str, float] | None:
    """Parse a gain set: a finite number of decibels for each stem and nothing else."""
    fields = _fields(value, VDBO, report)
    if fields is None:
        return None
    unknown = [name for name in fields if name not in VDBO]
    if unknown:
        report(f"has gains for unknown stems {', '.join(map(_show, unknown))}; remove them")
    gains: dict[str, float] = {}
    for stem in VDBO:
        gain = _number(fields[stem])
        if gain is None:
            report(f"gain for {stem} is {_show(fields[stem])}, but must be a finite number (dB)")
        else:
            gains[stem] = gain
    return gains if len(gains) == len(VDBO) and not unknown else None


def parse_listener(value: object, report: Report) -> Listener | None:
    """Parse a listener, still without an id: an audiogram for each ear."""
    names = ("audiogram_cfs", "audiogram_levels_l", "audiogram_levels_r")
    fields = _fields(value, names, report)
    if fields is None:
        return None
    numbers = {name: _numbers(fields[name], name, report) for name in names}
    frequencies = numbers["audiogram_cfs"]
    ears = []
    for name in names[1:]:
        levels = numbers[name]
        if frequencies is None or levels is None:
            continue
        outside = levels[(levels < LEVEL_RANGE_DB_HL[0]) | (levels > LEVEL_RANGE_DB_HL[1])]
        if outside.size:
            low, high = LEVEL_RANGE_DB_HL
            report(f"{name} holds {outside[0]:g}, but dB HL lie between {low:g} and {high:g}")
            continue
        try:
            ears.append(Audiogram(levels=levels, frequencies=frequencies))
        except ValueError as error:
            report(f"audiogram_cfs and {name} make no audiogram: {error}")
    if len(ears) != 2:
        return None
    return Listener(audiogram_left=ears[0], audiogram_right=ears[1])


def _numbers(value: object, name: str, report: Report) -> np.ndarray | None:
    """Take a list of finite numbers, shape (n,)."""
    if not isinstance(value, list):
        report(f"{name} is {_json_type(value)}, but must be a list of numbers")
        return None
    if not value:
        report(f"{name} is empty")
        return None
    numbers = [_number(item) for item in value]
    for given, number in zip(value, numbers, strict=True):
        if number is None:
            report(f"{name} holds {_show(given)}, but must hold finite numbers only")
            return None
    return np.array(numbers, dtype=np.float64)


def parse_scene(value: object, report: Report) -> SceneEntry | None:
    """Parse a scene: the ids of its song, gain set and head position."""
    names = ("music", "gain", "head_loudspeaker_positions")
    fields = _fields(value, names, report)
    if fields is None:
        return None
    faults = {name: path_fault(fields[name]) for name in names}
    for name, fault in faults.items():
        if fault is not None:
            report(f"{name} {fault}")
    if any(faults.values()):
        return None
    return SceneEntry(*(fields[name] for name in names))


def parse_listener_ids(value: object, report: Report) -> list[str] | None:
    """Parse the listeners of one scene: a list of different ids, at least one."""
    if not isinstance(value, list):
        report(f"is {_json_type(value)}, but must be a list of listener ids")
        return None
    if not value:
        report("has no listeners; name at least one")
        return None
    for item in value:
        fault = id_fault(item)
        if fault is not None:
            report(f"listener {fault}")
            return None
    repeated = sorted({item for item in value if value.count(item) > 1})
    for item in repeated:
        report(f"names listener {_show(item)} more than once; keep one of them")
    return None if repeated else value


def parse_head_position(value: object, report: Report) -> HeadPosition | None:
    """Parse a head position: whose head, which microphone, the angles of the loudspeakers."""
    fields = _fields(value, ("subject", "mic", "left_angle", "right_angle"), report)
    if fields is None:
        return None
    good = True
    for name in ("subject", "mic"):
        fault = id_fault(fields[name])
        if fault is not None:
            report(f"{name} {fault}")
            good = False
    for name in ("left_angle", "right_angle"):
        angle = _number(fields[name])
        if angle is None:
            report(f"{name} is {_show(fields[name])}, but must be a finite number (degrees)")
            good = False
    if not good:
        return None
    if not fields["left_angle"] < 0 < fields["right_angle"]:
        angles = f"{fields['left_angle']:g} and {fields['right_angle']:g}"
        report(f"left_angle must be negative and right_angle positive, but they are {angles}")
        return None
    return HeadPosition(
        subject=fields["subject"],
        mic=fields["mic"],
        left_angle=float(fields["left_angle"]),
        right_angle=float(fields["right_angle"]),
    )


def parse_track_path(value: object, report: Report) -> str | None:
    """Parse the folder of a song below the music folder: ``Path``, or ``Split/Track Name``."""
    if not isinstance(value, dict):
        report(f"is {_json_type(value)}, but must be an object with 'Path'")
        return None
    if "Path" in value:
        fault = path_fault(value["Path"])
        if fault is not None:
            report(f"Path {fault}")
        return value["Path"] if fault is None else None
    fields = _fields(value, ("Split", "Track Name"), report)
    if fields is None:
        return None
    return _joined(fields, report)


def _joined(fields: Mapping[str, Any], report: Report) -> str | None:
    for name in ("Split", "Track Name"):
        fault = path_fault(fields[name])
        if fault is not None:
            report(f"{name} {fault}")
            return None
    return f"{fields['Split']}/{fields['Track Name']}"


def read_tracks(path: Path, key: str, problems: Problems) -> dict[str, str]:
    """Read a list of songs such as musdb18.train.json.

    Parameters
    ----------
    path, key, problems
        As for `read_metadata`.

    Returns
    -------
    dict of str to str
        Folder of each song below the music folder by the song's name, in the order of the list.
    """
    data = read_metadata(path, key, problems)
    if data is UNREADABLE:
        return {}
    if not isinstance(data, list):
        what = f"{path}: holds {_json_type(data)}, but must hold a list of songs"
        problems.add("wrong top level", what)
        return {}
    if not data:
        problems.add("empty file", f"{path}: has no songs; download it again")
    tracks: dict[str, str] = {}
    for number, value in enumerate(data, 1):

        def report(what: str, number: int = number) -> None:
            problems.add(f"entry of {path}", f"{path}: song {number}: {what}")

        fields = _fields(value, ("Track Name",), report)
        if fields is None:
            continue
        name = fields["Track Name"]
        fault = path_fault(name)
        if fault is not None:
            report(f"Track Name {fault}")
            continue
        if name in tracks:
            report(f"{_show(name)} stands more than once; keep one of them")
        folder = parse_track_path(value, report)
        if folder is not None:
            tracks[name] = folder
    return tracks
