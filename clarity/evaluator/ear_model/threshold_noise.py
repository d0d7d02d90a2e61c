"""Noise at the threshold of hearing, so that inaudible sound is not compared (Kates 2013)."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

NOISE_LEVEL_DB = -10.0
"""Level of the noise in dB relative to a healthy threshold (Kates's program)."""


class RandomStream(Protocol):
    """What is used of `numpy.random.RandomState`; the module `numpy.random` offers it too."""

    def get_state(self, legacy: bool = ...) -> Any:
        """State of the stream."""

    def set_state(self, state: Any) -> None:
        """Put the stream into a state."""

    def standard_normal(self, size: Any = ...) -> Any:
        """Draw standard normals."""


def noise_gain(level1: float) -> float:
    """RMS of the noise: 10^((-10 - level1) / 20).

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


def threshold_noise(
    stream: RandomStream, n_bands: int, n_samples: int, level1: float
) -> NDArray[np.float64]:
    """Draw the noise of some bands, band after band.

    Published scores depend on NumPy's legacy generator and on this order: all bands of the
    reference first, then all bands of the processed signal.

    Parameters
    ----------
    stream : numpy.random.RandomState
        Where to draw from; advanced.
    n_bands, n_samples : int
        How many bands of how many samples.
    level1 : float
        Level in dB SPL of a signal with an RMS of 1.

    Returns
    -------
    ndarray, shape (n_bands, n_samples)
        To be added to the motion of the basilar membrane.
    """
    noise: NDArray[np.float64] = stream.standard_normal((n_bands, n_samples))
    return noise_gain(level1) * noise
