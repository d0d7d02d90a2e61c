"""Firing-rate adaptation of the inner hair cells.

The adaptation is that of two cascaded RC circuits with time constants of 2 ms (rapid) and 60 ms
(short-term): an onset starts at twice its steady-state rate (Kates 1991).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clarity.evaluator.ear_model.constants import SAMPLE_RATE_HZ

RAPID_S = 0.002
SHORT_TERM_S = 0.060
OVERSHOOT = 2.0


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
