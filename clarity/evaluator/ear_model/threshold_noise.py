"""Noise at the threshold of hearing, which keeps inaudible sound from being compared."""

from __future__ import annotations

NOISE_LEVEL_DB = -10.0
"""Level of the noise below threshold, dB SL."""


def noise_gain(level1: float) -> float:
    """RMS of the noise.

    Parameters
    ----------
    level1 : float
        Level in dB SPL of a signal with an RMS of 1.

    Returns
    -------
    float
        Standard deviation of the noise that is added to the motion of the basilar membrane.
    """
    return float(10.0 ** ((NOISE_LEVEL_DB - level1) / 20.0))
