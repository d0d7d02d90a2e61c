"""Compensation of the group delay: low bands respond later than high ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clarity.evaluator.ear_model.gammatone import ORDER, GammatoneFilters


def group_delay_samples(filters: GammatoneFilters) -> NDArray[np.int64]:
    """Group delay of each filter at its centre frequency, in whole samples, shape (n_bands,)."""
    delay = np.empty(filters.pole.size)
    for band, (numerator, denominator) in enumerate(
        zip(filters.numerator.T, filters.denominator.T, strict=True)
    ):
        # d(phase)/d(frequency) at 0 Hz of B/A is that of the FIR filter B * reversed A,
        # less the order of A. Poles this close to 1 leave an error of 1e-4 samples, and the
        # published scores round the value that has it.
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
