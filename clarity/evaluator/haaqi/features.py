"""The four features of HAAQI."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from clarity.evaluator.ear_model.constants import N_BANDS, TINY
from clarity.evaluator.ear_model.quality import (
    cepstral_basis,
    modulation_filters,
    synchrony_weights,
)

logger = logging.getLogger(__name__)

_NEPER_PER_DB = np.log(10.0) / 20.0


def audible(levels_db: NDArray[np.float64], threshold_db: float) -> NDArray[np.bool_]:
    """Frames whose amplitude, averaged over the bands, exceeds a threshold.

    Parameters
    ----------
    levels_db : ndarray, shape (32, n_frames)
        Level of each band in dB SL.
    threshold_db : float
        Threshold in dB.

    Returns
    -------
    ndarray of bool, shape (n_frames,)
        Frames to keep.
    """
    total = np.zeros(levels_db.shape[1])
    for level_db in levels_db:  # band by band, to hold no copy of the matrix
        total += np.exp(level_db * _NEPER_PER_DB)
    with np.errstate(divide="ignore"):
        return 20.0 * np.log10(total / N_BANDS) > threshold_db


def cepstra(frames_db: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cepstral coefficients of some frames, their means removed.

    Parameters
    ----------
    frames_db : ndarray, shape (32, M)
        Smoothed envelopes in dB SL.

    Returns
    -------
    ndarray, shape (6, M)
        Cepstra.
    """
    coefficients = np.einsum("bj,bm->jm", cepstral_basis(), frames_db)
    return coefficients - coefficients.mean(axis=1, keepdims=True)


def cepstral_correlation_high(
    reference: NDArray[np.float64], processed: NDArray[np.float64]
) -> float:
    """CepHigh: correlation of the cepstra's modulations from 20 to 125 Hz.

    Parameters
    ----------
    reference, processed : ndarray, shape (6, M)
        Cepstra; the first, the overall level, takes no part.

    Returns
    -------
    float
        Mean over four modulation bands and five cepstra, between 0 and 1.
    """
    filters = modulation_filters()
    pairs = zip(
        _modulations(reference[1:], filters), _modulations(processed[1:], filters), strict=True
    )
    return float(np.mean([_correlation(x, y) for x, y in pairs]))


def _modulations(x: NDArray[np.float64], filters: NDArray[np.float64]) -> NDArray[np.float64]:
    """Modulation bands of all cepstra, one to a row, centred on their samples, means removed."""
    n, n_taps = x.shape[1], filters.shape[1]
    n_fft = fft.next_fast_len(n + n_taps - 1, real=True)
    spectra = fft.rfft(filters, n_fft)[:, np.newaxis] * fft.rfft(x, n_fft)
    first = n_taps // 2
    filtered = fft.irfft(spectra, n_fft).reshape(-1, n_fft)[:, first : first + n]
    return filtered - filtered.mean(axis=1, keepdims=True)


def _correlation(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Magnitude of the normalised correlation; 0 when either signal has no energy."""
    # einsum, because the rounding of BLAS depends on the number of its threads.
    energy_x, energy_y = np.einsum("i,i", x, x), np.einsum("i,i", y, y)
    if energy_x < TINY or energy_y < TINY:
        return 0.0
    return float(abs(np.einsum("i,i", x, y)) / np.sqrt(energy_x * energy_y))


def basilar_membrane_sync(
    covariance: NDArray[np.float64],
    mean_square: NDArray[np.float64],
    frequencies_hz: NDArray[np.float64],
    threshold_db: float,
) -> float:
    """BMsync5: covariance of basilar-membrane motion, averaged over the audible tiles.

    The weight falls with the loss of neural synchrony towards high frequencies, see
    `ear_model.quality.synchrony_weights`.

    Parameters
    ----------
    covariance, mean_square : ndarray, shape (32, Q)
        Covariance of each segment and mean square of the reference's motion in it.
    frequencies_hz : ndarray, shape (32,)
        Centre frequencies in Hz.
    threshold_db : float
        Level that a segment, and in it a band, must exceed.

    Returns
    -------
    float
        Between 0 and 1; 0 when at most one segment is audible.
    """
    level_db = np.sqrt(2.0 * mean_square)
    keep = audible(level_db, threshold_db)
    if np.count_nonzero(keep) <= 1:
        logger.warning("The reference is not audible: no segments to compare, BMsync5 is 0")
        return 0.0
    weights = synchrony_weights(frequencies_hz)[:, np.newaxis] * ((level_db > threshold_db) & keep)
    return float(np.sum(weights * covariance) / np.sum(weights))


def spectral_differences(
    reference_db: NDArray[np.float64], processed_db: NDArray[np.float64]
) -> tuple[float, float]:
    """Spread over the bands of the difference between two average spectra.

    Parameters
    ----------
    reference_db, processed_db : ndarray, shape (32,)
        Average levels in dB SL.

    Returns
    -------
    loudness, normalised : float
        32 std(X - Y) and 32 std((X - Y)/(X + Y)) of the spectra as shares X, Y of the total
        amplitude.
    """
    x = 10.0 ** (reference_db / 20.0)
    y = 10.0 ** (processed_db / 20.0)
    x, y = x / np.sum(x), y / np.sum(y)
    return float(N_BANDS * np.std(x - y)), float(N_BANDS * np.std((x - y) / (x + y)))
