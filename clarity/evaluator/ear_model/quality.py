"""What HAAQI makes of the ears' output: filters and weights of its features, and its regression.

The terms of the regression are plain arithmetic, so that they hold for numbers, arrays and tensors.

References
----------
Johnson, D. H. (1980). The relationship between spike rate and synchrony in responses of auditory-
nerve fibers to single tones. Journal of the Acoustical Society of America 68(4), 1115-1122.
Kates, J. M. & Arehart, K. H. (2016). The hearing-aid audio quality index (HAAQI). IEEE/ACM
Transactions on Audio, Speech, and Language Processing 24(2), 354-365.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from clarity.evaluator.ear_model.constants import N_BANDS, SAMPLE_RATE_HZ
from clarity.evaluator.ear_model.envelope import ENVELOPE_HOP

SILENCE_THRESHOLD_DB = 2.5
"""Average level in dB SL that a frame must exceed to be compared."""

HEALTHY_REFERENCE, NALR_MISSING, NALR_INCLUDED = EQUALISATIONS = (0, 1, 2)
"""Equalisations: a healthy ear hears the reference; it still needs NAL-R; it has had NAL-R."""

NALR_ORDER = 140
"""Order of the NAL-R filter for the reference at 24 kHz."""

N_CEPSTRA = 6
"""Cepstral coefficients; the first, the overall level, takes no part."""

LOUDNESS_RANGE = 2.5
"""Spread of the spectral difference at which Dloud is 0."""

NORMALISED_RANGE = 25.0
"""Spread of the normalised spectral difference at which Dnorm is 0."""

_FRAME_RATE_HZ = SAMPLE_RATE_HZ / ENVELOPE_HOP
_N_MODULATION_TAPS = 129
# The upper four of eight modulation bands; the last reaches up to half the frame rate.
_HIGH_MODULATION_EDGES_HZ = (20.0, 32.0, 50.0, 80.0, _FRAME_RATE_HZ / 2)
_SYNC_CUTOFF_HZ = 3500.0
_SYNC_ORDER = 5


def cepstral_basis() -> NDArray[np.float64]:
    """Half-cosines over the bands, of unit norm, shape (32, 6)."""
    band = np.arange(N_BANDS)[:, np.newaxis]
    basis = np.cos(np.pi * np.arange(N_CEPSTRA) * band / (N_BANDS - 1))
    return basis / np.sqrt(np.sum(basis**2, axis=0))


def modulation_filters() -> NDArray[np.float64]:
    """FIR filters of the four modulation bands from 20 to 125 Hz, shape (4, 129)."""
    nyquist_hz = _FRAME_RATE_HZ / 2
    edges = np.array(_HIGH_MODULATION_EDGES_HZ) / nyquist_hz
    bands = list(itertools.pairwise(edges[:-1]))
    filters = [
        scipy.signal.firwin(_N_MODULATION_TAPS, band, window="hann", pass_zero=False)
        for band in bands
    ]
    filters.append(
        scipy.signal.firwin(_N_MODULATION_TAPS, edges[-2], window="hann", pass_zero=False)
    )
    return np.stack(filters)


def synchrony_weights(frequencies_hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Loss of neural synchrony towards high frequencies (Johnson 1980), shape of the frequencies.

    sqrt(fc^10 / (fc^10 + f^10)) with fc = 3.5 kHz.
    """
    power = 2 * _SYNC_ORDER
    return np.sqrt(_SYNC_CUTOFF_HZ**power / (_SYNC_CUTOFF_HZ**power + frequencies_hz**power))


def nonlinear_term(cep_high: Any, bm_sync5: Any) -> Any:
    """Term for noise and nonlinear distortion (Kates & Arehart 2016)."""
    return 0.754 * cep_high**3 + 0.246 * bm_sync5


def linear_term(d_loud: Any, d_norm: Any) -> Any:
    """Term for linear filtering (Kates & Arehart 2016)."""
    return 0.329 * d_loud + 0.671 * d_norm


def combined_score(nonlinear: Any, linear: Any) -> Any:
    """HAAQI from its two terms (Kates & Arehart 2016)."""
    return 0.336 * nonlinear + 0.001 * linear + 0.501 * nonlinear**2 + 0.161 * linear**2
