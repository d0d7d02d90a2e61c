"""Conversion of the signals to the model's sampling rate."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from clarity.evaluator.ear_model.constants import SAMPLE_RATE_HZ

_MODEL_RATE_KHZ = SAMPLE_RATE_HZ // 1000
_LEVEL_ORDER = 7
_LEVEL_RIPPLE_DB = 30.0
_LEVEL_BAND_KHZ = 21.0


def to_model_rate(x: NDArray[np.float64], sample_rate_hz: float) -> NDArray[np.float64]:
    """Resample to 24 kHz, keeping the RMS level.

    The rate counts in whole kilohertz: 44.1 kHz is converted as if it were 44 kHz. When the rate
    falls, levels are compared below 21 kHz only (in a true rate of 24 kHz: below 10.5 kHz).

    Parameters
    ----------
    x : ndarray, shape (samples,)
        Signal.
    sample_rate_hz : float
        Its sampling rate in Hz.

    Returns
    -------
    ndarray, shape (samples at 24 kHz,)
        Resampled signal; the signal itself when its rate is 24 kHz. A silent signal that needs
        conversion has no level to keep and comes out as NaN.

    Raises
    ------
    ValueError
        When the rate rounds to 0 kHz.
    """
    rate_khz = round(sample_rate_hz / 1000.0)
    if rate_khz < 1:
        raise ValueError(f"the sampling rate must be above 500 Hz, got {sample_rate_hz} Hz")
    if rate_khz == _MODEL_RATE_KHZ:
        return x
    divisor = math.gcd(_MODEL_RATE_KHZ, rate_khz)
    y = signal.resample_poly(x, _MODEL_RATE_KHZ // divisor, rate_khz // divisor)
    if rate_khz < _MODEL_RATE_KHZ:
        level_in, level_out = _rms(x), _rms(y)
    else:
        level_in, level_out = _level(x, rate_khz), _level(y, _MODEL_RATE_KHZ)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (level_in / level_out) * y


def _rms(x: NDArray[np.float64]) -> np.float64:
    """Root mean square."""
    return np.sqrt(np.mean(x**2))


def _level(x: NDArray[np.float64], rate_khz: int) -> np.float64:
    """RMS behind a Chebyshev type II low-pass."""
    b, a = signal.cheby2(_LEVEL_ORDER, _LEVEL_RIPPLE_DB, _LEVEL_BAND_KHZ / rate_khz)
    return _rms(signal.lfilter(b, a, x))
