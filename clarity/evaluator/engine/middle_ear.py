"""The middle ear: a band-pass from 350 Hz to 5 kHz."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clarity.evaluator.ear_model.middle_ear import high_pass, low_pass
from clarity.evaluator.engine.constants import DENORMAL_GUARD
from clarity.evaluator.engine.jit import kernel


def middle_ear(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Filter by a first-order Butterworth low-pass, then by a second-order high-pass.

    Parameters
    ----------
    x : ndarray, shape (samples,)
        Sound pressure at the ear drum.

    Returns
    -------
    ndarray, shape (samples,)
        Signal at the cochlea, lifted by `DENORMAL_GUARD`.
    """
    y = np.empty(x.size)
    _low_then_high_pass(x, *low_pass(), *high_pass(), y)
    return y


@kernel
def _low_then_high_pass(
    x: NDArray[np.float64],
    low_b: NDArray[np.float64],
    low_a: NDArray[np.float64],
    high_b: NDArray[np.float64],
    high_a: NDArray[np.float64],
    y: NDArray[np.float64],
) -> None:
    """Both filters in transposed direct form II, in one pass from `x` to `y`."""
    low_state = 0.0
    high_state_1 = 0.0
    high_state_2 = 0.0
    for n in range(x.size):
        low = low_b[0] * x[n] + low_state
        low_state = low_b[1] * x[n] - low_a[1] * low
        high = high_b[0] * low + high_state_1
        high_state_1 = high_b[1] * low - high_a[1] * high + high_state_2
        high_state_2 = high_b[2] * low - high_a[2] * high
        y[n] = high + DENORMAL_GUARD
        if abs(low) < DENORMAL_GUARD and abs(high) < DENORMAL_GUARD:
            low_state = 0.0
            high_state_1 = 0.0
            high_state_2 = 0.0
