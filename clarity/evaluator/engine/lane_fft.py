"""Fourier transform of four bands at once.

A radix-4 transform of `N_FFT` complex points (decimation in frequency, Gentleman & Sande 1966) on
arrays of shape (N_FFT, 4). It works in place and leaves the bins in digit-reversed order: bin k
lies in row `DIGIT_REVERSED[k]`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clarity.evaluator.engine.jit import inlined, kernel
from clarity.evaluator.engine.lanes import Lanes, add, load_flat, scale, store_flat, sub

N_STAGES = 7
N_FFT = 4**N_STAGES

# Rows of the sub-transforms that run to their end one after the other: as many as stay in the
# first-level cache.
_CACHED_ROWS = 256


def _digit_reversed() -> NDArray[np.int64]:
    """Row of every bin: its index with the base-4 digits in reverse."""
    bins = np.arange(N_FFT)
    rows = np.zeros_like(bins)
    for _ in range(N_STAGES):
        rows = rows * 4 + bins % 4
        bins //= 4
    return rows


DIGIT_REVERSED = _digit_reversed()
TWIDDLES = np.stack(
    (
        np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT),
        -np.sin(2 * np.pi * np.arange(N_FFT) / N_FFT),
    )
)


@inlined
def _twist(re: Lanes, im: Lanes, c: float, s: float) -> tuple[Lanes, Lanes]:
    """(re + j im) (c + j s)."""
    return sub(scale(c, re), scale(s, im)), add(scale(c, im), scale(s, re))


@kernel
def _butterflies(
    re: NDArray[np.float64],
    im: NDArray[np.float64],
    twiddles: NDArray[np.float64],
    first: int,
    span: int,
    n_spans: int,
) -> None:
    """One stage on `n_spans` times `span` rows: in each span, four quarters become four signals."""
    quarter = span // 4
    stride = N_FFT // span
    cosine, sine = twiddles[0], twiddles[1]
    for j in range(quarter):
        w1, w2, w3 = np.uint64(j * stride), np.uint64(2 * j * stride), np.uint64(3 * j * stride)
        c1, c2, c3 = cosine[w1], cosine[w2], cosine[w3]
        s1, s2, s3 = sine[w1], sine[w2], sine[w3]
        for block in range(n_spans):
            i0 = first + block * span + j
            i1, i2, i3 = i0 + quarter, i0 + 2 * quarter, i0 + 3 * quarter
            a_re, a_im = load_flat(re, i0), load_flat(im, i0)
            b_re, b_im = load_flat(re, i1), load_flat(im, i1)
            c_re, c_im = load_flat(re, i2), load_flat(im, i2)
            d_re, d_im = load_flat(re, i3), load_flat(im, i3)
            ac_re, ac_im = add(a_re, c_re), add(a_im, c_im)
            bd_re, bd_im = add(b_re, d_re), add(b_im, d_im)
            even_re, even_im = sub(a_re, c_re), sub(a_im, c_im)
            odd_re, odd_im = sub(b_im, d_im), sub(d_re, b_re)  # -j (b - d)
            x1_re, x1_im = _twist(add(even_re, odd_re), add(even_im, odd_im), c1, s1)
            x2_re, x2_im = _twist(sub(ac_re, bd_re), sub(ac_im, bd_im), c2, s2)
            x3_re, x3_im = _twist(sub(even_re, odd_re), sub(even_im, odd_im), c3, s3)
            store_flat(re, i0, add(ac_re, bd_re))
            store_flat(im, i0, add(ac_im, bd_im))
            store_flat(re, i1, x1_re)
            store_flat(im, i1, x1_im)
            store_flat(re, i2, x2_re)
            store_flat(im, i2, x2_im)
            store_flat(re, i3, x3_re)
            store_flat(im, i3, x3_im)


@kernel
def forward(
    re: NDArray[np.float64], im: NDArray[np.float64], twiddles: NDArray[np.float64]
) -> None:
    """Transform `re` + j `im`, both of shape (N_FFT, 4), in place.

    Parameters
    ----------
    re, im : ndarray, shape (N_FFT, 4)
        Signals of four bands; become their spectra, bins in digit-reversed order.
    twiddles : ndarray, shape (2, N_FFT)
        `TWIDDLES`.
    """
    re_flat, im_flat = re.reshape(-1), im.reshape(-1)
    span = N_FFT
    while span > _CACHED_ROWS:
        for first in range(0, N_FFT, span):
            _butterflies(re_flat, im_flat, twiddles, first, span, 1)
        span //= 4
    for block in range(0, N_FFT, _CACHED_ROWS):
        span = _CACHED_ROWS
        while span >= 4:
            _butterflies(re_flat, im_flat, twiddles, block, span, _CACHED_ROWS // span)
            span //= 4
