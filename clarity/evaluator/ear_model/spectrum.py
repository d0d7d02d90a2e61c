"""Average spectrum in dB above threshold (Kates & Arehart 2010)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clarity.evaluator.ear_model.compression import gain_curve
from clarity.evaluator.ear_model.hearing_loss import HearingLoss
from clarity.evaluator.ear_model.levels import level_db


def average_spectrum_db(
    envelope_rms: NDArray[np.float64],
    control_rms: NDArray[np.float64],
    loss: HearingLoss,
    level1: float,
) -> NDArray[np.float64]:
    """Average level of each band in dB SL, after the compression and the hearing loss.

    Parameters
    ----------
    envelope_rms, control_rms : ndarray, shape (n_bands,)
        RMS over the whole signal of the main and of the control envelope, before the compression.
    loss : HearingLoss
        Parameters of the cochlea.
    level1 : float
        Level in dB SPL of a signal with an RMS of 1.

    Returns
    -------
    ndarray, shape (n_bands,)
        Levels in dB SL, 0 below threshold.
    """
    gain_db = gain_curve(loss).gain_db(level_db(control_rms, level1)) - loss.ihc_db
    return np.maximum(np.maximum(level_db(envelope_rms, level1), 0.0) + gain_db, 0.0)
