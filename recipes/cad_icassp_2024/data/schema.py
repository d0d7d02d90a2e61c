"""What the metadata files hold: a model of the entries of each file, and of what ids may be.

pydantic checks an entry against its model; `in_words` says what it finds.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from pathlib import PureWindowsPath
from typing import Annotated, Any

import numpy as np
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    WrapValidator,
    model_validator,
)
from pydantic_core import ErrorDetails

from clarity.utils.audiogram import Audiogram, Listener

MAX_ID_BYTES = 100
"""Two ids, what stands around them and a temporary file's number make up one file name."""
MAX_NAME_BYTES = 255
"""What file systems allow for the name of a file or folder."""


def path_fault(text: Any) -> str | None:
    """Say what is wrong with ``text`` as a path below a folder of the data set, if anything is."""
    if not isinstance(text, str):
        return f"{show(text)} is not a string"
    if not text.strip():
        return "is empty"
    path = PureWindowsPath(text)  # which knows the separators of all systems
    sizes = [len(part.encode(errors="surrogatepass")) for part in text.split("/")]
    lone_surrogate = re.search("[\ud800-\udfff]", text)
    faults = {
        "has half a character (a lone surrogate); write it anew": lone_surrogate,
        "has control characters": min(text) < " ",
        "is an absolute path; paths in metadata must stay below the data set": path.anchor,
        "leaves the data set by '..'; paths in metadata must stay below it": ".." in path.parts,
        f"is longer than the {MAX_NAME_BYTES} bytes of a file name": max(sizes) > MAX_NAME_BYTES,
    }
    return next((f"{show(text)} {fault}" for fault, found in faults.items() if found), None)


def id_fault(text: Any) -> str | None:
    """Say what is wrong with ``text`` as an id that becomes part of a file name."""
    if isinstance(text, str) and ":" in text:
        return f"{show(text)} cannot be part of a file name; take out the colons"
    fault = path_fault(text)
    if fault is not None:
        return fault
    if "/" in text or "\\" in text or text == ".":
        return f"{show(text)} cannot be part of a file name; take out the slashes"
    if len(text.encode()) > MAX_ID_BYTES:
        return f"{show(text)} is longer than {MAX_ID_BYTES} bytes; shorten it"
    return None


def show(value: object) -> str:
    """Show a value as it stands in the JSON, cut to a line's length."""
    text = json.dumps(value, ensure_ascii=False)
    text = text if len(text) <= 80 else text[:77] + "..."
    return text.encode(errors="backslashreplace").decode()  # half a character as \ud83d


def json_type(value: object) -> str:
    """Name the kind of a JSON value."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean"}
    return "null" if value is None else names.get(type(value), "a number")


def _worded(what: str) -> WrapValidator:
    """Say what a value must be, whatever pydantic finds wrong with it."""

    def check(value: Any, validate: Callable[[Any], Any]) -> Any:
        try:
            return validate(value)
        except ValidationError:
            raise ValueError(f"is {show(value)}, but must be {what}") from None

    return WrapValidator(check)


def _without(fault: Callable[[Any], str | None]) -> BeforeValidator:
    """Refuse a string that has a fault."""
    fault_of_text = functools.lru_cache(maxsize=1 << 14)(fault)  # ids come up again and again

    def check(value: Any) -> Any:
        found = fault_of_text(value) if isinstance(value, str) else fault(value)
        if found is not None:
            raise ValueError(found)
        return value

    return BeforeValidator(check)


Id = Annotated[str, _without(id_fault)]
PathBelow = Annotated[str, _without(path_fault)]

GainDb = Annotated[float, Field(ge=-300, le=300), _worded("a number from -300 to 300 (dB)")]
FrequencyHz = Annotated[float, Field(allow_inf_nan=False), _worded("a finite number (Hz)")]
LevelDbHl = Annotated[float, Field(ge=-30, le=150), _worded("a number from -30 to 150 (dB HL)")]
"""No audiometer measures beyond this; what is outside is a slip of the pen."""
LeftAngle = Annotated[int | float, Field(ge=-360, lt=0), _worded("a number below 0 (degrees)")]
RightAngle = Annotated[int | float, Field(gt=0, le=360), _worded("a number above 0 (degrees)")]


class Entry(BaseModel):
    """An entry of a metadata file; fields beyond those named are left alone."""

    model_config = ConfigDict(strict=True, frozen=True)


class GainSet(Entry):
    """An entry of gains.json: decibels for each stem and nothing else."""

    model_config = ConfigDict(extra="forbid")

    vocals: GainDb
    drums: GainDb
    bass: GainDb
    other: GainDb


class ListenerEntry(Entry):
    """An entry of listeners.{split}.json: an audiogram for each ear."""

    audiogram_cfs: list[FrequencyHz] = Field(min_length=1)
    audiogram_levels_l: list[LevelDbHl] = Field(min_length=1)
    audiogram_levels_r: list[LevelDbHl] = Field(min_length=1)

    @model_validator(mode="after")
    def _makes_audiograms(self) -> ListenerEntry:
        faults = []
        for name in ("audiogram_levels_l", "audiogram_levels_r"):
            try:
                self._audiogram(getattr(self, name))
            except ValueError as error:
                faults.append(f"audiogram_cfs and {name} make no audiogram: {error}")
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _audiogram(self, levels: list[float]) -> Audiogram:
        return Audiogram(levels=np.array(levels), frequencies=np.array(self.audiogram_cfs))

    def listener(self, listener_id: str) -> Listener:
        """Make the listener of this entry, whose id is the entry's key."""
        return Listener(
            audiogram_left=self._audiogram(self.audiogram_levels_l),
            audiogram_right=self._audiogram(self.audiogram_levels_r),
            id=listener_id,
        )


