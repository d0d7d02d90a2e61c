"""Compensation of the group delay: low bands respond later than high ones (Kates 2013).

Listeners hear the bands of a click at one time though the cochlea does not deliver them so
(Wojtczak et al. 2012).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clarity.evaluator.ear_model.gammatone import ORDER, GammatoneFilters


def group_delay_samples(filters: GammatoneFilters) -> NDArray[np.int64]:
    """Group delay of each filter at its centre frequency, in whole samples, shape (n_bands,)."""
    delay = np.empty(filters.pole.size)
    for band, a in enumerate(filters.pole):
        # d(phase)/d(frequency) at 0 Hz of B/A is that of the FIR filter B * reversed A,
        # less the order of A. Poles this close to 1 leave an error of 1e-4 samples, and the
        # published scores round the value that has it: the order of the products matters.
        numerator = [1.0, 4.0 * a, 4.0 * a * a]
        denominator = [1.0, -4.0 * a, 6.0 * a * a, -4.0 * a * a * a, a * a * a * a]
        product = np.convolve(numerator, denominator[::-1])
        delay[band] = np.arange(product.size) @ product / product.sum()
    return np.rint(delay - ORDER).astype(np.int64)


def band_delays(filters: GammatoneFilters) -> NDArray[np.int64]:
    """Delays that give all bands the group delay of the slowest.

    Parameters
    ----------
    filters : GammatoneFilters
        Main filters of the reference, whose delays hold for both signals.

    Returns
    -------
    ndarray of int64, shape (n_bands,)
        Delays in samples.
    """
    group_delay = group_delay_samples(filters)
    delay: NDArray[np.int64] = group_delay.max() - group_delay
    return delay


def compensate_group_delay(
    x: NDArray[np.float64], delays: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Delay each band.

    Parameters
    ----------
    x : ndarray, shape (n_bands, samples)
        Firing rates, or motions of the basilar membrane.
    delays : ndarray of int64, shape (n_bands,)
        Delays from `band_delays`.

    Returns
    -------
    ndarray, shape (n_bands, samples)
        Delayed bands, 0 before their first sample; the last samples are dropped.
    """
    y = np.zeros_like(x)
    for delayed, band, delay in zip(y, x, delays, strict=True):
        delayed[delay:] = band[: band.size - delay]
    return y
