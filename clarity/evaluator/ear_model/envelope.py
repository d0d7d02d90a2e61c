"""Smoothing of the envelopes over 8 ms, to a frame rate of 250 Hz (Kates & Arehart 2016)."""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import NDArray

ENVELOPE_HOP = 96
"""Hop of the envelope smoothing, 4 ms."""


def smoothing_window() -> NDArray[np.float64]:
    """Hann window of two hops, shape (192,)."""
    return scipy.signal.windows.hann(2 * ENVELOPE_HOP, sym=True)


def smooth_envelope(envelope: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average an envelope over windows of 8 ms that overlap by half.

    Frame i, 1 <= i <= F - 2, covers hops i and i + 1; the first and the last frame cover their own
    hop with the inner half of the window. Windows are normalised to a sum of 1.

    Parameters
    ----------
    envelope : ndarray, shape (n_bands, samples)
        Firing rate in dB SL.

    Returns
    -------
    ndarray, shape (n_bands, F)
        One frame for every whole hop of `ENVELOPE_HOP` samples.
    """
    n_frames = envelope.shape[-1] // ENVELOPE_HOP
    hops = envelope[..., : n_frames * ENVELOPE_HOP].reshape(*envelope.shape[:-1], n_frames, -1)
    window = smoothing_window()
    rising_half, falling_half = window[:ENVELOPE_HOP], window[ENVELOPE_HOP:]
    rising = np.einsum("...n,n->...", hops, rising_half / rising_half.sum())
    falling = np.einsum("...n,n->...", hops, falling_half / falling_half.sum())
    frames = rising
    frames[..., 0] = falling[..., 0]
    frames[..., 1:-1] = 0.5 * (rising[..., 1:-1] + falling[..., 2:])
    return frames
