"""The gammatone filter bank: 32 fourth-order filters (Patterson et al. 1992).

A band is shifted to 0 Hz, passed through a low-pass with a four-fold pole, the impulse-invariant
transform of the gammatone, and shifted back (Cooke 1991). The magnitude of the low-pass output is
the envelope of the band; the real part after shifting back is the motion of the basilar membrane.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from clarity.evaluator.ear_model.constants import N_BANDS, SAMPLE_RATE_HZ

LOWEST_HZ = 80.0
HIGHEST_HZ = 8000.0
"""Centre frequencies of the first and of the last band (Kates 2013)."""

EAR_Q = 9.26449
MIN_ERB_HZ = 24.7
"""ERB(f) = MIN_ERB_HZ + f/EAR_Q in Hz.

Slaney 1993, section 2.1 ("Equivalent Rectangular Bandwidth"), has this form of 24.7 (4.37 f/1000 +
1), the bandwidth of Glasberg & Moore 1990.
Kates's program ascribes these two numbers to Moore & Glasberg (1983), whose bandwidth is a
polynomial of the second degree.
"""

BANDWIDTH_ERB = 1.019
"""Bandwidth of a fourth-order gammatone filter in ERBs (Patterson et al. 1992)."""

ORDER = 4
"""Number of poles (Patterson et al. 1992)."""

_CARRIER_BLOCK = 512


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
    """Low-pass filters g (1 + 2a/z)^2 / (1 - a/z)^4 of some bands.

    Attributes
    ----------
    frequencies_hz : ndarray, shape (n_bands,)
        Centre frequencies.
    pole : ndarray, shape (n_bands,)
        The four-fold pole a.
    gain : ndarray, shape (n_bands,)
        Factor g = 2 (1 - a)^4 / (1 + 2a)^2. It makes the low-pass's gain at 0 Hz 2, so that a
        sinusoid, half of which is at 0 Hz when it is shifted down, keeps its amplitude.
    """

    frequencies_hz: NDArray[np.float64]
    pole: NDArray[np.float64]
    gain: NDArray[np.float64]


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
        The filters.
    """
    per_hz = 2.0 * np.pi / SAMPLE_RATE_HZ
    a = np.exp(-(bandwidth * per_hz * erb_hz(frequencies_hz) * BANDWIDTH_ERB))
    return GammatoneFilters(frequencies_hz, a, 2.0 * (1.0 - a) ** 4 / (1.0 + 2.0 * a) ** 2)


def low_pass_sections(pole: float) -> NDArray[np.float64]:
    """(1 + 2a/z)^2 / (1 - a/z)^4 as four one-pole sections for `scipy.signal.sosfilt`.

    Multiplied out, the filter loses eight digits in the lowest band, where (1 - a)^4 is 6e-9.
    """
    with_zero = [1.0, 2.0 * pole, 0.0, 1.0, -pole, 0.0]
    without = [1.0, 0.0, 0.0, 1.0, -pole, 0.0]
    return np.array([with_zero, with_zero, without, without])


def gammatone(
    x: NDArray[np.float64], filters: GammatoneFilters
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Envelope and motion of the basilar membrane in some bands.

    With z[n] the low-pass's response to x[n] exp(-j theta n), theta = 2 pi f / fs, the envelope is
    g |z[n]| and the motion g Re(z[n] exp(j theta n)).

    Parameters
    ----------
    x : ndarray, shape (samples,)
        Signal behind the middle ear.
    filters : GammatoneFilters
        Filters of the bands, of gain g.

    Returns
    -------
    envelope, motion : ndarray, shape (n_bands, samples)
        Outputs of the filters, both with the amplitude of a sinusoid in the middle of the band.
    """
    envelope = np.empty((filters.gain.size, x.size))
    motion = np.empty_like(envelope)
    for band, theta in enumerate(phase_per_sample(filters.frequencies_hz)):
        cosine, sine = _carrier(theta, x.size)
        sections = low_pass_sections(filters.pole[band])
        re, im = scipy.signal.sosfilt(sections, np.stack((cosine * x, sine * x)))
        envelope[band] = filters.gain[band] * np.sqrt(re * re + im * im)
        motion[band] = filters.gain[band] * (re * cosine + im * sine)
    return envelope, motion


def _carrier(theta: float, n_samples: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cosine and sine of theta n; each angle is the sum of a coarse and a fine one."""
    fine = np.exp(1j * theta * np.arange(_CARRIER_BLOCK))
    coarse = np.exp(1j * theta * np.arange(0, n_samples, _CARRIER_BLOCK))
    carrier = np.multiply.outer(coarse, fine).ravel()[:n_samples]
    return carrier.real.copy(), carrier.imag.copy()
