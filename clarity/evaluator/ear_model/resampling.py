"""Conversion of the signals to the model's sampling rate."""

from __future__ import annotations

import math
import reprlib

import numpy as np
import scipy
from numpy.typing import NDArray

from clarity.evaluator.ear_model.constants import SAMPLE_RATE_HZ
from clarity.evaluator.ear_model.levels import rms

MODEL_RATE_KHZ = SAMPLE_RATE_HZ // 1000
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
        Resampled signal; the signal itself when its rate is 24 kHz. Silence, which has no level to
        keep, remains silence.

    Raises
    ------
    ValueError
        When the rate rounds to 0 kHz.
    """
    rate_khz = whole_khz(sample_rate_hz)
    if rate_khz == MODEL_RATE_KHZ:
        return x
    y = scipy.signal.resample_poly(x, *resampling_ratio(rate_khz))
    if rate_khz < MODEL_RATE_KHZ:
        level_in, level_out = rms(x), rms(y)
    else:
        level_in, level_out = _level(x, rate_khz), _level(y, MODEL_RATE_KHZ)
    return (level_in / level_out) * y if level_out > 0.0 else y


def whole_khz(sample_rate_hz: float) -> int:
    """Round a sampling rate to whole kilohertz; ValueError when it is no number above 500 Hz."""
    try:
        rate_khz = round(float(sample_rate_hz) / 1000.0)
    except (TypeError, ValueError, OverflowError):  # no number, NaN, infinity
        rate_khz = 0
    if rate_khz < 1:
        given = reprlib.repr(sample_rate_hz)
        raise ValueError(f"the sampling rate must be a number above 500 Hz, got {given}")
    return rate_khz


def resampling_ratio(rate_khz: int) -> tuple[int, int]:
    """Factors, in lowest terms, by which to raise and then to lower a rate to get 24 kHz."""
    divisor = math.gcd(MODEL_RATE_KHZ, rate_khz)
    return MODEL_RATE_KHZ // divisor, rate_khz // divisor


def level_low_pass(rate_khz: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Chebyshev type II low-pass behind which levels are compared: numerator and denominator."""
    return scipy.signal.cheby2(_LEVEL_ORDER, _LEVEL_RIPPLE_DB, _LEVEL_BAND_KHZ / rate_khz)


def _level(x: NDArray[np.float64], rate_khz: int) -> NDArray[np.float64]:
    """RMS behind a Chebyshev type II low-pass."""
    return rms(scipy.signal.lfilter(*level_low_pass(rate_khz), x))
