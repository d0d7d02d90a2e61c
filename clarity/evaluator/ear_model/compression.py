"""Dynamic-range compression by the outer hair cells.

The level of the control envelope sets a gain, sample by sample; the gain follows it with the
sluggishness of a first-order low-pass at 800 Hz (Zhang et al. 2001). Because the control filter is
wider than the main one, sound beside a band turns its gain down: two-tone suppression (Kates 2013).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from clarity.evaluator.ear_model.constants import SAMPLE_RATE_HZ
from clarity.evaluator.ear_model.hearing_loss import UPPER_KNEE_DB, HearingLoss
from clarity.evaluator.ear_model.levels import level_db

GAIN_LOW_PASS_HZ = 800.0
"""Bandwidth of the gain: outer hair cells are not infinitely fast (Zhang et al. 2001)."""


@dataclass(frozen=True)
class GainCurve:
    """Gain of the outer hair cells over the level: constant, falling in a line, constant.

    Attributes
    ----------
    lower_knee_db : ndarray, shape (n_bands,)
        Level in dB SPL from which the gain falls.
    upper_knee_db : float
        Level in dB SPL up to which it falls.
    gain_at_lower_knee_db : ndarray, shape (n_bands,)
        Gain in dB up to the lower knee.
    slope : ndarray, shape (n_bands,)
        Gain that is lost per dB of level between the knees.
    """

    lower_knee_db: NDArray[np.float64]
    upper_knee_db: float
    gain_at_lower_knee_db: NDArray[np.float64]
    slope: NDArray[np.float64]

    def gain_db(self, level_db: NDArray[np.float64]) -> NDArray[np.float64]:
        """Gain in dB at levels in dB SPL, both of shape (n_bands,) or (n_bands, samples)."""
        above_knee_db = np.clip(level_db.T, self.lower_knee_db, self.upper_knee_db)
        above_knee_db -= self.lower_knee_db
        return (self.gain_at_lower_knee_db - above_knee_db * self.slope).T


def gain_curve(loss: HearingLoss) -> GainCurve:
    """Gain that lost outer hair cells leave: -OHC - (level - knee) (1 - 1/CR) in dB.

    Parameters
    ----------
    loss : HearingLoss
        Attenuation, lower knee and compression ratio of each band.

    Returns
    -------
    GainCurve
        Curve of each band.
    """
    return GainCurve(
        lower_knee_db=loss.lower_knee_db,
        upper_knee_db=UPPER_KNEE_DB,
        gain_at_lower_knee_db=-loss.ohc_db,
        slope=1.0 - 1.0 / loss.compression_ratio,
    )


def gain_low_pass() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """First-order Butterworth low-pass of the gain at 800 Hz: numerator and denominator."""
    return scipy.signal.butter(1, GAIN_LOW_PASS_HZ / (SAMPLE_RATE_HZ / 2))


def compression_gain(
    control_envelope: NDArray[np.float64], loss: HearingLoss, level1: float
) -> NDArray[np.float64]:
    """Gain of the outer hair cells at each sample, before the low-pass.

    Parameters
    ----------
    control_envelope : ndarray, shape (n_bands, samples)
        Envelope of the control filters.
    loss : HearingLoss
        Parameters of the cochlea in these bands.
    level1 : float
        Level in dB SPL of a signal with an RMS of 1.

    Returns
    -------
    ndarray, shape (n_bands, samples)
        Factors.
    """
    return 10.0 ** (gain_curve(loss).gain_db(level_db(control_envelope, level1)) / 20.0)


def smooth_gain(gain: NDArray[np.float64]) -> NDArray[np.float64]:
    """Low-pass for the gain, at rest before the first sample: the gain rises from near 0.

    Parameters
    ----------
    gain : ndarray, shape (n_bands, samples)
        Factors from `compression_gain`.

    Returns
    -------
    ndarray, shape (n_bands, samples)
        Factors for envelope and motion.
    """
    return scipy.signal.lfilter(*gain_low_pass(), gain)
