"""Covariance of basilar-membrane motion; equals `ear_model.covariance.segment_covariance`.

Only where the reference is below the threshold, which counts for nothing, the covariance stays 0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clarity.evaluator.ear_model.constants import TINY
from clarity.evaluator.ear_model.covariance import (
    MAX_SEGMENT_LAG,
    SEGMENT,
    segment_windows,
    window_correlations,
)
from clarity.evaluator.engine.constants import HOP
from clarity.evaluator.engine.jit import kernel
from clarity.evaluator.engine.vector import (
    WIDTH,
    aligned_zeros,
    broadcast,
    load,
    maximum,
    store,
)

_N_LAGS = 2 * MAX_SEGMENT_LAG + 1
_LAGS_AT_ONCE = 7


class CovarianceWorkspace(NamedTuple):
    """Windows, and scratch for the segments of `WIDTH` bands.

    Attributes
    ----------
    windows, window_correlations : ndarray, shapes (3, SEGMENT) and (3, 25)
        See `ear_model.covariance`.
    x, y : ndarray, shapes (SEGMENT, WIDTH) and (SEGMENT + 48, WIDTH)
        Windowed segments; that of the processed signal between zeros.
    largest : ndarray, shape (1, WIDTH)
        Largest covariance.
    mean_squares : ndarray, shape (2, WIDTH)
        Mean squares of the segments.
    """

    windows: NDArray[np.float64]
    window_correlations: NDArray[np.float64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    largest: NDArray[np.float64]
    mean_squares: NDArray[np.float64]


def covariance_workspace() -> CovarianceWorkspace:
    """Buffers for one thread."""
    windows = segment_windows()
    return CovarianceWorkspace(
        windows=windows,
        window_correlations=window_correlations(windows),
        x=aligned_zeros(SEGMENT, WIDTH),
        y=aligned_zeros(SEGMENT + 2 * MAX_SEGMENT_LAG, WIDTH),
        largest=aligned_zeros(1, WIDTH),
        mean_squares=aligned_zeros(2, WIDTH),
    )


@kernel
def _apply_window(
    workspace: CovarianceWorkspace,
    window: NDArray[np.float64],
    energy_of_window: float,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
) -> None:
    """Put both segments, times the window and less their means, and mean squares into place."""
    n_samples = x.shape[0]
    segment_x, segment_y = workspace.x, workspace.y[MAX_SEGMENT_LAG:]
    sum_x = sum_y = energy_x = energy_y = broadcast(0.0)
    for i in range(n_samples):
        product_x, product_y = window[i] * load(x, i), window[i] * load(y, i)
        store(segment_x, i, product_x)
        store(segment_y, i, product_y)
        sum_x += product_x
        sum_y += product_y
    mean_x, mean_y = sum_x / np.float64(n_samples), sum_y / np.float64(n_samples)
    for i in range(n_samples):
        deviation_x, deviation_y = load(segment_x, i) - mean_x, load(segment_y, i) - mean_y
        store(segment_x, i, deviation_x)
        store(segment_y, i, deviation_y)
        energy_x += deviation_x * deviation_x
        energy_y += deviation_y * deviation_y
    for i in range(n_samples, n_samples + MAX_SEGMENT_LAG):
        store(segment_y, i, broadcast(0.0))
    store(workspace.mean_squares, 0, energy_x / energy_of_window)
    store(workspace.mean_squares, 1, energy_y / energy_of_window)


@kernel
def _largest_covariance(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    window_correlation: NDArray[np.float64],
    largest: NDArray[np.float64],
) -> None:
    """Largest |sum x[n] y[n + lag]| over the window's autocorrelation; lag -24 is at y[0]."""
    peak = broadcast(0.0)
    for lag in range(0, _N_LAGS, _LAGS_AT_ONCE):
        # As many sums at once as leave registers for the rest.
        s0 = s1 = s2 = s3 = s4 = s5 = s6 = broadcast(0.0)
        for i in range(x.shape[0]):
            z = load(x, i)
            s0 += z * load(y, i + lag)
            s1 += z * load(y, i + lag + 1)
            s2 += z * load(y, i + lag + 2)
            s3 += z * load(y, i + lag + 3)
            s4 += z * load(y, i + lag + 4)
            s5 += z * load(y, i + lag + 5)
            s6 += z * load(y, i + lag + 6)
        for k, s in enumerate((s0, s1, s2, s3, s4, s5, s6)):
            covariance = s / window_correlation[abs(lag + k - MAX_SEGMENT_LAG)]
            peak = maximum(peak, maximum(covariance, 0.0 - covariance))
    store(largest, 0, peak)


@kernel
def _segment_covariance(
    workspace: CovarianceWorkspace,
    which: int,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    threshold_db: float,
    covariance: NDArray[np.float64],
    mean_square: NDArray[np.float64],
) -> None:
    """Covariance and mean square of a segment x, y with the first, inner or last window."""
    window, correlation = workspace.windows[which], workspace.window_correlations[which]
    largest, mean_squares = workspace.largest, workspace.mean_squares
    _apply_window(workspace, window, correlation[0], x, y)
    is_heard = False
    for band in range(WIDTH):
        mean_square[band] = mean_squares[0, band]
        is_heard |= np.sqrt(2.0 * mean_squares[0, band]) > threshold_db
    if not is_heard:
        return
    _largest_covariance(workspace.x[: x.shape[0]], workspace.y, correlation, largest)
    for band in range(WIDTH):
        square_x, square_y = mean_squares[0, band], mean_squares[1, band]
        if np.sqrt(2.0 * square_x) > threshold_db and square_x > TINY and square_y > TINY:
            covariance[band] = min(largest[0, band] / np.sqrt(square_x * square_y), 1.0)


@kernel
def covariance_hop(
    workspace: CovarianceWorkspace,
    hop: int,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    threshold_db: float,
    covariance: NDArray[np.float64],
    mean_square: NDArray[np.float64],
) -> None:
    """Covariance of the segments that end with a hop.

    Parameters
    ----------
    workspace : CovarianceWorkspace
        Scratch.
    hop : int
        Index of the hop.
    x, y : ndarray, shape (SEGMENT, WIDTH)
        Motions of the reference and the processed signal: the hop before, and the hop.
    threshold_db : float
        Level of x, sqrt(2 mean square) in dB SL, up to which its covariance counts for nothing.
    covariance, mean_square : ndarray, shape (WIDTH, Q)
        Results of all segments; covariances are 0 before.
    """
    n_segments = covariance.shape[1]
    for which in range(3):
        ends_here = hop == 0
        if which == 1:
            ends_here = 2 <= hop < n_segments
        elif which == 2:
            ends_here = hop == n_segments - 1
        if ends_here:
            first = 0 if which == 1 else HOP
            segment = hop - 1 if which == 1 else hop
            _segment_covariance(
                workspace,
                which,
                x[first:],
                y[first:],
                threshold_db,
                covariance[:, segment],
                mean_square[:, segment],
            )
