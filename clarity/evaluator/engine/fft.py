"""Fourier transform of `WIDTH` bands at once.

A radix-4 transform (decimation in frequency, Gentleman & Sande 1966) on arrays of shape
(points, WIDTH); when the number of points is no power of 4, a radix-2 stage comes first. It works
in place and leaves bin k in row `Transform.row_of_bin[k]`.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clarity.evaluator.engine.jit import kernel
from clarity.evaluator.engine.vector import Vector, load, store

# Rows of the sub-transforms that run to their end one after the other: as many as stay in the
# first-level cache.
_CACHED_ROWS = 256


class Transform(NamedTuple):
    """Tables of a transform.

    Attributes
    ----------
    row_of_bin : ndarray of int64, shape (n,)
        Row that holds each bin: its index with the digits in reverse.
    halves : ndarray, shape (n / 2, 2)
        Cosines and sines of -2 pi j / n.
    quarters : ndarray, shape (rows, 6)
        Of each span of 4, 16, ... rows, one after the other, cosine and sine of -2 pi j / span, of
        twice and of three times that, for j < span / 4: in the order in which they are read.
    """

    row_of_bin: NDArray[np.int64]
    halves: NDArray[np.float64]
    quarters: NDArray[np.float64]


@cache
def transform(n: int) -> Transform:
    """Tables for n points, a power of 2 from `_CACHED_ROWS` on."""
    rest, rows, span = np.arange(n), np.zeros(n, np.int64), n
    while span > 1:
        radix = 2 if span == n and n.bit_length() % 2 == 0 else 4
        span //= radix
        rows += span * (rest % radix)
        rest //= radix
    spans = [4**k for k in range(1, n.bit_length()) if 4**k <= n]
    quarters = [_twiddles(np.outer(np.arange(span // 4) / span, [1, 2, 3])) for span in spans]
    return Transform(
        rows, _twiddles(np.arange(n // 2) / n), np.concatenate(quarters).reshape(-1, 6)
    )


def _twiddles(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cosines and sines of -2 pi times a share of a circle, along a last axis."""
    return np.stack((np.cos(-2.0 * np.pi * share), np.sin(-2.0 * np.pi * share)), axis=-1)


@kernel
def _times(re: Vector, im: Vector, c: float, s: float) -> tuple[Vector, Vector]:
    """(re + j im) (c + j s)."""
    return c * re - s * im, c * im + s * re


@kernel
def _halve(re: NDArray[np.float64], im: NDArray[np.float64], halves: NDArray[np.float64]) -> None:
    """Radix-2 stage: the two halves become two signals."""
    half = re.shape[0] // 2
    for i in range(half):
        a_re, a_im = load(re, i), load(im, i)
        b_re, b_im = load(re, i + half), load(im, i + half)
        x_re, x_im = _times(a_re - b_re, a_im - b_im, halves[i, 0], halves[i, 1])
        store(re, i, a_re + b_re)
        store(im, i, a_im + b_im)
        store(re, i + half, x_re)
        store(im, i + half, x_im)


@kernel
def _quarter(
    re: NDArray[np.float64],
    im: NDArray[np.float64],
    quarters: NDArray[np.float64],
    first: int,
    span: int,
    n_spans: int,
) -> None:
    """Radix-4 stage of `n_spans` times `span` rows: four quarters of each become four signals."""
    quarter = span // 4
    twiddles = quarters[(quarter - 1) // 3 :]  # behind 1 + 4 + 16 + ... rows of shorter spans
    for j in range(quarter):
        c1, s1, c2 = twiddles[j, 0], twiddles[j, 1], twiddles[j, 2]
        s2, c3, s3 = twiddles[j, 3], twiddles[j, 4], twiddles[j, 5]
        for block in range(n_spans):
            i0 = first + block * span + j
            i1, i2, i3 = i0 + quarter, i0 + 2 * quarter, i0 + 3 * quarter
            a_re, a_im = load(re, i0), load(im, i0)
            b_re, b_im = load(re, i1), load(im, i1)
            c_re, c_im = load(re, i2), load(im, i2)
            d_re, d_im = load(re, i3), load(im, i3)
            ac_re, ac_im = a_re + c_re, a_im + c_im
            bd_re, bd_im = b_re + d_re, b_im + d_im
            even_re, even_im = a_re - c_re, a_im - c_im
            odd_re, odd_im = b_im - d_im, d_re - b_re  # -j (b - d)
            x1_re, x1_im = _times(even_re + odd_re, even_im + odd_im, c1, s1)
            x2_re, x2_im = _times(ac_re - bd_re, ac_im - bd_im, c2, s2)
            x3_re, x3_im = _times(even_re - odd_re, even_im - odd_im, c3, s3)
            store(re, i0, ac_re + bd_re)
            store(im, i0, ac_im + bd_im)
            store(re, i1, x1_re)
            store(im, i1, x1_im)
            store(re, i2, x2_re)
            store(im, i2, x2_im)
            store(re, i3, x3_re)
            store(im, i3, x3_im)


@kernel
def forward(re: NDArray[np.float64], im: NDArray[np.float64], tables: Transform) -> None:
    """Transform `re` + j `im`, in place.

    Parameters
    ----------
    re, im : ndarray, shape (n, WIDTH)
        Signals; become their spectra, bins in the order of `Transform.row_of_bin`.
    tables : Transform
        Tables for n points.
    """
    largest_span = 1
    while 4 * largest_span <= re.shape[0]:
        largest_span *= 4
    if largest_span < re.shape[0]:
        _halve(re, im, tables.halves)
    for first in range(0, re.shape[0], _CACHED_ROWS):
        span = largest_span
        while span > _CACHED_ROWS:
            if first % span == 0:
                _quarter(re, im, tables.quarters, first, span, 1)
            span //= 4
        while span >= 4:
            _quarter(re, im, tables.quarters, first, span, _CACHED_ROWS // span)
            span //= 4
