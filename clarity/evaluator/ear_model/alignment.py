"""Alignment of the whole signals in time, and removal of silence at the ends."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from clarity.evaluator.ear_model.constants import SAMPLE_RATE_HZ

_DISPERSION_S = 0.002
_SILENCE_RATIO = 0.001


def align_and_prune(
    reference: NDArray[np.float64], processed: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cut both signals to the same length, line them up and drop silent ends.

    The processed signal moves by the peak of the cross-correlation, less 2 ms that the dispersion
    of the cochlea may need. Ends where the reference stays below a thousandth of its peak go.

    Parameters
    ----------
    reference, processed : ndarray, shape (samples,)
        Signals at 24 kHz.

    Returns
    -------
    reference, processed : ndarray, shape (samples left,)
        Aligned signals; both are empty when the reference is silent.
    """
    n = min(reference.size, processed.size)
    reference, processed = reference[:n], processed[:n]
    delay = _delay(reference, processed) - round(_DISPERSION_S * SAMPLE_RATE_HZ)
    threshold = _SILENCE_RATIO * np.max(np.abs(reference))
    audible = np.abs(reference) > threshold
    if not audible.any():
        return reference[:0], reference[:0]
    first = int(np.argmax(audible))
    end = n - int(np.argmax(audible[::-1]))
    return reference[first:end], shifted(processed, delay, first, end)


def shifted(x: NDArray[np.float64], delay: int, first: int, end: int) -> NDArray[np.float64]:
    """Samples first + delay to end + delay of a signal that is 0 outside its ends."""
    y = np.zeros(end - first)
    start = max(first + delay, 0)
    stop = min(end + delay, x.size)
    if start < stop:
        y[start - delay - first : stop - delay - first] = x[start:stop]
    return y


def _delay(reference: NDArray[np.float64], processed: NDArray[np.float64]) -> int:
    """Lag d with the largest |sum r[n] p[n + d]|, means removed; of equal ones the last."""
    n = reference.size
    n_fft = fft.next_fast_len(2 * n - 1)
    r = reference - reference.mean()
    p = processed - processed.mean()
    spectrum = fft.rfft(p, n_fft)
    spectrum *= np.conj(fft.rfft(r, n_fft))
    correlation = np.abs(fft.irfft(spectrum, n_fft))
    by_lag = np.concatenate((correlation[n_fft - (n - 1) :], correlation[:n]))
    return (by_lag.size - 1 - int(np.argmax(by_lag[::-1]))) - (n - 1)
