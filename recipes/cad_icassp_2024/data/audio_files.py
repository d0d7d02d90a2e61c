"""Audio files of the data set: found however they are spelt, checked by header, read whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from clarity.utils.file_io import read_signal
from clarity.utils.signal_processing import resample
from recipes.cad_icassp_2024.data.errors import Problems, RecipeError
from recipes.cad_icassp_2024.data.paths import CaseInsensitivePaths, fold

MAX_RIFF_BYTES = 0xFFFFFF00
HEADER_THREADS = 8
AGAIN = "generate or download it again"
GET_IT = "download it, or run generate_dataset if it is music at the microphones"


class SongFolders:
    """Finds the files of songs, however they are spelt on disk, but never those of another song.

    ``folders`` are those below ``music_dir`` of all songs that are known of, by name, so that songs
    whose names differ in case only are told apart.
    """

    def __init__(self, music_dir: Path, folders: Mapping[str, str]) -> None:
        self._music_dir = music_dir
        self._folders = folders
        self._disk = CaseInsensitivePaths()
        self._by_spelling: dict[str, set[str]] = {}
        for folder in folders.values():
            self._by_spelling.setdefault(fold(folder), set()).add(folder)

    def file(self, song: str, name: str) -> Path:
        """Path of ``mixture`` or of a stem of a song, spelt as it is on disk."""
        folder = self._folders[song]
        wanted = self._music_dir / folder / f"{name}.wav"
        return wanted if self._is_another_songs(folder) else self._disk.find(wanted)

    def _is_another_songs(self, folder: str) -> bool:
        """Whether the folder on disk is spelt no less like that of another song."""
        wanted = self._music_dir / folder
        rivals = self._by_spelling[fold(folder)] - {folder}
        if not rivals or wanted.exists():
            return False
        found = self._disk.find(wanted).parts

        def n_equal(other: str) -> int:
            return sum(map(str.__eq__, reversed(found), reversed(Path(other).parts)))

        return any(n_equal(rival) >= n_equal(folder) for rival in rivals)


def audio_problems(songs: Iterable[Mapping[str, Path]]) -> Problems:
    """Return what `song_problems` finds in many songs, reading the headers of several at a time."""
    problems = Problems()
    with ThreadPoolExecutor(HEADER_THREADS) as pool:
        for found in pool.map(song_problems, songs):
            for kind, line in found:
                problems.add(kind, line)
    return problems


def song_problems(files: Mapping[str, Path]) -> list[tuple[str, str]]:
    """Check the headers of a song's files; return what is wrong, each with its kind.

    Wrong are files that `read_header` refuses, or that differ from the first one in length or rate.
    """
    folders = sorted({path.parent for path in files.values()})
    missing = [folder for folder in folders if not folder.is_dir()]
    problems = [("missing song", f"{folder}: no such folder; {GET_IT}") for folder in missing]
    first: Any = None
    for path in files.values():
        if path.parent in missing:
            continue
        try:
            header = read_header(path)
        except RecipeError as error:
            problems.append(("audio" if path.exists() else "missing audio", str(error)))
            continue
        first = first or header
        if header.samplerate != first.samplerate:
            line = f"{path}: has {header.samplerate} Hz, but {first.name} has {first.samplerate} Hz"
            problems.append(("sample rate", f"{line}; all files of a song must agree"))
        elif header.frames != first.frames:
            line = f"{path}: has {header.frames} samples, but {first.name} has {first.frames}"
            problems.append(("length", f"{line}; all files of a song must be equally long"))
    return problems


def read_header(path: Path) -> Any:
    """Read the header of a stereo file and see whether the file is all there.

    Raises `RecipeError` when it is missing, unreadable, empty, cut short or not stereo.
    """
    try:
        header = soundfile.info(path)
    except (soundfile.SoundFileError, OSError) as error:
        raise RecipeError(f"{path}: {_why_unreadable(path, error)}") from error
    if header.frames == 0:
        raise RecipeError(f"{path}: holds no samples; {AGAIN}")
    if header.channels != 2:
        what = f"has {header.channels} channel(s), but must be stereo (left, right)"
        raise RecipeError(f"{path}: {what}")
    n_missing = _n_missing_bytes(path)
    if n_missing > 1:
        raise RecipeError(f"{path}: is cut short by {n_missing} bytes; {AGAIN}")
    return header


def _why_unreadable(path: Path, error: Exception) -> str:
    if not path.exists():
        return f"no such file; {GET_IT}"
    if path.is_file() and path.stat().st_size == 0:
        return f"is empty (0 bytes); {AGAIN}"
    reason = getattr(error, "error_string", None) or error
    return f"cannot be read as audio ({reason}); {AGAIN}"


def _n_missing_bytes(path: Path) -> int:
    """How much shorter a WAV file is than its header says; libsndfile reads what is there."""
    with path.open("rb") as file:
        head = file.read(8)
    n_bytes = 8 + int.from_bytes(head[4:], "little")
    if head[:4] != b"RIFF" or n_bytes > MAX_RIFF_BYTES:  # sizes beyond are placeholders
        return 0
    return n_bytes - path.stat().st_size


def read_stereo(
    path: Path, sample_rate: int | None = None, *, allow_resample: bool = True
) -> np.ndarray:
    """Read a stereo file whole: a signal of shape (samples, 2), float64, full scale 1.

    A file of another rate than ``sample_rate``, in Hz, is resampled (soxr, HQ) where that is
    allowed. Raises `RecipeError` where it is not, where `read_header` does, and for NaN and
    infinity.
    """
    rate = read_header(path).samplerate
    if not allow_resample and sample_rate not in (None, rate):
        raise RecipeError(f"{path}: has {rate} Hz, but sample_rate={sample_rate}; they must agree")
    try:
        signal = read_signal(path)
    except ValueError as error:
        raise RecipeError(f"{error}; {AGAIN}") from error
    bad = np.flatnonzero(~np.isfinite(signal).all(axis=1))
    if bad.size:
        raise RecipeError(
            f"{path}: holds NaN or infinity in {bad.size} samples, the first at sample {bad[0]}; "
            f"{AGAIN}"
        )
    return signal if sample_rate in (None, rate) else resample(signal, rate, sample_rate)
