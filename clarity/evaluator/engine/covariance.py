"""Covariance of basilar-membrane motion; equals `ear_model.covariance.segment_covariance`.

Only where the reference is below the threshold, which counts for nothing, the covariance stays 0.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
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
    HAS_AVX512,
    INT,
    ROW,
    WIDTH,
    aligned_zeros,
    broadcast,
    load,
    maximum,
    operation,
    row_pointer,
    store,
)

_N_LAGS = 2 * MAX_SEGMENT_LAG + 1
_LAGS_AT_ONCE = 25 if HAS_AVX512 else 10
"""As many sums as leave registers for the rest, of which processors with AVX-512 have 32."""


class CovarianceWorkspace(NamedTuple):
    """Windows, and scratch for the segments of `WIDTH` bands.

    Attributes
    ----------
    windows, inverse_correlations : ndarray, shapes (3, SEGMENT) and (3, 25)
        See `ear_model.covariance`.
    x, y : ndarray, shapes (SEGMENT, WIDTH) and (SEGMENT + 49, WIDTH)
        Windowed segments; that of the processed signal between zeros.
    sums : ndarray, shape (50, WIDTH)
        Sums of products at all lags.
    largest : ndarray, shape (1, WIDTH)
        Largest covariance.
    mean_squares : ndarray, shape (2, WIDTH)
        Mean squares of the segments.
    """

    windows: NDArray[np.float64]
    inverse_correlations: NDArray[np.float64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    sums: NDArray[np.float64]
    largest: NDArray[np.float64]
    mean_squares: NDArray[np.float64]


def covariance_workspace() -> CovarianceWorkspace:
    """Buffers for one thread."""
    windows = segment_windows()
    return CovarianceWorkspace(
        windows=windows,
        inverse_correlations=1.0 / window_correlations(windows),
        x=aligned_zeros(SEGMENT, WIDTH),
        y=aligned_zeros(SEGMENT + _N_LAGS, WIDTH),
        sums=aligned_zeros(_N_LAGS + 1, WIDTH),
        largest=aligned_zeros(1, WIDTH),
        mean_squares=aligned_zeros(2, WIDTH),
    )


@kernel
def _apply_window(
    workspace: CovarianceWorkspace,
    window: NDArray[np.float64],
    inverse_energy: float,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
) -> None:
    """Put both segments, times the window and less their means, and mean squares into place."""
    n_samples = x.shape[0]
    segment_x, segment_y = workspace.x, workspace.y[MAX_SEGMENT_LAG:]
    sum_x = sum_y = odd_sum_x = odd_sum_y = broadcast(0.0)
    for i in range(0, n_samples, 2):  # two sums of each, which do not wait for one another
        sum_x += window[i] * load(x, i)
        sum_y += window[i] * load(y, i)
        odd_sum_x += window[i + 1] * load(x, i + 1)
        odd_sum_y += window[i + 1] * load(y, i + 1)
    mean_x = (sum_x + odd_sum_x) / np.float64(n_samples)
    mean_y = (sum_y + odd_sum_y) / np.float64(n_samples)
    energy_x = energy_y = broadcast(0.0)
    for i in range(n_samples):
        deviation_x = window[i] * load(x, i) - mean_x
        deviation_y = window[i] * load(y, i) - mean_y
        store(segment_x, i, deviation_x)
        store(segment_y, i, deviation_y)
        energy_x += deviation_x * deviation_x
        energy_y += deviation_y * deviation_y
    for i in range(n_samples, n_samples + MAX_SEGMENT_LAG):
        store(segment_y, i, broadcast(0.0))
    store(workspace.mean_squares, 0, energy_x * inverse_energy)
    store(workspace.mean_squares, 1, energy_y * inverse_energy)


@operation
def _add_products(typing: Any, totals: Any, x: Any, next_x: Any, y: Any, first: Any) -> Any:
    """Add to totals, or to None, the products of two samples and the rows of y from `first` on.

    The next sample meets each lag a row later, so that nearly all rows serve both.
    """

    def lower(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        totals, x, next_x, y, first = args
        sums = [ir.Constant(x.type, [0.0] * WIDTH)] * _LAGS_AT_ONCE
        if sig.args[0] is not types.none:
            sums = cgutils.unpack_tuple(builder, totals)
        for k in range(_LAGS_AT_ONCE + 1):
            row = row_pointer(context, builder, sig.args[3], y, builder.add(first, INT(k)))
            z = builder.load(row, align=8 * WIDTH)
            if k > 0:
                sums[k - 1] = builder.fadd(sums[k - 1], builder.fmul(next_x, z))
            if k < _LAGS_AT_ONCE:
                sums[k] = builder.fadd(sums[k], builder.fmul(x, z))
        return context.make_tuple(builder, sig.return_type, sums)

    return types.UniTuple(ROW, _LAGS_AT_ONCE)(totals, x, x, y, types.intp), lower


@kernel
def _largest_covariance(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    inverse_correlation: NDArray[np.float64],
    sums: NDArray[np.float64],
    largest: NDArray[np.float64],
) -> None:
    """Largest |sum x[n] y[n + lag]| over the window's autocorrelation; lag -24 is at y[0]."""
    for first in range(0, _N_LAGS, _LAGS_AT_ONCE):
        totals = _add_products(None, load(x, 0), load(x, 1), y, first)
        for i in range(2, x.shape[0], 2):
            totals = _add_products(totals, load(x, i), load(x, i + 1), y, first + i)
        for k, total in enumerate(totals):
            store(sums, first + k, total)
    peak = broadcast(0.0)
    for i in range(_N_LAGS):
        covariance = load(sums, i) * inverse_correlation[abs(i - MAX_SEGMENT_LAG)]
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
    window, correlation = workspace.windows[which], workspace.inverse_correlations[which]
    largest, mean_squares = workspace.largest, workspace.mean_squares
    _apply_window(workspace, window, correlation[0], x, y)
    is_heard = False
    for band in range(WIDTH):
        mean_square[band] = mean_squares[0, band]
        is_heard |= np.sqrt(2.0 * mean_squares[0, band]) > threshold_db
    if not is_heard:
        return
    _largest_covariance(
        workspace.x[: x.shape[0]], workspace.y, correlation, workspace.sums, largest
    )
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
