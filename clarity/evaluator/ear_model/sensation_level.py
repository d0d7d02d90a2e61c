"""Envelopes in decibels above the threshold of hearing, dB SL (Kates 2013)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clarity.evaluator.ear_model.constants import TINY


def sensation_level(
    envelope: NDArray[np.float64],
    motion: NDArray[np.float64],
    ihc_db: NDArray[np.float64],
    level1: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Level of the envelope above threshold: max(0, level1 - IHC + 20 log10 e).

    The motion of the basilar membrane takes on this level as its amplitude.

    Parameters
    ----------
    envelope, motion : ndarray, shape (n_bands, samples)
        Compressed envelope e and motion.
    ihc_db : ndarray, shape (n_bands,)
        Attenuation by lost inner hair cells.
    level1 : float
        Level in dB SPL of a signal with an RMS of 1.

    Returns
    -------
    level, motion : ndarray, shape (n_bands, samples)
        Both in dB SL, the motion swinging between plus and minus the level.
    """
    full_scale_db = level1 - ihc_db[:, np.newaxis]
    level = np.maximum(full_scale_db + 20.0 * np.log10(envelope + TINY), 0.0)
    return level, motion * ((level + TINY) / (envelope + TINY))
