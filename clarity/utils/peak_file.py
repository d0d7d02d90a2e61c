"""The text file beside a FLAC file that holds the peak by which its signal was scaled."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from clarity.utils.atomic_files import atomic_path


def peak_file_of(filename: str | Path) -> Path:
    """Return where the peak of a FLAC file is."""
    return Path(filename).with_suffix(".txt")


def remove_peak_file(filename: str | Path) -> None:
    """Remove the peak of an earlier, scaled version, which would scale this one when it is read.

    Parameters
    ----------
    filename : str or Path
        The FLAC file. A text file beside it that holds something else than a number stays.
    """
    peak_file = peak_file_of(filename)
    if read_peak(peak_file) is not None:
        peak_file.unlink()


def read_peak(peak_file: Path) -> np.float32 | None:
    """Peak that a file holds; None when there is no such file or it holds something else."""
    try:
        return np.float32(peak_file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def require_place_for_peak(filename: str | Path) -> None:
    """Refuse to write the peak of a FLAC file where a text file holds something else.

    Parameters
    ----------
    filename : str or Path
        The FLAC file.

    Raises
    ------
    ValueError
        When there is such a text file.
    """
    peak_file = peak_file_of(filename)
    if peak_file.exists() and read_peak(peak_file) is None:
        raise ValueError(
            f"{peak_file}: holds something else than a peak; move it away, because the peak of "
            f"{Path(filename).name} belongs there"
        )


def write_peak(filename: str | Path, peak: float) -> None:
    """Write the peak by which the signal of a FLAC file was scaled, whole or not at all."""
    with atomic_path(peak_file_of(filename)) as temporary:
        temporary.write_text(str(peak), encoding="utf-8")
