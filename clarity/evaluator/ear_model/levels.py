"""Levels: what a signal of a given amplitude means in decibels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clarity.evaluator.ear_model.constants import TINY

MAX_LEVEL1_DB = 1000.0
"""Largest level of an RMS of 1, up or down; float32 holds no signal that would need more."""


def rms(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Root mean square over the samples, the last axis."""
    return np.sqrt(np.mean(x**2, axis=-1))


def checked_level1(level1: float, largest: float = MAX_LEVEL1_DB) -> float:
    """Return the level in dB SPL of an RMS of 1; ValueError when it is no number or too large."""
    try:
        usable = bool(abs(level1) <= largest)
    except (TypeError, ValueError, RuntimeError):  # of arrays and tensors, too
        usable = False
    if not usable:
        raise ValueError(
            "level1 must be a number, the level in dB SPL of a signal with an RMS of 1, from "
            f"{-largest:.0f} to {largest:.0f}, got {level1!r}"
        )
    return level1


def level_db(amplitude: NDArray[np.float64], level1: float) -> NDArray[np.float64]:
    """Level in dB SPL: level1 + 20 log10(amplitude).

    Parameters
    ----------
    amplitude : ndarray
        RMS values or envelopes; silence counts as `TINY`.
    level1 : float
        Level in dB SPL of a signal with an RMS of 1.

    Returns
    -------
    ndarray, shape of `amplitude`
        Levels in dB SPL.
    """
    return level1 + 20.0 * np.log10(np.maximum(amplitude, TINY))
