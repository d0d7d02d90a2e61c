"""Firing-rate adaptation of the inner hair cells (Harris & Dallos 1979, Kates 1991).

Two cascaded RC circuits with time constants of 2 ms (rapid) and 60 ms (short-term adaptation): an
onset starts at twice its steady-state rate.
"""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import NDArray

from clarity.evaluator.ear_model.constants import SAMPLE_RATE_HZ, TINY

RAPID_S = 0.002
"""Time constant of the rapid adaptation (Kates 2013)."""

SHORT_TERM_S = 0.060
"""Time constant of the short-term adaptation (Harris & Dallos 1979; Kates 2013)."""

OVERSHOOT = 2.0
"""Rate at an onset over the steady-state rate (Kates's program)."""


def adaptation_circuit() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Backward-Euler step of the circuit.

    Returns
    -------
    from_input : ndarray, shape (2,)
        Weight of the input in the new voltages v1 and v2.
    from_voltages : ndarray, shape (2, 2)
        Weights of the old voltages (columns) in the new ones (rows).
    """
    r1 = 1.0 / OVERSHOOT
    r2 = r3 = 0.5 * (1.0 - r1)
    c1 = RAPID_S * (r1 + r2) / (r1 * r2)
    c2 = SHORT_TERM_S / ((r1 + r2) * r3)
    a11 = r1 + r2 + r1 * r2 * c1 * SAMPLE_RATE_HZ
    a12 = -r1
    a21 = -r3
    a22 = r2 + r3 + r2 * r3 * c2 * SAMPLE_RATE_HZ
    determinant = a11 * a22 - a12 * a21
    from_v1 = r1 * r2 * c1 * SAMPLE_RATE_HZ
    from_v2 = r2 * r3 * c2 * SAMPLE_RATE_HZ
    return (
        np.array([a22 * r2, -a21 * r2]) / determinant,
        np.array([[a22 * from_v1, -a12 * from_v2], [-a21 * from_v1, a11 * from_v2]]) / determinant,
    )


def adapt(
    level: NDArray[np.float64], motion: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute the firing rate max(0, overshoot (e - v1)) with v1 the circuit's response to level e.

    The motion of the basilar membrane takes on the firing rate as its amplitude.

    Parameters
    ----------
    level, motion : ndarray, shape (n_bands, samples)
        Envelope and motion in dB SL.

    Returns
    -------
    rate, motion : ndarray, shape (n_bands, samples)
        Both in dB SL; a steady level is its own rate.
    """
    (from_input_1, from_input_2), ((m11, m12), (m21, m22)) = adaptation_circuit()
    # v = from_input e + M v/z, solved for v1: a filter of e, pole by pole because both are near 1.
    root = np.sqrt((m11 - m22) ** 2 + 4.0 * m12 * m21)
    slow, fast = 0.5 * (m11 + m22 + root), 0.5 * (m11 + m22 - root)
    numerator = [from_input_1, m12 * from_input_2 - m22 * from_input_1]
    v1 = scipy.signal.lfilter(
        numerator, [1.0, -slow], scipy.signal.lfilter([1.0], [1.0, -fast], level)
    )
    rate = np.maximum(OVERSHOOT * (level - v1), 0.0)
    return rate, motion * ((rate + TINY) / (level + TINY))
