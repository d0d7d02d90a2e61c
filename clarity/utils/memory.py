"""Working in little memory, and keeping what there is."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

BLOCK_ROWS: Final = 1 << 15
"""So many rows of a stereo signal and a few copies of them fit in the processor's cache."""

_LARGEST_KEPT_BYTES: Final = 64 << 20  # larger blocks are still given back
_MOST_SPARE_BYTES: Final = 512 << 20

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8


def keep_freed_memory() -> bool:
    """Let the process keep memory that it has freed, for its next arrays and tensors.

    By default the GNU C library gives every block of more than 32 MB back to the system, which has
    to clear it page by page when the next block is asked for. A separation model frees and asks for
    a gigabyte in each forward pass; there Hybrid Demucs ran 1.5 times faster without. The setting
    holds for the whole process, so that a program makes it and not a library.

    Returns
    -------
    bool
        Whether it was set; systems without the GNU C library have other means or none.

    References
    ----------
    mallopt(3), Linux man-pages: M_MMAP_THRESHOLD, M_TRIM_THRESHOLD and M_ARENA_MAX.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # musl, for one, has none
        return False
    options = {
        _M_MMAP_THRESHOLD: _LARGEST_KEPT_BYTES,
        _M_TRIM_THRESHOLD: _MOST_SPARE_BYTES,
        _M_ARENA_MAX: 1,  # all threads share what is kept
    }
    return all(mallopt(option, value) for option, value in options.items())


def blocks(n_rows: int) -> Iterator[slice]:
    """Cut rows into blocks that are worked on one by one, so that what comes of them is small.

    Parameters
    ----------
    n_rows : int

    Yields
    ------
    slice
        Up to `BLOCK_ROWS` rows; together all, in order.
    """
    for start in range(0, n_rows, BLOCK_ROWS):
        yield slice(start, min(start + BLOCK_ROWS, n_rows))


def as_blocks(signal: npt.ArrayLike | Iterator[npt.NDArray[Any]]) -> Iterator[npt.NDArray[Any]]:
    """Give a signal block by block, whether it is an array or comes in blocks already.

    Parameters
    ----------
    signal : array_like, shape (samples,) or (samples, channels), or iterator of such arrays
        The signal. An array is cut as `blocks` does, an iterator is passed on.

    Yields
    ------
    ndarray
        Block after block.
    """
    if isinstance(signal, Iterator):
        yield from signal
        return
    samples = np.asarray(signal)
    for rows in blocks(len(samples)):
        yield samples[rows]


def release_freed_memory() -> None:
    """Give memory that has been freed back to the system, where the C library can.

    Large arrays of which some small ones survive leave gaps that the GNU C library keeps and seldom
    fills: a long song worked on block by block took 60 MB per second of audio that way.

    References
    ----------
    malloc_trim(3), Linux man-pages.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):  # musl, for one, has none
        return
