"""Reading and writing of audio, JSON, JSON Lines and CSV files.

Every file is written whole or not at all: see `atomic_path`.
"""

from __future__ import annotations

import csv
import io
import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import soundfile

from clarity.utils.atomic_files import atomic_path
from clarity.utils.signal_processing import FULL_SCALE_16BIT, resample, to_16bit

logger = logging.getLogger(__name__)


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Parameters
    ----------
    path : str or Path
        JSON file, UTF-8.

    Returns
    -------
    object
        What the file holds.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When it is not JSON; the message names file, line and column.
    """
    try:
        return json.loads(_read_text(path))
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{path}: not valid JSON at line {error.lineno}, column {error.colno}: {error.msg}"
        ) from None


def _read_text(path: str | Path) -> str:
    if not Path(path).exists():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        return Path(path).read_bytes().decode("utf-8-sig")  # with or without a byte-order mark
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 text at byte {error.start}") from None


def write_json(path: str | Path, data: Any, indent: int | None = 4) -> None:
    """Write a JSON file, whole or not at all.

    Parameters
    ----------
    path : str or Path
        File to write.
    data : object
        What JSON can hold.
    indent : int, optional
        Spaces a level.
    """
    text = json.dumps(data, indent=indent)
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_jsonl(filename: str | Path) -> list[Any]:
    """Read the records of a JSON Lines file, one in each line, passing over empty lines.

    Parameters
    ----------
    filename : str or Path
        File of UTF-8 text. A line ends with a line feed; other separators belong to the records.

    Returns
    -------
    list
        The records in order.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When a line is not JSON; the message names file, line and column.
    """
    records = []
    for number, line in enumerate(_read_text(filename).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError as error:
            raise ValueError(
                f"{filename}: not valid JSON at line {number}, column {error.colno}: {error.msg}"
            ) from None
    return records


def write_jsonl(filename: str | Path, records: Sequence[Any]) -> None:
    """Append records to a JSON Lines file, which is made when there is none.

    All records go out in one write, so an interruption can at most cut the last line short.
    """
    lines = "".join(f"{json.dumps(record)}\n" for record in records)
    with Path(filename).open("a", encoding="utf-8") as file:
        file.write(lines)


def write_csv(
    path: str | Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]
) -> None:
    """Write a CSV file with a header, whole or not at all.

    Parameters
    ----------
    path : str or Path
        File to write, UTF-8.
    columns : sequence of str
        Names of the columns, in order.
    rows : iterable of mappings
        Values by column, none where one is missing; other keys are passed over.
    """
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


@contextmanager
def open_audio(file: str | Path | BinaryIO) -> Iterator[soundfile.SoundFile]:
    """Open an audio file; whatever reads audio here does so through this.

    Parameters
    ----------
    file : str, Path or binary file object
        Any file that libsndfile reads.

    Yields
    ------
    soundfile.SoundFile
        The open file, at its first sample.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When it, or what is read of it while it is open, is no audio; the message names the file.
    """
    if isinstance(file, str | Path) and not Path(file).is_file():
        raise FileNotFoundError(
            f"{file}: {'is a folder' if Path(file).is_dir() else 'no such file'}"
        )
    try:
        with soundfile.SoundFile(file) as audio:
            yield audio
    except soundfile.LibsndfileError as error:
        reason = f"cannot be read as audio ({error.error_string})"
        raise ValueError(f"{_name(file)}: {reason}") from None


def _name(file: str | Path | BinaryIO) -> str:
    """Name of a file in messages."""
    return str(file if isinstance(file, str | Path) else getattr(file, "name", "the audio file"))


def read_signal(
    filename: str | Path | BinaryIO,
    sample_rate: float = 0.0,
    offset: int | float = 0,
    n_samples: int = -1,
    n_channels: int = 0,
    offset_is_samples: bool = False,
    allow_resample: bool = True,
) -> npt.NDArray[np.float64]:
    """Read a signal, or a part of it, from an audio file.

    Parameters
    ----------
    filename : str, Path or binary file object
        Any file that libsndfile reads.
    sample_rate : float
        Rate in Hz that the signal is wanted at; 0 takes the file's.
    offset : int or float
        Where to start: seconds, rounded to the nearest sample, or samples at the file's rate with
        `offset_is_samples`.
    n_samples : int
        Samples to read, counted at the file's rate; -1 reads to the end.
    n_channels : int
        Number of channels that the file must have; 0 takes any.
    offset_is_samples : bool
        Whether `offset` counts samples.
    allow_resample : bool
        Resample when the file has another rate; without it, that is an error.

    Returns
    -------
    ndarray, shape (samples,) or (samples, channels)
        The signal; integer formats are scaled to [-1, 1).

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When the file cannot be read as audio, has another number of channels or another rate, or
        ends before `offset`.
    """
    name = _name(filename)
    with open_audio(filename) as file:
        if n_channels not in (0, file.channels):
            raise ValueError(
                f"{name}: {n_channels} channels expected, the file has {file.channels}"
            )
        start = int(offset) if offset_is_samples else round(offset * file.samplerate)
        if not 0 <= start <= file.frames:
            raise ValueError(
                f"{name}: cannot start at sample {start} of a file of {file.frames} samples"
            )
        file.seek(start)
        signal = file.read(frames=n_samples)
        file_rate = file.samplerate
    if sample_rate in (0, file_rate):
        return signal
    if not allow_resample:
        raise ValueError(
            f"{name}: a rate of {sample_rate:g} Hz expected, the file has {file_rate} Hz"
        )
    return resample(signal, file_rate, sample_rate)


def write_signal(
    filename: str | Path,
    signal: npt.NDArray[Any],
    sample_rate: float,
    floating_point: bool = True,
    strict: bool = False,
) -> None:
    """Write a signal to an audio file, whole or not at all.

    Parameters
    ----------
    filename : str or Path
        File to write; its suffix gives the format.
    signal : ndarray, shape (samples,) or (samples, channels)
        The signal, full scale 1.
    sample_rate : float
        Sampling rate in Hz, a whole number.
    floating_point : bool
        Write 32-bit floats as they are; otherwise 16-bit integers, truncated toward zero.
    strict : bool
        For 16 bits: a signal beyond full scale is an error. Otherwise it is clipped with a
        warning.

    Raises
    ------
    ValueError
        When the signal is beyond full scale and `strict`, holds NaN in 16 bits, or
        the sampling rate is not a whole number.
    """
    if sample_rate != int(sample_rate):
        raise ValueError(f"{filename}: sample_rate must be a whole number, got {sample_rate!r} Hz")
    samples = np.asarray(signal)
    subtype = "FLOAT"
    if not floating_point:
        subtype = "PCM_16"
        scaled = samples * float(FULL_SCALE_16BIT)
        n_beyond = int(np.sum((scaled > FULL_SCALE_16BIT - 1) | (scaled < -FULL_SCALE_16BIT)))
        if n_beyond and strict:
            raise ValueError(f"{filename}: {n_beyond} samples out of range [-1.0, 1.0)")
        if n_beyond:
            logger.warning("%s: %d samples out of range [-1.0, 1.0) clipped", filename, n_beyond)
        samples = to_16bit(samples)
    # libsndfile does not say that a disk is full, so it writes to memory.
    stream = io.BytesIO()
    file_format = Path(filename).suffix.removeprefix(".")
    soundfile.write(stream, samples, int(sample_rate), subtype=subtype, format=file_format)
    with atomic_path(filename) as temporary:
        temporary.write_bytes(stream.getbuffer())
