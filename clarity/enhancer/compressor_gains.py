"""The compiled loop of the compressor."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt


@numba.njit(cache=True)
def smoothed_gains(
    rms: npt.NDArray[np.float64],
    threshold: float,
    attenuation: float,
    attack: float,
    release: float,
) -> npt.NDArray[np.float64]:  # pragma: no cover - compiled
    """Gain at every sample of a level, see `clarity.enhancer.compressor.Compressor`."""
    gains = np.empty_like(rms)
    gain = 1.0
    for i in range(rms.size):
        if rms[i] > threshold:
            target = attenuation * rms[i] + (1.0 - attenuation) * threshold
            gain = gain * (1.0 - attack) + attack * target
        else:
            gain = release + gain * (1.0 - release)
        gains[i] = gain
    return gains
