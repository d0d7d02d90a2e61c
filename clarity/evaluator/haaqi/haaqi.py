"""The hearing-aid audio quality index, version 1."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clarity.enhancer.nalr import NALR
from clarity.evaluator.ear_model.alignment import audible_span
from clarity.evaluator.ear_model.constants import N_BANDS, SAMPLE_RATE_HZ
from clarity.evaluator.ear_model.gammatone import centre_frequencies_hz
from clarity.evaluator.ear_model.hearing_loss import (
    AUDIOMETRIC_FREQUENCIES_HZ,
    HearingLoss,
    hearing_loss,
)
from clarity.evaluator.ear_model.levels import checked_level1
from clarity.evaluator.ear_model.model import Comparison
from clarity.evaluator.ear_model.quality import (
    HEALTHY_REFERENCE,
    NALR_MISSING,
    NALR_ORDER,
    SILENCE_THRESHOLD_DB,
)
from clarity.evaluator.ear_model.resampling import to_model_rate
from clarity.evaluator.ear_model.threshold_noise import RandomStream
from clarity.evaluator.haaqi import inputs
from clarity.evaluator.haaqi.engines import EarSettings, open_engine, skip_normals
from clarity.evaluator.haaqi.features import (
    audible,
    basilar_membrane_sync,
    cepstra,
    cepstral_correlation_high,
    spectral_differences,
)
from clarity.evaluator.haaqi.regression import HaaqiResult, haaqi_result
from clarity.utils.audiogram import AUDIOGRAM_REF, Audiogram

logger = logging.getLogger(__name__)

SEGMENT_MS = 16

HAAQI_AUDIOGRAM_FREQUENCIES = AUDIOMETRIC_FREQUENCIES_HZ
"""Frequencies in Hz at which HAAQI takes the audiogram, under the name that scripts import."""


class SilentReferenceError(ValueError, IndexError):
    """The reference holds no sound, so nothing can be compared with it.

    It is an `IndexError` too, which is what other implementations raise here.
    """


def evaluate_haaqi(
    reference: ArrayLike,
    reference_sample_rate: float,
    processed: ArrayLike,
    processed_sample_rate: float,
    audiogram: Audiogram,
    equalisation: int,
    level1: float = 65.0,
    silence_threshold: float = SILENCE_THRESHOLD_DB,
    add_noise: float = 0.0,
    *,
    segment_covariance: float = SEGMENT_MS,
    random_state: RandomStream | None = None,
    n_threads: int | None = None,
    engine: str = "compiled",
) -> HaaqiResult:
    """HAAQI with all its parts.

    Parameters
    ----------
    reference : array_like, shape (samples,)
        Clean signal, in any real type; computed in float64.
    reference_sample_rate : float
        Its sampling rate in Hz.
    processed : array_like, shape (samples,)
        Signal to score. The longer of the two signals is cut to the length of the other.
    processed_sample_rate : float
        Its sampling rate in Hz.
    audiogram : Audiogram
        Hearing loss of the ear.
    equalisation : int
        1: the reference is a signal before amplification, and NAL-R is applied to it here.
        2: the reference has been amplified already.
        0: neither, and a healthy ear hears the reference, as indices of intelligibility have it.
    level1 : float
        Level in dB SPL of a signal with an RMS of 1.
    silence_threshold : float
        Average level in dB SL that a frame must exceed to be compared.
    add_noise : float
        Standard deviation in dB of noise added to the envelopes before their cepstra are taken.
    segment_covariance : float
        Length in ms of the segments in which basilar-membrane motion is compared; HAAQI's is 16.
    random_state : numpy.random.RandomState, optional
        Stream of the random numbers, advanced by the call. Default: NumPy's global stream, which
        `numpy.random.seed` seeds; published scores come from it.
    n_threads : int, optional
        Threads to use. Default: ``NUMBA_NUM_THREADS``, which is the number of cores unless the
        environment sets it. The result does not depend on it.
    engine : {"compiled", "reference"}
        What computes the ear: compiled kernels, or the model as `clarity.evaluator.ear_model`
        defines it, which is slower and gives the same numbers. Equalisation 0 and segments of
        other than 16 ms always take the reference.

    Returns
    -------
    HaaqiResult
        Score, terms and features. A silent processed signal has the score of the threshold noise.

    Raises
    ------
    SilentReferenceError
        When the reference is silent.
    ValueError
        When a signal is not one-dimensional, empty, too short or holds NaN or infinity, or an
        argument is none of the values above.
    TypeError
        When `random_state` is something else.

    References
    ----------
    Kates, J. M. & Arehart, K. H. (2016). The hearing-aid audio quality index (HAAQI). IEEE/ACM
    Transactions on Audio, Speech, and Language Processing 24(2), 354-365.
    """
    losses = _losses(audiogram, inputs.checked_equalisation(equalisation))
    segment = inputs.segment_samples(segment_covariance)
    stream = inputs.checked_stream(random_state)
    inputs.checked_number(
        silence_threshold, "silence_threshold", "the level in dB SL that a frame must exceed"
    )
    inputs.checked_number(add_noise, "add_noise", "the noise of the envelopes in dB", least=0.0)
    inputs.checked_threads(n_threads)
    x = to_model_rate(inputs.checked_signal(reference, "reference"), reference_sample_rate)
    y = to_model_rate(inputs.checked_signal(processed, "processed"), processed_sample_rate)
    x, y, span = _audible_part(x, y)
    # After that: levels are computed from references, and that of silence is infinite.
    ear = EarSettings(losses, checked_level1(level1), silence_threshold, segment)
    with open_engine(engine, ear, stream, n_threads) as model:
        signals = model.align(x, y, span)
        del x, y  # a hundred megabytes each for a long piece
        if equalisation == NALR_MISSING:
            signals[0] = _with_nalr(signals[0], audiogram)
        comparison = model.compare(signals)
    cep_high = _cep_high(comparison, silence_threshold, add_noise, stream)
    bm_sync5 = basilar_membrane_sync(
        comparison.covariance, comparison.mean_square, centre_frequencies_hz(), silence_threshold
    )
    differences = spectral_differences(
        comparison.reference_spectrum_db, comparison.processed_spectrum_db
    )
    return haaqi_result(cep_high, bm_sync5, *differences)


def haaqi_v1(
    reference: ArrayLike,
    reference_freq: float,
    processed: ArrayLike,
    processed_freq: float,
    audiogram: Audiogram,
    equalisation: int,
    level1: float = 65.0,
    silence_threshold: float = SILENCE_THRESHOLD_DB,
    add_noise: float = 0.0,
    segment_covariance: float = SEGMENT_MS,
) -> tuple[float, float, float, list[float]]:
    """HAAQI as a tuple, with the arguments that scripts of the challenge use.

    See `evaluate_haaqi` for the parameters.

    Returns
    -------
    score, nonlinear, linear : float
        HAAQI and its two terms.
    raw : list of float
        CepHigh, BMsync5, Dloud and Dnorm.
    """
    result = evaluate_haaqi(
        reference,
        reference_freq,
        processed,
        processed_freq,
        audiogram,
        equalisation,
        level1,
        silence_threshold,
        add_noise,
        segment_covariance=segment_covariance,
    )
    return result.score, result.nonlinear, result.linear, result.raw


def compute_haaqi(
    processed_signal: ArrayLike,
    reference_signal: ArrayLike,
    processed_sample_rate: float,
    reference_sample_rate: float,
    audiogram: Audiogram,
    equalisation: int = 1,
    level1: float = 65.0,
    *,
    random_state: RandomStream | None = None,
    n_threads: int | None = None,
) -> float:
    """HAAQI score of one ear.

    See `evaluate_haaqi` for the parameters. Note the order: the processed signal comes first.

    Returns
    -------
    float
        Score; 1 when both signals are empty and 0 when only the reference is.
    """
    if np.size(reference_signal) == 0:
        if np.size(processed_signal) == 0:
            return 1.0
        logger.error("The reference signal is empty: HAAQI is 0")
        return 0.0
    return evaluate_haaqi(
        reference_signal,
        reference_sample_rate,
        processed_signal,
        processed_sample_rate,
        audiogram,
        equalisation,
        level1,
        random_state=random_state,
        n_threads=n_threads,
    ).score


def _losses(audiogram: Audiogram, equalisation: int) -> tuple[HearingLoss, HearingLoss]:
    """Losses with which the reference and the processed signal are heard."""
    loss = hearing_loss(audiogram, centre_frequencies_hz())
    if equalisation == HEALTHY_REFERENCE:
        return hearing_loss(AUDIOGRAM_REF, centre_frequencies_hz()), loss
    return loss, loss


def _audible_part(
    reference: NDArray[np.float64], processed: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], slice]:
    """Cut off the tail of the longer signal, and find where the reference sounds."""
    n = min(reference.size, processed.size)
    reference, processed = reference[:n], processed[:n]
    span = audible_span(reference)
    if span.start == span.stop:
        raise SilentReferenceError(
            "the reference signal is silent: there is nothing to compare with"
        )
    if not processed.any():
        logger.warning("The processed signal is silent: it is compared as the noise at threshold")
    return reference, processed, span


def _with_nalr(reference: NDArray[np.float64], audiogram: Audiogram) -> NDArray[np.float64]:
    """Amplify for the audiogram; the filter's first `NALR_ORDER` samples of onset are dropped."""
    nalr = NALR(NALR_ORDER, SAMPLE_RATE_HZ)
    fir, _ = nalr.build(audiogram)
    return nalr.apply(fir, reference)[NALR_ORDER:]


def _cep_high(
    comparison: Comparison, threshold_db: float, add_noise: float, stream: RandomStream
) -> float:
    """CepHigh, and the random draws that belong to it even when the noise is 0."""
    keep = audible(comparison.reference_frames, threshold_db)
    n_kept = int(np.count_nonzero(keep))
    if n_kept <= 1:
        logger.warning("The reference is not audible: no frames to compare, CepHigh is 0")
        return 0.0
    frames = [
        matrix[:, keep] for matrix in (comparison.reference_frames, comparison.processed_frames)
    ]
    if add_noise == 0.0:
        skip_normals(stream, 2 * N_BANDS * n_kept)
    else:
        frames = [matrix + add_noise * stream.standard_normal(matrix.shape) for matrix in frames]
    reference, processed = (cepstra(matrix) for matrix in frames)
    return cepstral_correlation_high(reference, processed)
