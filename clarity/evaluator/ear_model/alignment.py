"""Alignment of the whole signals in time, and removal of silence at the ends (Kates 2013).

A hearing aid delays. The processed signal is moved by the peak of the cross-covariance, less 2 ms
that the dispersion of the cochlea may need; what is left is put right band by band later on.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy
from numpy.typing import NDArray

DISPERSION_SAMPLES = 48
"""Samples by which the processed signal is left late: 2 ms at 24 kHz (pyClarity)."""

SILENCE_RATIO = 0.001
"""Fraction of the reference's peak up to which its ends count as silence: -60 dB (pyClarity)."""


def bulk_delay(reference: NDArray[np.float64], processed: NDArray[np.float64]) -> int:
    """Delay d of the processed signal that maximises |sum r[n] p[n + d]|, means removed.

    Parameters
    ----------
    reference, processed : ndarray, shape (samples,)
        Signals at 24 kHz, of one length.

    Returns
    -------
    int
        Delay in samples; of equal maxima the last one.
    """
    n = reference.size
    n_fft = scipy.fft.next_fast_len(2 * n - 1, real=True)
    spectrum = np.conj(scipy.fft.rfft(reference - reference.mean(), n_fft))
    spectrum *= scipy.fft.rfft(processed - processed.mean(), n_fft)
    covariance = scipy.fft.irfft(spectrum, n_fft)
    falling = np.abs(np.concatenate((covariance[n - 1 :: -1], covariance[:-n:-1])))
    return n - 1 - int(np.argmax(falling))


def audible_span(reference: NDArray[np.float64]) -> slice:
    """Find what is between the ends where a signal stays below a thousandth of its peak.

    Parameters
    ----------
    reference : ndarray, shape (samples,)
        Reference at 24 kHz, as long as the processed signal.

    Returns
    -------
    slice
        Empty when the reference is silent.
    """
    threshold = SILENCE_RATIO * max(reference.max(), -reference.min())
    audible = (reference > threshold) | (reference < -threshold)
    if not audible.any():
        return slice(0, 0)
    return slice(int(np.argmax(audible)), reference.size - int(np.argmax(audible[::-1])))


def shifted(x: NDArray[np.float64], delay: int, first: int, end: int) -> NDArray[np.float64]:
    """Take samples first + delay to end + delay of a signal that is 0 outside its ends."""
    y = np.zeros(end - first)
    start = max(first + delay, 0)
    stop = min(end + delay, x.size)
    if start < stop:
        y[start - delay - first : stop - delay - first] = x[start:stop]
    return y


def align_and_prune(
    reference: NDArray[np.float64],
    processed: NDArray[np.float64],
    span: slice,
    find_delay: Callable[[NDArray[np.float64], NDArray[np.float64]], int] = bulk_delay,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Line the processed signal up with the reference and drop silent ends.

    Where either signal is constant, the covariance is 0 at all delays and has no peak. Its last
    delay is taken then, samples - 1, as in published scores (where the rounding of a mean does not
    decide): little is left of the processed signal, and its score is low.

    Parameters
    ----------
    reference, processed : ndarray, shape (samples,)
        Signals at 24 kHz, of one length.
    span : slice
        What is to be left, see `audible_span`.
    find_delay : callable
        `bulk_delay`, or what computes the same.

    Returns
    -------
    reference, processed : ndarray, shape (samples left,)
        Aligned signals.
    """
    constant = any(x.min() == x.max() for x in (reference, processed))
    delay = reference.size - 1 if constant else find_delay(reference, processed)
    delay -= DISPERSION_SAMPLES
    return reference[span], shifted(processed, delay, span.start, span.stop)
