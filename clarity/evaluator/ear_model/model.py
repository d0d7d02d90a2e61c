"""The whole model: what two signals become in an impaired ear, stage by stage."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from clarity.evaluator.ear_model.adaptation import adapt
from clarity.evaluator.ear_model.band_alignment import align_bands
from clarity.evaluator.ear_model.bandwidth import bandwidth_at_level
from clarity.evaluator.ear_model.compression import compression_gain, smooth_gain
from clarity.evaluator.ear_model.constants import N_BANDS, SAMPLE_RATE_HZ
from clarity.evaluator.ear_model.covariance import SEGMENT, segment_covariance
from clarity.evaluator.ear_model.envelope import smooth_envelope
from clarity.evaluator.ear_model.gammatone import (
    GammatoneFilters,
    centre_frequencies_hz,
    gammatone,
    gammatone_filters,
)
from clarity.evaluator.ear_model.group_delay import band_delays, compensate_group_delay
from clarity.evaluator.ear_model.hearing_loss import HearingLoss, max_bandwidth
from clarity.evaluator.ear_model.levels import level_db, rms
from clarity.evaluator.ear_model.middle_ear import middle_ear
from clarity.evaluator.ear_model.sensation_level import sensation_level
from clarity.evaluator.ear_model.spectrum import average_spectrum_db
from clarity.evaluator.ear_model.threshold_noise import RandomStream, threshold_noise

Signals = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class Comparison:
    """Two signals as an impaired cochlea sees them: what the features are made of.

    Attributes
    ----------
    reference_frames, processed_frames : ndarray, shape (32, F)
        Firing rates in dB SL, smoothed over 8 ms, one frame every 4 ms.
    covariance, mean_square : ndarray, shape (32, Q)
        Covariance of basilar-membrane motion in segments of 16 ms, one every 8 ms, and the mean
        square of the reference's motion. The compiled engine leaves the covariance 0 where the
        reference is below the threshold and it counts for nothing.
    reference_spectrum_db, processed_spectrum_db : ndarray, shape (32,)
        Average level of each band in dB SL.
    """

    reference_frames: NDArray[np.float64]
    processed_frames: NDArray[np.float64]
    covariance: NDArray[np.float64]
    mean_square: NDArray[np.float64]
    reference_spectrum_db: NDArray[np.float64]
    processed_spectrum_db: NDArray[np.float64]


def compare_signals(
    signals: Signals,
    losses: tuple[HearingLoss, HearingLoss],
    level1: float,
    stream: RandomStream,
    segment: int = SEGMENT,
) -> Comparison:
    """Run two signals through the ear, band by band.

    Parameters
    ----------
    signals : tuple of two ndarrays, shape (samples,)
        Reference and processed signal, aligned.
    losses : tuple of two HearingLoss
        The cochlea that hears each of them.
    level1 : float
        Level in dB SPL of a signal with an RMS of 1.
    stream : numpy.random.RandomState
        Where the threshold noise is drawn from; advanced.
    segment : int
        Samples in a segment of the covariance.

    Returns
    -------
    Comparison
        Input of the features.

    Raises
    ------
    ValueError
        When the signals are too short for the model.
    """
    cochleas = [open_cochlea(x, loss, level1) for x, loss in zip(signals, losses, strict=True)]
    n_samples = signals[0].size
    delays = band_delays(cochleas[0].main)
    require_length(n_samples, delays, segment)
    reference_noise = threshold_noise(stream, N_BANDS, n_samples, level1)
    bands = []
    for i in range(N_BANDS):
        band = slice(i, i + 1)
        (x, x_motion, x_rms), (y, y_motion, y_rms) = (
            outer_hair_cells(cochlea, band, level1) for cochlea in cochleas
        )
        y, y_motion = align_bands(x, y), align_bands(x_motion, y_motion)
        noises = reference_noise[band], threshold_noise(stream, 1, n_samples, level1)
        (x, x_motion), (y, y_motion) = (
            inner_hair_cells(envelope, motion, loss.ihc_db[band], level1, noise, delays[band])
            for envelope, motion, loss, noise in zip(
                (x, y), (x_motion, y_motion), losses, noises, strict=True
            )
        )
        covariance = segment_covariance(x_motion, y_motion, segment)
        bands.append((smooth_envelope(x), smooth_envelope(y), *covariance, x_rms, y_rms))
    *features, x_rms, y_rms = (np.concatenate(of_bands) for of_bands in zip(*bands, strict=True))
    spectra = (
        average_spectrum_db(envelope_rms, cochlea.control_rms, cochlea.loss, level1)
        for envelope_rms, cochlea in zip((x_rms, y_rms), cochleas, strict=True)
    )
    return Comparison(*features, *spectra)


@dataclass(frozen=True)
class Cochlea:
    """One signal, and the filters that hear it.

    Attributes
    ----------
    x : ndarray, shape (samples,)
        Signal behind the middle ear.
    loss : HearingLoss
        What the hair cells have lost.
    control, main : GammatoneFilters
        Filters for the level, as wide as without outer hair cells, and for the sound.
    control_rms : ndarray, shape (32,)
        RMS of the control envelopes.
    """

    x: NDArray[np.float64]
    loss: HearingLoss
    control: GammatoneFilters
    main: GammatoneFilters
    control_rms: NDArray[np.float64]


def open_cochlea(x: NDArray[np.float64], loss: HearingLoss, level1: float) -> Cochlea:
    """Middle ear; control filters; main filters as wide as the control level makes them."""
    x = middle_ear(x)
    frequencies_hz = centre_frequencies_hz()
    control = gammatone_filters(max_bandwidth(), frequencies_hz)
    control_rms = np.concatenate(
        [rms(gammatone(x, select_bands(control, slice(i, i + 1)))[0]) for i in range(N_BANDS)]
    )
    level = level_db(control_rms, level1)
    bandwidth = bandwidth_at_level(level, loss.min_bandwidth, max_bandwidth())
    return Cochlea(x, loss, control, gammatone_filters(bandwidth, frequencies_hz), control_rms)


def outer_hair_cells(
    cochlea: Cochlea, band: slice, level1: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Compressed envelope and motion of some bands, and the RMS of the envelope before that."""
    control_envelope, _ = gammatone(cochlea.x, select_bands(cochlea.control, band))
    envelope, motion = gammatone(cochlea.x, select_bands(cochlea.main, band))
    gain = smooth_gain(compression_gain(control_envelope, select_bands(cochlea.loss, band), level1))
    return gain * envelope, gain * motion, rms(envelope)


