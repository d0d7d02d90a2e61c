"""Short-time covariance of basilar-membrane motion.

Segments of 16 ms overlap by half; in each, the two signals are compared at lags of up to 1 ms.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal.windows import hann

SEGMENT_HOP = 192
"""Hop of the segments, 8 ms."""

SEGMENT = 2 * SEGMENT_HOP
"""Length of a segment, 16 ms."""

MAX_SEGMENT_LAG = 24
"""Largest lag at which two segments are compared, 1 ms."""


def segment_windows(segment: int = SEGMENT) -> NDArray[np.float64]:
    """Windows of the first, an inner and the last segment, shape (3, segment).

    The first and the last are half as long; their rows end in zeros.
    """
    hop = segment // 2
    window = hann(segment, sym=True)
    windows = np.zeros((3, segment))
    windows[0, :hop] = window[hop:]
    windows[1] = window
    windows[2, :hop] = window[:hop]
    return windows


def window_correlations(windows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Autocorrelation of each window at lags 0 to 24, shape (3, 25)."""
    segment = windows.shape[1]
    return np.array(
        [
            [window[: segment - lag] @ window[lag:] for lag in range(MAX_SEGMENT_LAG + 1)]
            for window in windows
        ]
    )
