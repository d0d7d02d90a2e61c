"""What an audiogram means for the cochlea: loss of outer and of inner hair cells, band by band.

Outer hair cells amplify soft sound and sharpen the filters; inner hair cells pass it on. A loss of
the first takes gain, compression and sharpness, a loss of the second only attenuates (Kates 2013).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clarity.evaluator.ear_model.constants import N_BANDS
from clarity.utils.audiogram import Audiogram

AUDIOMETRIC_FREQUENCIES_HZ = np.array([250.0, 500.0, 1000.0, 2000.0, 4000.0, 6000.0])
"""Frequencies at which the model reads an audiogram."""

UPPER_KNEE_DB = 100.0
"""Level in dB SPL from which the cochlea amplifies linearly again (Kates 2013)."""

HEALTHY_LOWER_KNEE_DB = 30.0
"""Level in dB SPL up to which a healthy cochlea amplifies linearly (Kates 2013)."""

HEALTHY_COMPRESSION_RATIOS = (1.25, 3.5)
"""Compression ratio of a healthy cochlea in the lowest and in the highest band (Kates 2013)."""

OHC_SHARE = 0.8
"""Part of a loss that the outer hair cells account for, until none is left (Moore et al. 1999)."""


@dataclass(frozen=True)
class HearingLoss:
    """Parameters of the impaired cochlea, each of shape (32,).

    Attributes
    ----------
    ohc_db, ihc_db : ndarray
        Attenuation in dB by lost outer and inner hair cells.
    lower_knee_db : ndarray
        Level in dB SPL above which the outer hair cells compress.
    compression_ratio : ndarray
        Input over output in dB between the knees; 1 without outer hair cells.
    min_bandwidth : ndarray
        Filter bandwidth at low levels, relative to normal hearing.
    """

    ohc_db: NDArray[np.float64]
    ihc_db: NDArray[np.float64]
    lower_knee_db: NDArray[np.float64]
    compression_ratio: NDArray[np.float64]
    min_bandwidth: NDArray[np.float64]


def hearing_loss(audiogram: Audiogram, centre_frequencies_hz: NDArray[np.float64]) -> HearingLoss:
    """Split an audiogram's loss between outer and inner hair cells.

    Outer hair cells account for 80 % of a loss of H dB: OHC = min(0.8 H, OHCmax); the rest is put
    down to the inner hair cells: IHC = H - OHC. OHCmax is the gain of a healthy cochlea. What is
    left of the gain makes the compression ratio.

    Parameters
    ----------
    audiogram : Audiogram
        Thresholds, taken at `AUDIOMETRIC_FREQUENCIES_HZ`.
    centre_frequencies_hz : ndarray, shape (32,)
        Centre frequencies of the auditory bands in Hz.

    Returns
    -------
    HearingLoss
        Parameters of each band.

    Raises
    ------
    ValueError
        When the audiogram lacks a level that is needed; the message names the frequency.
    TypeError
        When it is no audiogram.
    """
    if not isinstance(audiogram, Audiogram):
        raise TypeError(
            "the hearing loss of an ear must be an Audiogram, such as STANDARD_AUDIOGRAMS['N3'] or "
            f"listener.audiogram_left, got a {type(audiogram).__name__}"
        )
    levels = audiogram.levels_for("HAAQI", AUDIOMETRIC_FREQUENCIES_HZ)
    loss_db = np.interp(centre_frequencies_hz, AUDIOMETRIC_FREQUENCIES_HZ, levels)
    loss_db = np.maximum(loss_db, 0.0)
    ratio = _healthy_compression_ratio()
    max_ohc_db = _max_ohc_loss_db()
    limit_db = (1 / OHC_SHARE) * max_ohc_db
    ohc_db = OHC_SHARE * np.minimum(loss_db, limit_db)
    ihc_db = np.where(
        loss_db < limit_db,
        (1 - OHC_SHARE) * loss_db,
        (1 - OHC_SHARE) * limit_db + (loss_db - limit_db),
    )
    lower_knee_db = HEALTHY_LOWER_KNEE_DB + ohc_db
    span_db = UPPER_KNEE_DB - HEALTHY_LOWER_KNEE_DB
    output_at_upper_knee_db = HEALTHY_LOWER_KNEE_DB + span_db / ratio
    return HearingLoss(
        ohc_db=ohc_db,
        ihc_db=ihc_db,
        lower_knee_db=lower_knee_db,
        compression_ratio=(UPPER_KNEE_DB - lower_knee_db)
        / (output_at_upper_knee_db + ohc_db - lower_knee_db),
        min_bandwidth=_bandwidth_factor(ohc_db),
    )


def max_bandwidth() -> NDArray[np.float64]:
    """Bandwidth of each filter when all outer hair cells are lost, relative to normal.

    These are the control filters. Kates's program moves them to the base by 2 % of the length of
    the basilar membrane; pyClarity, and with it the published scores, leaves them in their places.
    """
    return _bandwidth_factor(_max_ohc_loss_db())


def _healthy_compression_ratio() -> NDArray[np.float64]:
    """Rise over the bands, which are equally spaced on the ERB-rate scale."""
    lowest, highest = HEALTHY_COMPRESSION_RATIOS
    return lowest + (highest - lowest) * np.arange(N_BANDS) / (N_BANDS - 1)


def _max_ohc_loss_db() -> NDArray[np.float64]:
    """Attenuation when the outer hair cells give no gain at all."""
    return (UPPER_KNEE_DB - HEALTHY_LOWER_KNEE_DB) * (1 - 1 / _healthy_compression_ratio())


def _bandwidth_factor(ohc_db: NDArray[np.float64]) -> NDArray[np.float64]:
    """Width, relative to normal, of a filter without so much of its gain (Kates 2013)."""
    return 1.0 + ohc_db / 50.0 + 2.0 * (ohc_db / 50.0) ** 6
