"""Smoothing of the envelopes over 8 ms, to a frame rate of 250 Hz."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clarity.evaluator.ear_model.envelope import ENVELOPE_HOP
from clarity.evaluator.engine.jit import reduction_kernel


@reduction_kernel
def smooth_hop(
    samples: NDArray[np.float64],
    window: NDArray[np.float64],
    hop: int,
    frames: NDArray[np.float64],
) -> None:
    """Add one hop of an envelope to the frames that it takes part in.

    Frame i, 1 <= i <= F - 2, covers hops i and i + 1; the first and the last frame cover their own
    hop with the inner half of the window. Windows are normalised to a sum of 1.

    Parameters
    ----------
    samples : ndarray, shape (96,)
        Envelope of one band.
    window : ndarray, shape (192,)
        `ear_model.envelope.smoothing_window()`.
    hop : int
        Index of the hop.
    frames : ndarray, shape (F,)
        Smoothed envelope so far.
    """
    rising = 0.0
    falling = 0.0
    half_sum = 0.0
    for n in range(ENVELOPE_HOP):
        rising += samples[n] * window[n]
        falling += samples[n] * window[ENVELOPE_HOP + n]
        half_sum += window[n]
    n_frames = frames.size
    if hop == 0:
        frames[0] = falling / half_sum
    if 1 <= hop <= n_frames - 2:
        frames[hop] += rising / (2.0 * half_sum)
    if 2 <= hop < n_frames:
        frames[hop - 1] += falling / (2.0 * half_sum)
    if 0 < hop == n_frames - 1:
        frames[hop] = rising / half_sum
