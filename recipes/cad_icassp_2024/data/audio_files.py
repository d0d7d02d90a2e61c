"""Audio files of the data set: found however they are spelt, checked by header, read whole."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from clarity.utils.signal_processing import resample
from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.data.metadata import Problems

OTHER_NAMES = {
    "head_positions.json": "head_loudspeaker_positions.json",
    "head_loudspeaker_positions.json": "head_positions.json",
}
"""The challenge's documents give this file two names."""

MAX_RIFF_BYTES = 0xFFFFFF00
HEADER_THREADS = 8
GET_IT = "download it, or run generate_dataset if it is music at the microphones"


def find_on_disk(path: str | Path) -> Path:
    """Find a single file, ``~`` expanded, by `OnDisk.find`.

    Parameters
    ----------
    path : str or Path
        The expected path, as the user typed it.

    Returns
    -------
    Path
        The same, with the spelling that the disk has.
    """
    return OnDisk().find(Path(path).expanduser())


class OnDisk:
    """Finds files whose names on disk differ from the expected ones in case only.

    The challenge's documents spell ``Train/.../Bass.wav`` as well as ``train/.../bass.wav``.
    Folders are listed once, and only where the expected name is not there; so make a new object
    when files may have appeared.
    """

    def __init__(self) -> None:
        self._listings: dict[Path, dict[str, str]] = {}

    def find(self, path: Path) -> Path:
        """Path as it is on disk, or ``path`` itself when there is no such thing.

        Parameters
        ----------
        path : Path
            The expected path.

        Returns
        -------
        Path
            ``path``, with the spelling that the disk has.
        """
        if path.exists():
            return path
        for name in (path.name, OTHER_NAMES.get(path.name)):
            if name is None or path.parent == path:
                continue
            parent = self.find(path.parent)
            spelling = self._listing(parent).get(self._fold(name))
            if spelling is not None:
                return parent / spelling
        return path

    def _listing(self, folder: Path) -> dict[str, str]:
        if folder not in self._listings:
            names = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
            self._listings[folder] = {self._fold(name): name for name in reversed(names)}
        return self._listings[folder]

    @staticmethod
    def _fold(name: str) -> str:
        # macOS stores decomposed accents, metadata has composed ones.
        return unicodedata.normalize("NFC", name).casefold()


def audio_problems(songs: Iterable[Mapping[str, Path]]) -> list[str]:
    """Read the headers of the files of many songs.

    Parameters
    ----------
    songs : iterable of mapping of str to Path
        Paths by name (``mixture`` or a stem), for each song.

    Returns
    -------
    list of str
        What `song_problems` finds, each line with the file and what to do.
    """
    problems = Problems()
    with ThreadPoolExecutor(HEADER_THREADS) as pool:
        for found in pool.map(song_problems, songs):
            problems.extend(found)
    return problems.lines()


def song_problems(files: Mapping[str, Path]) -> Problems:
    """Read the headers of the files of one song.

    Parameters
    ----------
    files : mapping of str to Path
        Paths by name (``mixture`` or a stem).

    Returns
    -------
    Problems
        Files that are missing, unreadable, empty or not stereo, or that differ from the first
        one in length or sample rate.
    """
    problems = Problems()
    folders = {path.parent for path in files.values()}
    for folder in sorted(folders):
        if not folder.is_dir():
            problems.add("missing song", f"{folder}: no such folder; {GET_IT}")
    first: Any = None
    for path in files.values():
        if not path.parent.is_dir():
            continue
        try:
            header = soundfile.info(path)
        except (soundfile.SoundFileError, OSError) as error:
            problems.add(*_unreadable(path, error))
            continue
        fault = _header_fault(header) or _cut_short(path)
        if fault is not None:
            problems.add("audio", f"{path}: {fault}")
            continue
        if first is None:
            first = header
        if header.samplerate != first.samplerate:
            line = f"{path}: has {header.samplerate} Hz, but {first.name} has {first.samplerate} Hz"
            problems.add("sample rate", f"{line}; all files of a song must agree")
        elif header.frames != first.frames:
            line = f"{path}: has {header.frames} samples, but {first.name} has {first.frames}"
            problems.add("length", f"{line}; all files of a song must be equally long")
    return problems


def _unreadable(path: Path, error: Exception) -> tuple[str, str]:
    """Kind and line for a file that gives no header."""
    if not path.exists():
        return "missing audio", f"{path}: no such file; {GET_IT}"
    if path.is_file() and path.stat().st_size == 0:
        return "audio", f"{path}: is empty (0 bytes); generate or download it again"
    reason = getattr(error, "error_string", None) or error
    return "audio", f"{path}: cannot be read as audio ({reason}); generate or download it again"


def _header_fault(header: Any) -> str | None:
    if header.frames == 0:
        return "holds no samples; generate or download it again"
    if header.channels != 2:
        return f"has {header.channels} channel(s), but must be stereo (left ear, right ear)"
    return None


def _cut_short(path: Path) -> str | None:
    """Say when a WAV file is shorter than its header promises; libsndfile reads what is there."""
    with path.open("rb") as file:
        head = file.read(8)
    promised = 8 + int.from_bytes(head[4:], "little")
    if head[:4] != b"RIFF" or promised > MAX_RIFF_BYTES:  # sizes beyond are placeholders
        return None
    missing = promised - path.stat().st_size
    return (
        f"is cut short by {missing} bytes; generate or download it again" if missing > 1 else None
    )


def read_stereo(
    path: Path, sample_rate: int | None = None, *, allow_resample: bool = True
) -> np.ndarray:
    """Read a stereo file.

    Parameters
    ----------
    path : Path
        The file.
    sample_rate : int, optional
        Wanted rate in Hz; None takes the file's.
    allow_resample : bool
        Resample a file of another rate (soxr, HQ); without it, that is an error.

    Returns
    -------
    ndarray
        Signal, shape (samples, 2), float64, full scale 1.

    Raises
    ------
    RecipeError
        When the file is missing, unreadable, not stereo, of another rate that cannot be changed,
        or holds NaN or infinity.
    """
    try:
        signal, rate = soundfile.read(path, dtype="float64", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        raise RecipeError(_unreadable(path, error)[1]) from error
    if signal.shape[1] != 2:
        n_channels = signal.shape[1]
        raise RecipeError(f"{path}: has {n_channels} channel(s), but must be stereo")
    bad = np.flatnonzero(~np.isfinite(signal).all(axis=1))
    if bad.size:
        raise RecipeError(
            f"{path}: holds NaN or infinity in {bad.size} samples, the first at sample {bad[0]}; "
            "generate or download it again"
        )
    if sample_rate in (None, rate):
        return signal
    if not allow_resample:
        raise RecipeError(f"{path}: has {rate} Hz, but sample_rate={sample_rate}; they must agree")
    return resample(signal, rate, sample_rate)