class SceneEntry(Entry):
    """An entry of scenes.{split}.json: the ids of a song, a gain set and a head position."""

    music: PathBelow
    gain: PathBelow
    head_loudspeaker_positions: PathBelow


class HeadPosition(Entry):
    """An entry of head_loudspeaker_positions.json: whose head, and the loudspeakers' azimuths."""

    subject: Id
    mic: Id
    left_angle: LeftAngle
    right_angle: RightAngle


class SongEntry(Entry):
    """Where a song is: an entry of at_mic_music.{split}.json, or of the list musdb18.train.json."""

    track_name: PathBelow | None = Field(None, alias="Track Name")
    split: PathBelow | None = Field(None, alias="Split")
    path: PathBelow | None = Field(None, alias="Path")

    @model_validator(mode="after")
    def _has_a_place(self) -> SongEntry:
        places = {"Split": self.split, "Track Name": self.track_name}
        lacking = [repr(name) for name, value in places.items() if value is None]
        if self.path is None and lacking:
            raise ValueError(f"lacks {' and '.join(lacking)} or 'Path'; add it")
        return self

    @property
    def folder(self) -> str:
        """The song's folder below the music folder."""
        return self.path or f"{self.split}/{self.track_name}"


class TrackEntry(SongEntry):
    """An entry of musdb18.train.json."""

    track_name: PathBelow = Field(alias="Track Name")


def _some_and_different(ids: list[str]) -> list[str]:
    if not ids:
        raise ValueError("has no listeners; name at least one")
    repeated = sorted({item for item in ids if ids.count(item) > 1})
    if repeated:
        names = ", ".join(map(show, repeated))
        raise ValueError(f"names listener {names} more than once; keep one of them")
    return ids


ListenerIds = Annotated[list[Id], AfterValidator(_some_and_different)]
"""An entry of scene_listeners.{split}.json: different listeners, at least one."""


def in_words(detail: ErrorDetails, kind: TypeAdapter[Any]) -> str:
    """Say in words what pydantic finds wrong with an entry of a kind."""
    found, place = detail["input"], _place(detail["loc"])
    match detail["type"]:
        case "missing":
            return f"lacks {detail['loc'][-1]!r}; add it"
        case "extra_forbidden":
            return f"holds {show(detail['loc'][-1])}, which is unknown; remove it"
        case "model_type":
            names = ", ".join(kind.json_schema()["properties"])
            return f"is {json_type(found)}, but must be an object with {names}"
        case "list_type":
            return f"{place}is {json_type(found)}, but must be a list"
        case "too_short":
            return f"{place}is empty; it must have one entry or more"
    return place + detail["msg"].removeprefix("Value error, ")


def _place(loc: tuple[int | str, ...]) -> str:
    """Where in an entry: ``mic``, ``entry 3 of audiogram_cfs``; nothing for the entry itself."""
    parts = [f"entry {part + 1}" if isinstance(part, int) else part for part in reversed(loc)]
    return " of ".join(parts) + " " if parts else ""
