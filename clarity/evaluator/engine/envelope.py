"""Smoothing of the envelopes to 250 Hz; equals `ear_model.envelope.smooth_envelope`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clarity.evaluator.ear_model.envelope import ENVELOPE_HOP, smoothing_window
from clarity.evaluator.engine.jit import kernel
from clarity.evaluator.engine.vector import WIDTH, aligned_zeros, broadcast, load, store

_WINDOW = smoothing_window()
_HALF_SUM = float(_WINDOW[:ENVELOPE_HOP].sum())


def smoothing_state() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Window and scratch of `smooth_hop`, shapes (192,) and (2, WIDTH)."""
    return _WINDOW, aligned_zeros(2, WIDTH)


@kernel
def smooth_hop(
    samples: NDArray[np.float64],
    window: NDArray[np.float64],
    sums: NDArray[np.float64],
    hop: int,
    frames: NDArray[np.float64],
) -> None:
    """Add one hop of an envelope to the frames that it takes part in.

    Parameters
    ----------
    samples : ndarray, shape (96, WIDTH)
        Firing rates.
    window, sums : ndarray
        See `smoothing_state`.
    hop : int
        Index of the hop.
    frames : ndarray, shape (WIDTH, F)
        Smoothed envelopes so far.
    """
    rising, falling = broadcast(0.0), broadcast(0.0)
    for n in range(ENVELOPE_HOP):
        x = load(samples, n)
        rising += window[n] * x
        falling += window[ENVELOPE_HOP + n] * x
    store(sums, 0, rising / _HALF_SUM)
    store(sums, 1, falling / _HALF_SUM)
    n_frames = frames.shape[1]
    for band in range(WIDTH):
        if hop == 0:
            frames[band, 0] = sums[1, band]
        if 1 <= hop <= n_frames - 2:
            frames[band, hop] += 0.5 * sums[0, band]
        if 2 <= hop < n_frames:
            frames[band, hop - 1] += 0.5 * sums[1, band]
        if 0 < hop == n_frames - 1:
            frames[band, hop] = sums[0, band]
