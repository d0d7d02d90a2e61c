"""Fourier transform of four bands at once.

A radix-4 transform of `N_FFT` complex points (decimation in frequency, Gentleman & Sande 1966) on
arrays of shape (N_FFT, 4). It works in place and leaves the bins in digit-reversed order: bin k
lies in row `DIGIT_REVERSED[k]`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clarity.evaluator.ear_model.jit import inlined, kernel
from clarity.evaluator.ear_model.lanes import Lanes, add, load, scale, store, sub

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
) -> None:
    """One stage on `span` rows: four quarters become four signals of a quarter the length."""
    quarter = span // 4
    stride = N_FFT // span
    cosine, sine = twiddles[0], twiddles[1]
    for j in range(quarter):
        i0 = first + j
        i1, i2, i3 = i0 + quarter, i0 + 2 * quarter, i0 + 3 * quarter
        a_re, a_im = load(re, i0), load(im, i0)
        b_re, b_im = load(re, i1), load(im, i1)
        c_re, c_im = load(re, i2), load(im, i2)
        d_re, d_im = load(re, i3), load(im, i3)
        ac_re, ac_im = add(a_re, c_re), add(a_im, c_im)
        bd_re, bd_im = add(b_re, d_re), add(b_im, d_im)
        even_re, even_im = sub(a_re, c_re), sub(a_im, c_im)
        odd_re, odd_im = sub(b_im, d_im), sub(d_re, b_re)  # -j (b - d)
        store(re, i0, add(ac_re, bd_re))
        store(im, i0, add(ac_im, bd_im))
        w = j * stride
        y_re, y_im = _twist(add(even_re, odd_re), add(even_im, odd_im), cosine[w], sine[w])
        store(re, i1, y_re)
        store(im, i1, y_im)
        y_re, y_im = _twist(sub(ac_re, bd_re), sub(ac_im, bd_im), cosine[2 * w], sine[2 * w])
        store(re, i2, y_re)
        store(im, i2, y_im)
        y_re, y_im = _twist(sub(even_re, odd_re), sub(even_im, odd_im), cosine[3 * w], sine[3 * w])
        store(re, i3, y_re)
        store(im, i3, y_im)


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
    span = N_FFT
    while span > _CACHED_ROWS:
        for first in range(0, N_FFT, span):
            _butterflies(re, im, twiddles, first, span)
        span //= 4
    for block in range(0, N_FFT, _CACHED_ROWS):
        span = _CACHED_ROWS
        while span >= 4:
            for first in range(block, block + _CACHED_ROWS, span):
                _butterflies(re, im, twiddles, first, span)
            span //= 4
