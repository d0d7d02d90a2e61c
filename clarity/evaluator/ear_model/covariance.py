"""Short-time covariance of basilar-membrane motion (Kates & Arehart 2016).

Segments of 16 ms overlap by half; in each, the two signals are compared at lags of up to 1 ms.
"""

from __future__ import annotations

import numpy as np
import scipy
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from clarity.evaluator.ear_model.constants import TINY

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
    window = scipy.signal.windows.hann(segment, sym=True)
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


def segment_covariance(
    reference: NDArray[np.float64], processed: NDArray[np.float64], segment: int = SEGMENT
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Largest normalised covariance in each segment, and the mean square of the reference.

    Segment 0 is the first hop (half a segment), segment i, 1 <= i <= Q - 2, hops i and i + 1, and
    segment Q - 1 the last whole hop. With x and y windowed and then freed of their means, the
    covariance at a lag is |sum x[n] y[n + lag]| over the autocorrelation of the window at that lag
    and over the root of the product of both mean squares.

    Parameters
    ----------
    reference, processed : ndarray, shape (n_bands, samples)
        Motions of the basilar membrane.
    segment : int
        Samples in a segment, an even number.

    Returns
    -------
    covariance : ndarray, shape (n_bands, Q)
        Between 0 and 1; 0 where either signal is silent.
    mean_square : ndarray, shape (n_bands, Q)
        Mean square of the reference.
    """
    hop = segment // 2
    end = hop * (reference.shape[-1] // hop)
    x, y = (
        sliding_window_view(z[..., :end], segment, axis=-1)[..., ::hop, :]
        for z in (reference, processed)
    )
    windows = segment_windows(segment)
    correlations = window_correlations(windows)
    first = _covariance(x[..., :1, :hop], y[..., :1, :hop], windows[0, :hop], correlations[0])
    inner = _covariance(x[..., 1:, :], y[..., 1:, :], windows[1], correlations[1])
    last = _covariance(x[..., -1:, hop:], y[..., -1:, hop:], windows[2, :hop], correlations[2])
    covariance, mean_square = (
        np.concatenate(parts, axis=-1) for parts in zip(first, inner, last, strict=True)
    )
    return covariance, mean_square


def _covariance(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    window: NDArray[np.float64],
    window_correlation: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Covariance of segments, the last axis, that share a window."""
    x, y = x * window, y * window
    x, y = (z - z.mean(axis=-1, keepdims=True) for z in (x, y))
    mean_square_x, mean_square_y = (
        np.einsum("...n,...n->...", z, z) / window_correlation[0] for z in (x, y)
    )
    n_fft = scipy.fft.next_fast_len(window.size + MAX_SEGMENT_LAG, real=True)
    correlation = scipy.fft.irfft(
        np.conj(scipy.fft.rfft(x, n_fft)) * scipy.fft.rfft(y, n_fft), n_fft
    )
    lags = np.arange(-MAX_SEGMENT_LAG, MAX_SEGMENT_LAG + 1)
    largest = np.max(np.abs(correlation[..., lags] / window_correlation[np.abs(lags)]), axis=-1)
    sounds = (mean_square_x > TINY) & (mean_square_y > TINY)
    covariance = np.zeros_like(largest)
    scale = np.sqrt(mean_square_x[sounds] * mean_square_y[sounds])
    covariance[sounds] = np.minimum(largest[sounds] / scale, 1.0)
    return covariance, mean_square_x
