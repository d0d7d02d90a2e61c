"""Dynamic-range compression by the outer hair cells.

The level of the control envelope sets a gain, sample by sample; the gain follows it with the
sluggishness of a first-order low-pass at 800 Hz.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clarity.evaluator.ear_model.compression import GainCurve, gain_low_pass
from clarity.evaluator.engine.elementary import DB_PER_OCTAVE, exp2, log2
from clarity.evaluator.engine.jit import kernel
from clarity.evaluator.engine.lanes import add, load, scale, store


def gain_law(
    curve: GainCurve,
    control_gain: NDArray[np.float64],
    main_gain: NDArray[np.float64],
    level1: float,
) -> NDArray[np.float64]:
    """Coefficients of the gain as a power of the control filter's squared envelope.

    With p the squared output of the control low-pass, the level is l = level1 + 20 log10(control
    gain) + 10 log10(p), and the gain in dB is `GainCurve.gain_db`. In octaves of p that is
    offset - slope * log2(p), log2(p) held between two limits.

    Parameters
    ----------
    curve : GainCurve
        Gain of the outer hair cells of all bands.
    control_gain, main_gain : ndarray, shape (32,)
        Gains of the gammatone filters; the main filter's becomes part of the law.
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
    return np.stack((lower, upper, slope, gain_at_knee + slope * lower + np.log2(main_gain)))


_NUMERATOR, _DENOMINATOR = gain_low_pass()
# y[n] = b (x[n] + x[n-1]) + a y[n-1]
GAIN_LOW_PASS_B, GAIN_LOW_PASS_A = float(_NUMERATOR[0]), float(-_DENOMINATOR[1])
_MEMORY_FROM_INPUT = GAIN_LOW_PASS_B * (1.0 + GAIN_LOW_PASS_A)


@kernel
def gain_block(
    control_power: NDArray[np.float64], law: NDArray[np.float64], gain: NDArray[np.float64]
) -> None:
    """Gain of each sample before the low-pass.

    Parameters
    ----------
    control_power : ndarray, shape (samples * 4,)
        Squared output of the control low-pass.
    law : ndarray, shape (4, samples * 4)
        Lower limit, upper limit, slope and offset, see `gain_law`, repeated for every sample.
    gain : ndarray, shape (samples * 4,)
        Receives the gain.
    """
    lower, upper, slope, offset = law[0], law[1], law[2], law[3]
    # Two loops, because a processor works on more samples at a time where each takes less long.
    for i in range(gain.size):
        level = log2(control_power[i])
        level = level if level > lower[i] else lower[i]
        level = level if level < upper[i] else upper[i]
        gain[i] = offset[i] - slope[i] * level
    for i in range(gain.size):
        gain[i] = exp2(gain[i])


@kernel
def smooth_gain_block(gain: NDArray[np.float64], state: NDArray[np.float64]) -> None:
    """Low-pass for the gain of four bands, in place.

    Parameters
    ----------
    gain : ndarray, shape (samples, 4)
        Gain from `gain_block`; smoothed.
    state : ndarray, shape (1, 4)
        State of the low-pass, 0 before the first block; updated.
    """
    memory = load(state, 0)
    for n in range(gain.shape[0]):
        x = load(gain, n)
        store(gain, n, add(scale(GAIN_LOW_PASS_B, x), memory))
        # b x + a y, in a form that keeps the next sample waiting for one operation only.
        memory = add(scale(GAIN_LOW_PASS_A, memory), scale(_MEMORY_FROM_INPUT, x))
    store(state, 0, memory)
