"""Dynamic-range compression; equals `ear_model.compression.compression_gain` and `smooth_gain`.

The gain curve is a straight line in decibels between two knees, and so is its logarithm over the
logarithm of the control filter's output: two's logarithm, a limited line and a power of two.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clarity.evaluator.ear_model.compression import GainCurve, gain_low_pass
from clarity.evaluator.engine.elementary import DB_PER_OCTAVE, exp2, log2
from clarity.evaluator.engine.jit import kernel
from clarity.evaluator.engine.vector import (
    N_ROWS,
    load,
    load_rows,
    maximum,
    minimum,
    repeat,
    store,
)


def power_gain_curve(
    curve: GainCurve,
    control_gain: NDArray[np.float64],
    main_gain: NDArray[np.float64],
    level1: float,
) -> NDArray[np.float64]:
    """Gain curve over the power p that the control filter puts out.

    The level is l = level1 + 20 log10(control gain) + 10 log10(p), and the gain in dB is
    `GainCurve.gain_db`. In octaves that is offset - slope * log2(p), log2(p) held between two
    limits.

    Parameters
    ----------
    curve : GainCurve
        Gain of the outer hair cells of all bands.
    control_gain, main_gain : ndarray, shape (32,)
        Gains of the filters, see `cascade_gain`; the main filter's becomes part of the curve.
    level1 : float
        Level in dB SPL of a signal with an RMS of 1.

    Returns
    -------
    ndarray, shape (4, 32)
        Lower limit, upper limit, slope and offset.
    """
    db_per_log2_power = DB_PER_OCTAVE / 2.0
    silent_db = level1 + 20.0 * np.log10(control_gain)
    gain_at_knee = curve.gain_at_lower_knee_db / DB_PER_OCTAVE
    lower = (curve.lower_knee_db - silent_db) / db_per_log2_power
    upper = (curve.upper_knee_db - silent_db) / db_per_log2_power
    slope = curve.slope * db_per_log2_power / DB_PER_OCTAVE
    offset = gain_at_knee + slope * lower + np.log2(main_gain)
    return np.stack((lower, upper, slope, offset))


_NUMERATOR, _DENOMINATOR = gain_low_pass()
# y[n] = b (x[n] + x[n-1]) + a y[n-1]
_LOW_PASS_B, _LOW_PASS_A = float(_NUMERATOR[0]), float(-_DENOMINATOR[1])
_MEMORY_FROM_INPUT = _LOW_PASS_B * (1.0 + _LOW_PASS_A)


@kernel
def gain_block(
    memory: NDArray[np.float64],
    curve: NDArray[np.float64],
    power: NDArray[np.float64],
    gain: NDArray[np.float64],
) -> None:
    """Gain of each sample of a signal.

    Parameters
    ----------
    memory : ndarray, shape (1, WIDTH)
        State of the gain's low-pass, 0 before the first block; updated.
    curve : ndarray, shape (4, WIDTH)
        Lower limit, upper limit, slope and offset, see `power_gain_curve`.
    power : ndarray, shape (samples, WIDTH)
        Output of `gammatone.control_block`; a multiple of `N_ROWS` samples.
    gain : ndarray, shape (samples, WIDTH)
        Receives the smoothed gain.
    """
    lower, upper = repeat(load(curve, 0)), repeat(load(curve, 1))
    slope, offset = repeat(load(curve, 2)), repeat(load(curve, 3))
    for n in range(0, power.shape[0], N_ROWS):
        level = minimum(maximum(log2(load_rows(power, n)), lower), upper)
        store(gain, n, exp2(offset - slope * level))
    kept = load(memory, 0)
    for n in range(power.shape[0]):
        x = load(gain, n)
        store(gain, n, _LOW_PASS_B * x + kept)
        # b x + a y, in a form that keeps the next sample waiting for one operation only.
        kept = _LOW_PASS_A * kept + _MEMORY_FROM_INPUT * x
    store(memory, 0, kept)