def inner_hair_cells(
    envelope: NDArray[np.float64],
    motion: NDArray[np.float64],
    ihc_db: NDArray[np.float64],
    level1: float,
    noise: NDArray[np.float64],
    delays: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute firing rate and motion in dB SL, the bands lined up."""
    level, motion = sensation_level(envelope, motion, ihc_db, level1)
    rate, motion = adapt(level, motion)
    return compensate_group_delay(rate, delays), compensate_group_delay(motion + noise, delays)


def require_length(n_samples: int, delays: NDArray[np.int64], segment: int = SEGMENT) -> None:
    """Raise ValueError for signals shorter than the longest delay or a segment."""
    shortest = max(int(delays.max()), segment)
    if n_samples < shortest:
        raise ValueError(
            f"the reference has {n_samples} samples at 24 kHz after its silent ends are cut off; "
            f"HAAQI needs at least {shortest} ({1000 * shortest / SAMPLE_RATE_HZ:.0f} ms)"
        )


Parameters = TypeVar("Parameters", HearingLoss, GammatoneFilters)


def select_bands(parameters: Parameters, bands: slice) -> Parameters:
    """Parameters of some of the bands, which are the last axis of every field."""
    return replace(
        parameters,
        **{field.name: getattr(parameters, field.name)[..., bands] for field in fields(parameters)},
    )
