"""Smoothing of the envelopes over 8 ms, to a frame rate of 250 Hz."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal.windows import hann

ENVELOPE_HOP = 96
"""Hop of the envelope smoothing, 4 ms."""


def smoothing_window() -> NDArray[np.float64]:
    """Hann window of two hops, shape (192,)."""
    return hann(2 * ENVELOPE_HOP, sym=True)
