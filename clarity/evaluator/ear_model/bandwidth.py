"""Auditory filters widen with the level of the sound (Baker & Rosen 2006, Kates 2013)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LOW_LEVEL_DB = 50.0
"""Level in dB SPL up to which a filter is as narrow as its hearing loss allows (Kates 2013)."""

HIGH_LEVEL_DB = 100.0
"""Level in dB SPL from which a filter is as wide as without outer hair cells (Kates 2013)."""


def bandwidth_at_level(
    level_db: NDArray[np.float64],
    min_bandwidth: NDArray[np.float64],
    max_bandwidth: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Bandwidth of each filter, growing in proportion to the level of its control filter.

    Parameters
    ----------
    level_db : ndarray, shape (n_bands,)
        RMS level of the control envelope over the whole signal in dB SPL.
    min_bandwidth, max_bandwidth : ndarray, shape (n_bands,)
        Limits relative to normal hearing, see `hearing_loss`.

    Returns
    -------
    ndarray, shape (n_bands,)
        Bandwidths relative to normal hearing, constant in time.
    """
    ratio = np.clip((level_db - LOW_LEVEL_DB) / (HIGH_LEVEL_DB - LOW_LEVEL_DB), 0.0, 1.0)
    return min_bandwidth + ratio * (max_bandwidth - min_bandwidth)
