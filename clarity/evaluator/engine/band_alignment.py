"""Delay between the two signals in a band: the peak of their cross-correlation within +-100 ms.

The signals pass by once. Their cross-spectra are summed frame by frame, and one inverse transform
at the end gives the correlation at all lags. A frame holds `FRAME_STEP` samples of the reference
and the same stretch of the processed signal with `LEAD` samples more on either side, so that the
circular correlation of the frame is the linear one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clarity.evaluator.ear_model.band_alignment import MAX_LAG
from clarity.evaluator.engine.constants import HOP, LANES
from clarity.evaluator.engine.jit import kernel
from clarity.evaluator.engine.lane_fft import DIGIT_REVERSED, N_FFT, forward
from clarity.evaluator.engine.lanes import add, load, load_flat, mul, power, scale, store, sub

LEAD = HOP * -(-MAX_LAG // HOP)
"""Samples of the processed signal around those of the reference: `MAX_LAG` in whole hops."""

FRAME_STEP = HOP * ((N_FFT - 2 * LEAD) // HOP)
"""Samples of the reference in a frame."""

N_BINS = N_FFT // 2 + 1

ROW_OF_BIN = DIGIT_REVERSED


def _mirrored_rows() -> NDArray[np.int64]:
    """Rows of the bins k and -k, shape (N_BINS, 2), in the order in which they lie in memory."""
    rows = np.arange(N_FFT)
    bin_of_row = np.argsort(ROW_OF_BIN)
    mirrored = ROW_OF_BIN[-bin_of_row % N_FFT]
    return np.stack((rows, mirrored), axis=1)[rows <= mirrored]


MIRRORED_ROWS = _mirrored_rows()
BIN_OF_PAIR = np.argsort(ROW_OF_BIN)[MIRRORED_ROWS[:, 0]]


@kernel
def add_cross_spectrum(
    re: NDArray[np.float64],
    im: NDArray[np.float64],
    mirrored_rows: NDArray[np.int64],
    spectrum: NDArray[np.float64],
) -> None:
    """Add the cross-spectrum of two real signals that were transformed as one complex signal.

    With Z the transform of r + j p, four times conj(R) P is
    2 Im(Z[k] Z[-k]) - j (|Z[k]|^2 - |Z[-k]|^2).

    Parameters
    ----------
    re, im : ndarray, shape (N_FFT, 4)
        Z, as `forward` leaves it.
    mirrored_rows : ndarray, shape (N_BINS, 2)
        `MIRRORED_ROWS`.
    spectrum : ndarray, shape (2 * N_BINS, 4)
        Sum; real and imaginary parts in turn, bins in the order of `MIRRORED_ROWS`.
    """
    re_flat, im_flat = re.reshape(-1), im.reshape(-1)
    for k in range(N_BINS):
        i, j = mirrored_rows[k, 0], mirrored_rows[k, 1]
        a_re, a_im = load_flat(re_flat, i), load_flat(im_flat, i)
        b_re, b_im = load_flat(re_flat, j), load_flat(im_flat, j)
        product_im = add(mul(a_re, b_im), mul(a_im, b_re))
        difference = sub(power(b_re, b_im), power(a_re, a_im))
        store(spectrum, 2 * k, add(load(spectrum, 2 * k), scale(2.0, product_im)))
        store(spectrum, 2 * k + 1, add(load(spectrum, 2 * k + 1), difference))


@kernel
def correlation_peaks(
    envelope_spectrum: NDArray[np.float64],
    motion_spectrum: NDArray[np.float64],
    bin_of_pair: NDArray[np.int64],
    row_of_bin: NDArray[np.int64],
    twiddles: NDArray[np.float64],
    n_samples: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Lags of the largest correlation.

    Parameters
    ----------
    envelope_spectrum, motion_spectrum : ndarray, shape (2 * N_BINS, 4)
        Sums of cross-spectra.
    bin_of_pair, row_of_bin, twiddles : ndarray
        `BIN_OF_PAIR` and tables of the transform.
    n_samples : int
        Length of the signals; shorter than `MAX_LAG`, it bounds the lags.

    Returns
    -------
    envelope_lag, motion_lag : ndarray, shape (4,)
        D that maximises sum r[n] p[n + D], -L <= D < L; of equal maxima the last.
    """
    # The inverse of W is the forward transform, read backwards. Both correlations are real, so one
    # transform of W_envelope + j W_motion gives them as its real and imaginary parts.
    re = np.empty((N_FFT, LANES))
    im = np.empty((N_FFT, LANES))
    for k in range(N_BINS):
        i = bin_of_pair[k]
        mirrored = (N_FFT - i) % N_FFT
        for lane in range(LANES):
            e_re, e_im = envelope_spectrum[2 * k, lane], envelope_spectrum[2 * k + 1, lane]
            m_re, m_im = motion_spectrum[2 * k, lane], motion_spectrum[2 * k + 1, lane]
            re[mirrored, lane] = e_re + m_im
            im[mirrored, lane] = m_re - e_im
            re[i, lane] = e_re - m_im
            im[i, lane] = e_im + m_re
    forward(re, im, twiddles)
    return (
        _peak(re, row_of_bin, n_samples),
        _peak(im, row_of_bin, n_samples),
    )


@kernel
def _peak(
    correlation: NDArray[np.float64], row_of_bin: NDArray[np.int64], n_samples: int
) -> NDArray[np.int64]:
    """Lag of the maximum of each lane of a correlation that `forward` left read backwards."""
    last = min(MAX_LAG, n_samples) - 1
    first = -MAX_LAG if n_samples > MAX_LAG else -last
    peak_lag = np.full(LANES, last)
    for lane in range(LANES):
        highest = -np.inf
        for lag in range(first, last + 1):
            value = correlation[row_of_bin[(N_FFT - LEAD - lag) % N_FFT], lane]
            if value >= highest:
                highest = value
                peak_lag[lane] = lag
    return peak_lag
