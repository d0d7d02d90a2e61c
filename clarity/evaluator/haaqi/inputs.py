"""What HAAQI is given, checked where it enters."""

from __future__ import annotations

import math
from operator import index
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clarity.evaluator.ear_model.constants import SAMPLE_RATE_HZ
from clarity.evaluator.ear_model.covariance import MAX_SEGMENT_LAG
from clarity.evaluator.ear_model.quality import EQUALISATIONS
from clarity.evaluator.ear_model.threshold_noise import RandomStream

ENGINES: Final = ("compiled", "reference")
"""The two ways to compute the ear, see `engines`."""


def checked_signal(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """Return a signal as float64, or raise ValueError that says what is wrong with it."""
    try:
        x = np.asarray(values)
        if np.iscomplexobj(x):
            raise ValueError(f"these are complex ({x.dtype}), take their real part")
        x = np.ascontiguousarray(x, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the {name} signal must be an array of numbers: {error}") from error
    if x.ndim != 1:
        raise ValueError(
            f"the {name} signal must have shape (samples,), one ear at a time, got {x.shape}"
        )
    if x.size == 0:
        raise ValueError(f"the {name} signal is empty")
    if not np.isfinite(x).all():
        n_bad = np.count_nonzero(~np.isfinite(x))
        raise ValueError(f"the {name} signal holds {n_bad} samples that are NaN or infinite")
    return x


def checked_equalisation(equalisation: int) -> int:
    """Return the equalisation, or raise ValueError when HAAQI knows no such one."""
    if equalisation not in EQUALISATIONS:
        raise ValueError(
            "equalisation must be 1 (NAL-R is still to be applied to the reference), 2 (it was) or "
            f"0 (a healthy ear hears the reference), got {equalisation!r}"
        )
    return equalisation


def checked_engine(name: str) -> str:
    """Return the name of an engine, or raise ValueError when there is no such one."""
    if name not in ENGINES:
        raise ValueError(f"engine must be {' or '.join(ENGINES)}, got {name!r}")
    return name


def checked_number(value: float, name: str, meaning: str, least: float = -math.inf) -> float:
    """Return a finite number not below `least`, or raise ValueError that says what it is."""
    try:
        usable = math.isfinite(value) and value >= least
    except TypeError:
        usable = False
    if not usable:
        bound = "" if least == -math.inf else f" from {least:g} on"
        raise ValueError(f"{name} must be a number{bound}, {meaning}, got {value!r}")
    return value


def checked_threads(n_threads: int | None) -> int | None:
    """Return the number of threads, or raise ValueError when there can be no so many."""
    try:
        usable = n_threads is None or index(n_threads) >= 1
    except TypeError:
        usable = False
    if not usable:
        raise ValueError(
            "n_threads must be a whole number from 1 on, or None for NUMBA_NUM_THREADS, got "
            f"{n_threads!r}"
        )
    return n_threads


def checked_stream(random_state: Any) -> RandomStream:
    """Return the stream of random numbers, NumPy's global one for None.

    Raises TypeError for anything but `numpy.random.RandomState` over MT19937, because published
    scores come from its stream.
    """
    stream: RandomStream = np.random if random_state is None else random_state
    if isinstance(stream, np.random.RandomState) or stream is np.random:
        if stream.get_state(legacy=False)["bit_generator"] == "MT19937":
            return stream
        given = "one over another bit generator"
    else:
        given = repr(random_state)
    raise TypeError(
        "random_state must be a numpy.random.RandomState over MT19937, such as "
        f"numpy.random.RandomState(seed), or None for NumPy's global stream, got {given}"
    )


def segment_samples(segment_ms: float) -> int:
    """Convert the length of a segment: to an even number that leaves room for lags of 1 ms."""
    checked_number(segment_ms, "segment_covariance", "the length of a segment in ms")
    samples = round(segment_ms * (0.001 * SAMPLE_RATE_HZ))
    samples += samples % 2
    # Half a window begins with a 0, so that lags of 1 ms need one sample more.
    if samples // 2 <= MAX_SEGMENT_LAG + 1:
        shortest_ms = 2000 * (MAX_SEGMENT_LAG + 2) / SAMPLE_RATE_HZ
        raise ValueError(
            f"segment_covariance must be {shortest_ms:.2f} ms or more (HAAQI prescribes 16), "
            f"got {segment_ms!r}"
        )
    return samples
