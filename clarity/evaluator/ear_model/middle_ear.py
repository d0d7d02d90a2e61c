"""The middle ear: a band-pass from 350 Hz to 5 kHz (Kates 1991, 2013).

Its inverse is roughly the threshold of hearing over frequency.
"""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import NDArray

from clarity.evaluator.ear_model.constants import SAMPLE_RATE_HZ

LOW_PASS_HZ = 5000.0
"""Cut-off of the first-order low-pass (Kates 1991)."""

HIGH_PASS_HZ = 350.0
"""Cut-off of the second-order high-pass (Kates 1991)."""

Coefficients = tuple[NDArray[np.float64], NDArray[np.float64]]


def low_pass() -> Coefficients:
    """First-order Butterworth low-pass at 5 kHz: numerator and denominator."""
    return scipy.signal.butter(1, LOW_PASS_HZ / (SAMPLE_RATE_HZ / 2))


def high_pass() -> Coefficients:
    """Second-order Butterworth high-pass at 350 Hz: numerator and denominator."""
    return scipy.signal.butter(2, HIGH_PASS_HZ / (SAMPLE_RATE_HZ / 2), "high")


def middle_ear(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Filter by the low-pass, then by the high-pass.

    Parameters
    ----------
    x : ndarray, shape (samples,)
        Sound pressure at the ear drum.

    Returns
    -------
    ndarray, shape (samples,)
        Signal at the cochlea.
    """
    return scipy.signal.lfilter(*high_pass(), scipy.signal.lfilter(*low_pass(), x))
