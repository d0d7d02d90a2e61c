"""Alignment of the two signals in each band, after the compression (Kates 2013).

Envelope and motion of the basilar membrane are lined up on their own. Unlike the whole signals they
keep their means and their sign: the peak is that of the cross-correlation itself.
"""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import NDArray

from clarity.evaluator.ear_model.alignment import shifted

MAX_LAG = 2400
"""Largest shift between the two signals that is put right in a band: 100 ms (pyClarity)."""


def band_lags(reference: NDArray[np.float64], processed: NDArray[np.float64]) -> NDArray[np.int64]:
    """Lag D of each band that maximises sum r[n] p[n + D], -L <= D < L.

    Parameters
    ----------
    reference, processed : ndarray, shape (n_bands, samples)
        Compressed envelopes, or compressed motions.

    Returns
    -------
    ndarray of int64, shape (n_bands,)
        Lags in samples; of equal maxima the last one. L is `MAX_LAG`, or the length of a signal
        that is shorter than that.
    """
    n = reference.shape[-1]
    longest = min(MAX_LAG, n)
    n_fft = scipy.fft.next_fast_len(n + longest, real=True)
    spectrum = np.conj(scipy.fft.rfft(reference, n_fft)) * scipy.fft.rfft(processed, n_fft)
    correlation = scipy.fft.irfft(spectrum, n_fft)
    lags = np.arange(longest - 1, -longest - 1 if n > MAX_LAG else -longest, -1)
    lag: NDArray[np.int64] = lags[np.argmax(correlation[..., lags], axis=-1)]
    return lag


def align_bands(
    reference: NDArray[np.float64], processed: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Move each band of the processed signal by its lag.

    Parameters
    ----------
    reference, processed : ndarray, shape (n_bands, samples)
        Compressed envelopes, or compressed motions.

    Returns
    -------
    ndarray, shape (n_bands, samples)
        The processed signal p[n + D], 0 outside its ends.
    """
    lags = band_lags(reference, processed)
    return np.stack(
        [shifted(y, int(lag), 0, y.size) for y, lag in zip(processed, lags, strict=True)]
    )
