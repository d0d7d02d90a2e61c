"""Short-time covariance of basilar-membrane motion.

Segments of 16 ms overlap by half; in each, the two signals are compared at lags of up to 1 ms.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clarity.evaluator.ear_model.constants import TINY
from clarity.evaluator.ear_model.covariance import MAX_SEGMENT_LAG
from clarity.evaluator.engine.jit import reduction_kernel

_N_LAGS = 2 * MAX_SEGMENT_LAG + 1
_LAGS_AT_ONCE = 10


@reduction_kernel
def _apply_window(
    x: NDArray[np.float64], window: NDArray[np.float64], n: int, windowed: NDArray[np.float64]
) -> float:
    """Multiply the first n samples by the window; returns the mean of the products."""
    total = 0.0
    for i in range(n):
        product = x[i] * window[i]
        windowed[i] = product
        total += product
    return total / n


@reduction_kernel
def _subtract(x: NDArray[np.float64], n: int, mean: float) -> float:
    """Subtract the mean of the first n samples, in place; returns their energy after that."""
    energy = 0.0
    for i in range(n):
        deviation = x[i] - mean
        x[i] = deviation
        energy += deviation * deviation
    return energy


@reduction_kernel
def segment_covariance(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    window: NDArray[np.float64],
    window_correlation: NDArray[np.float64],
    n: int,
    threshold_db: float,
    work: NDArray[np.float64],
) -> tuple[float, float]:
    """Largest normalised covariance of two segments, and the mean square of the first.

    With x and y windowed and then freed of their means, the covariance at a lag is
    |sum x[n] y[n + lag]| over the autocorrelation of the window at that lag and the root of the
    product of both mean squares.

    Parameters
    ----------
    x, y : ndarray, shape (SEGMENT,) or longer
        Motion of the basilar membrane, reference and processed.
    window : ndarray, shape (SEGMENT,)
        Window, 0 from n on.
    window_correlation : ndarray, shape (25,)
        Autocorrelation of the window.
    n : int
        Samples in the segment.
    threshold_db : float
        Level of x, sqrt(2 mean square) in dB SL, up to which its covariance counts for nothing and
        is not computed.
    work : ndarray, shape (2, SEGMENT + 48)
        Scratch; its last 48 columns and its first 24 must hold 0.

    Returns
    -------
    covariance : float
        Between 0 and 1; 0 when either segment is silent or x is below the threshold.
    mean_square : float
        Mean square of x.
    """
    a, b = work[0], work[1, MAX_SEGMENT_LAG:]
    mean_square_x = _subtract(a, n, _apply_window(x, window, n, a)) / window_correlation[0]
    mean_square_y = _subtract(b, n, _apply_window(y, window, n, b)) / window_correlation[0]
    for i in range(n, n + MAX_SEGMENT_LAG):
        b[i] = 0.0
    heard = np.sqrt(2.0 * mean_square_x) > threshold_db
    if not (heard and mean_square_x > TINY and mean_square_y > TINY):
        return 0.0, mean_square_x
    delayed = work[1]
    largest = 0.0
    for start in range(0, _N_LAGS, _LAGS_AT_ONCE):
        first = min(start, _N_LAGS - _LAGS_AT_ONCE)
        s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = s8 = s9 = 0.0
        for i in range(n):
            s0 += a[i] * delayed[i + first]
            s1 += a[i] * delayed[i + first + 1]
            s2 += a[i] * delayed[i + first + 2]
            s3 += a[i] * delayed[i + first + 3]
            s4 += a[i] * delayed[i + first + 4]
            s5 += a[i] * delayed[i + first + 5]
            s6 += a[i] * delayed[i + first + 6]
            s7 += a[i] * delayed[i + first + 7]
            s8 += a[i] * delayed[i + first + 8]
            s9 += a[i] * delayed[i + first + 9]
        lag = first - MAX_SEGMENT_LAG
        largest = max(
            largest,
            abs(s0 / window_correlation[abs(lag)]),
            abs(s1 / window_correlation[abs(lag + 1)]),
            abs(s2 / window_correlation[abs(lag + 2)]),
            abs(s3 / window_correlation[abs(lag + 3)]),
            abs(s4 / window_correlation[abs(lag + 4)]),
            abs(s5 / window_correlation[abs(lag + 5)]),
            abs(s6 / window_correlation[abs(lag + 6)]),
            abs(s7 / window_correlation[abs(lag + 7)]),
            abs(s8 / window_correlation[abs(lag + 8)]),
            abs(s9 / window_correlation[abs(lag + 9)]),
        )
    covariance = largest / np.sqrt(mean_square_x * mean_square_y)
    return min(covariance, 1.0), mean_square_x
