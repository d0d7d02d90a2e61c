"""The gammatone filter bank: 32 fourth-order filters on the basilar membrane.

A band is shifted to 0 Hz, passed through a complex low-pass with a four-fold pole, and shifted back
(Cooke 1991). The magnitude of the low-pass output is the envelope of the band; the real part after
shifting back is the motion of the basilar membrane.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clarity.evaluator.ear_model.constants import N_BANDS, SAMPLE_RATE_HZ

LOWEST_HZ = 80.0
HIGHEST_HZ = 8000.0

# Glasberg & Moore (1990): ERB(f) = MIN_ERB_HZ + f/EAR_Q.
EAR_Q = 9.26449
MIN_ERB_HZ = 24.7
# Bandwidth of a fourth-order gammatone filter in ERBs (Patterson et al. 1992).
BANDWIDTH_ERB = 1.019

ORDER = 4


def centre_frequencies_hz() -> NDArray[np.float64]:
    """Centre frequencies of the bands, equally spaced on the ERB-rate scale (Slaney 1993).

    Returns
    -------
    ndarray, shape (32,)
        From 80 Hz to 8 kHz.
    """
    offset = EAR_Q * MIN_ERB_HZ
    steps = np.arange(1, N_BANDS)
    ratio_step = (math.log(LOWEST_HZ + offset) - math.log(HIGHEST_HZ + offset)) / (N_BANDS - 1)
    falling = -offset + np.exp(steps * ratio_step) * (HIGHEST_HZ + offset)
    return np.concatenate((falling[::-1], [HIGHEST_HZ]))


def erb_hz(frequencies_hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Equivalent rectangular bandwidth of normal hearing in Hz (Glasberg & Moore 1990)."""
    return MIN_ERB_HZ + frequencies_hz / EAR_Q


def phase_per_sample(frequencies_hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Phase by which a carrier at each centre frequency advances per sample, in radians."""
    return 2.0 * np.pi * frequencies_hz / SAMPLE_RATE_HZ


@dataclass(frozen=True)
class GammatoneFilters:
    """Low-pass filters (1 + 4a/z + 4a^2/z^2) / (1 - a/z)^4 of some bands.

    Attributes
    ----------
    pole : ndarray, shape (n_bands,)
        The four-fold pole a.
    gain : ndarray, shape (n_bands,)
        Factor that makes the gain 1 at the centre frequency (and 2 before the factor of the
        real part).
    numerator, denominator : ndarray, shapes (3, n_bands) and (5, n_bands)
        Coefficients of the powers of 1/z, multiplied out.
    """

    pole: NDArray[np.float64]
    gain: NDArray[np.float64]
    numerator: NDArray[np.float64]
    denominator: NDArray[np.float64]


def gammatone_filters(
    bandwidth: NDArray[np.float64], frequencies_hz: NDArray[np.float64]
) -> GammatoneFilters:
    """Design the low-pass filters of some bands.

    Parameters
    ----------
    bandwidth : ndarray, shape (n_bands,)
        Bandwidths relative to normal hearing.
    frequencies_hz : ndarray, shape (n_bands,)
        Centre frequencies in Hz.

    Returns
    -------
    GammatoneFilters
        The filters, without the shift of the frequency.
    """
    # The order of the products matters: (1 - a)^4 is 6e-9 in the lowest band, so a rounding error
    # of a coefficient moves scores by 1e-10, and published scores have these.
    per_hz = 2.0 * np.pi / SAMPLE_RATE_HZ
    a = np.exp(-(bandwidth * per_hz * erb_hz(frequencies_hz) * BANDWIDTH_ERB))
    one = np.ones_like(a)
    numerator = np.stack((one, 4.0 * a, 4.0 * a * a))
    denominator = np.stack((one, -4.0 * a, 6.0 * a * a, -4.0 * a * a * a, a * a * a * a))
    _, b1, b2 = numerator
    _, a1, a2, a3, a4 = denominator
    gain = 2.0 * (1.0 + a1 + a2 + a3 + a4) / (1.0 + b1 + b2)
    return GammatoneFilters(a, gain, numerator, denominator)
