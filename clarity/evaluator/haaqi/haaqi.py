"""The hearing-aid audio quality index, version 1."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from clarity.enhancer.nalr import NALR
from clarity.evaluator.ear_model.alignment import audible_span
from clarity.evaluator.ear_model.constants import N_BANDS, SAMPLE_RATE_HZ
from clarity.evaluator.ear_model.model import Comparison
from clarity.evaluator.ear_model.quality import NALR_MISSING, NALR_ORDER, SILENCE_THRESHOLD_DB
from clarity.evaluator.ear_model.resampling import to_model_rate
from clarity.evaluator.ear_model.threshold_noise import RandomStream
from clarity.evaluator.engine.alignment import align_and_prune
from clarity.evaluator.engine.comparison import CochlearComparison
from clarity.evaluator.engine.middle_ear import middle_ear
from clarity.evaluator.engine.noise import leave_at, survey
from clarity.evaluator.haaqi.features import (
    audible,
    basilar_membrane_sync,
    cepstra,
    cepstral_correlation_high,
    spectral_differences,
)
from clarity.evaluator.haaqi.regression import HaaqiResult, haaqi_result
from clarity.utils.audiogram import Audiogram

logger = logging.getLogger(__name__)

SEGMENT_MS = 16


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
    random_state: RandomStream | None = None,
    n_threads: int | None = None,
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
    level1 : float
        Level in dB SPL of a signal with an RMS of 1.
    silence_threshold : float
        Average level in dB SL that a frame must exceed to be compared.
    add_noise : float
        Standard deviation in dB of noise added to the envelopes before their cepstra are taken.
    random_state : numpy.random.RandomState, optional
        Stream of the random numbers, advanced by the call. Default: NumPy's global stream, which
        `numpy.random.seed` seeds; published scores come from it.
    n_threads : int, optional
        Threads to use. Default: ``NUMBA_NUM_THREADS``, which is the number of cores unless the
        environment sets it. The result does not depend on it.

    Returns
    -------
    HaaqiResult
        Score, terms and features. A silent processed signal that has to be resampled has no level,
        which makes all but BMsync5 NaN.

    Raises
    ------
    SilentReferenceError
        When the reference is silent.
    ValueError
        When a signal is not one-dimensional, empty, too short or holds NaN or infinity.

    References
    ----------
    Kates, J. M. & Arehart, K. H. (2016). The hearing-aid audio quality index (HAAQI). IEEE/ACM
    Transactions on Audio, Speech, and Language Processing 24(2), 354-365.
    """
    stream: RandomStream = np.random if random_state is None else random_state
    x = to_model_rate(_checked(reference, "reference"), reference_sample_rate)
    y = to_model_rate(_checked(processed, "processed"), processed_sample_rate)
    n_threads = n_threads or numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
    x, y, has_level = _of_one_length(x, y)
    span = audible_span(x)
    if span.start == span.stop:
        raise SilentReferenceError(
            "the reference signal is silent: there is nothing to compare with"
        )
    with ThreadPoolExecutor(n_threads) as pool:
        # Where each band's noise begins in the stream depends on the length alone.
        noise = pool.submit(survey, stream, span.stop - span.start, 2 * N_BANDS)
        x, y = align_and_prune(x, y, span, max(n_threads - 1, 1))  # one thread is at the noise
        if equalisation == NALR_MISSING:
            x = _with_nalr(x, audiogram)
        x, y = pool.map(middle_ear, (x, y))
        model = CochlearComparison(audiogram, level1, silence_threshold, pool)
        comparison = model.compare(x, y, noise)
    leave_at(stream, noise.result(), 2 * N_BANDS)
    del x, y  # a hundred megabytes each for a long piece; the features need them no more
    cep_high = _cep_high(comparison, silence_threshold, add_noise, stream)
    bm_sync5 = basilar_membrane_sync(
        comparison.covariance, comparison.mean_square, model.frequencies_hz, silence_threshold
    )
    if not has_level:
        return haaqi_result(np.nan, 0.0, np.nan, np.nan)
    return haaqi_result(
        cep_high,
        bm_sync5,
        *spectral_differences(comparison.reference_spectrum_db, comparison.processed_spectrum_db),
    )


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
    segment_covariance: int = SEGMENT_MS,
) -> tuple[float, float, float, list[float]]:
    """HAAQI as a tuple, with the arguments that scripts of the challenge use.

    See `evaluate_haaqi` for the parameters.

    Parameters
    ----------
    segment_covariance : int
        Length of the covariance segments in ms; only 16 is supported, which HAAQI prescribes.

    Returns
    -------
    score, nonlinear, linear : float
        HAAQI and its two terms.
    raw : list of float
        CepHigh, BMsync5, Dloud and Dnorm.
    """
    if segment_covariance != SEGMENT_MS:
        raise ValueError(f"segment_covariance must be {SEGMENT_MS} ms, got {segment_covariance}")
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


def _checked(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """Return a signal as float64, or say what is wrong with it."""
    x = np.ascontiguousarray(values, dtype=np.float64)
    if x.ndim != 1:
        raise ValueError(f"the {name} signal must have shape (samples,), got {x.shape}")
    if x.size == 0:
        raise ValueError(f"the {name} signal is empty")
    if not np.isfinite(x).all():
        n_bad = np.count_nonzero(~np.isfinite(x))
        raise ValueError(f"the {name} signal holds {n_bad} samples that are NaN or infinite")
    return x


def _of_one_length(
    reference: NDArray[np.float64], processed: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], bool]:
    """Cut off tails; also tells whether the processed signal had a level after resampling."""
    has_level = bool(np.isfinite(processed).all())
    if not has_level:
        logger.warning("The processed signal is silent and could not be resampled: HAAQI is NaN")
        processed = np.zeros_like(processed)
    if not np.isfinite(reference).all():  # silence that was to be resampled
        reference = np.zeros_like(reference)
    n = min(reference.size, processed.size)
    return reference[:n], processed[:n], has_level


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
        leave_at(stream, survey(stream, 2 * N_BANDS * n_kept, 1), 1)
    else:
        frames = [matrix + add_noise * stream.standard_normal(matrix.shape) for matrix in frames]
    reference, processed = (cepstra(matrix) for matrix in frames)
    return cepstral_correlation_high(reference, processed)
