"""The K-weighting of ITU-R BS.1770-4: its filter, and the compiled loop that applies it."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt
import pyloudnorm


def k_weighting(sample_rate: float) -> npt.NDArray[np.float64]:
    """Filter by which the head and the ear weight sound, as second-order sections."""
    shelf = pyloudnorm.IIRfilter(4.0, 1 / np.sqrt(2), 1500.0, sample_rate, "high_shelf")
    high_pass = pyloudnorm.IIRfilter(0.0, 0.5, 38.0, sample_rate, "high_pass")
    return np.array([np.concatenate((stage.b, stage.a)) for stage in (shelf, high_pass)])


@numba.njit(cache=True, nogil=True)
def weight(
    sections: npt.NDArray[np.float64],
    channels: npt.NDArray[np.float64],
    state: npt.NDArray[np.float64],
) -> None:
    """Filter channels in place by two sections at a time, to the bit as ``sosfilt`` does."""
    (b0, b1, b2, _, a1, a2), (d0, d1, d2, _, c1, c2) = sections
    for channel in range(channels.shape[0]):
        samples = channels[channel]
        (u, v), (p, q) = state[channel]
        for n in range(samples.size):
            x = samples[n]
            y = b0 * x + u
            u = b1 * x - a1 * y + v
            v = b2 * x - a2 * y
            z = d0 * y + p
            p = d1 * y - c1 * z + q
            q = d2 * y - c2 * z
            samples[n] = z
        state[channel, 0, 0], state[channel, 0, 1] = u, v
        state[channel, 1, 0], state[channel, 1, 1] = p, q
