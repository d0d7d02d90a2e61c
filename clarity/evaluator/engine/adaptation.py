"""Inner hair cells; equals `ear_model.sensation_level.sensation_level` and `adaptation.adapt`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clarity.evaluator.ear_model.adaptation import OVERSHOOT, adaptation_circuit
from clarity.evaluator.ear_model.constants import TINY
from clarity.evaluator.engine.constants import DENORMAL_GUARD
from clarity.evaluator.engine.elementary import DB_PER_OCTAVE, log2_and_inverse
from clarity.evaluator.engine.jit import kernel
from clarity.evaluator.engine.vector import (
    N_ROWS,
    Vector,
    load,
    load_rows,
    maximum,
    repeat,
    store,
)

_FROM_INPUT, _FROM_VOLTAGES = adaptation_circuit()
_V1_FROM_INPUT, _V2_FROM_INPUT = map(float, _FROM_INPUT)
_V1_FROM_V1, _V1_FROM_V2 = map(float, _FROM_VOLTAGES[0])
_V2_FROM_V1, _V2_FROM_V2 = map(float, _FROM_VOLTAGES[1])


@kernel
def sensation_level_block(
    full_scale_db: NDArray[np.float64], envelope: NDArray[np.float64], level: NDArray[np.float64]
) -> None:
    """Envelope in dB above threshold: max(0, full scale + 20 log10(envelope)).

    Parameters
    ----------
    full_scale_db : ndarray, shape (1, WIDTH)
        Level above threshold of an envelope of 1.
    envelope : ndarray, shape (samples, WIDTH)
        Compressed envelope; becomes its inverse. A multiple of `N_ROWS` samples.
    level : ndarray, shape (samples, WIDTH)
        Receives the level in dB SL.
    """
    full_scale = repeat(load(full_scale_db, 0))
    for n in range(0, level.shape[0], N_ROWS):
        octaves, inverse = log2_and_inverse(load_rows(envelope, n) + TINY)
        store(envelope, n, inverse)
        store(level, n, maximum(full_scale + DB_PER_OCTAVE * octaves, DENORMAL_GUARD))


@kernel
def _circuit_step(x: Vector, v1: Vector, v2: Vector) -> tuple[Vector, Vector, Vector]:
    """One sample of the circuit: its firing rate max(0, 2 (x - v1)) and the next voltages."""
    drive_1 = _V1_FROM_INPUT * x + _V1_FROM_V2 * v2
    drive_2 = _V2_FROM_INPUT * x + _V2_FROM_V2 * v2
    v2 = drive_2 + _V2_FROM_V1 * v1
    v1 = drive_1 + _V1_FROM_V1 * v1
    return maximum(OVERSHOOT * (x - v1), 0.0), v1, v2


@kernel
def adapt_block(
    voltages: NDArray[np.float64],
    inverse_envelope: NDArray[np.float64],
    level: NDArray[np.float64],
    motion: NDArray[np.float64],
) -> None:
    """Adaptation of the firing rate, in place.

    Parameters
    ----------
    voltages : ndarray, shape (2, WIDTH)
        v1 and v2, 0 before the first block; updated.
    inverse_envelope : ndarray, shape (samples, WIDTH)
        Inverse of the compressed envelope.
    level : ndarray, shape (samples, WIDTH)
        Envelope in dB SL; becomes the firing rate.
    motion : ndarray, shape (samples, WIDTH)
        Motion of the basilar membrane; takes on the firing rate as its amplitude.
    """
    v1, v2 = load(voltages, 0), load(voltages, 1)
    for n in range(level.shape[0]):
        rate, v1, v2 = _circuit_step(load(level, n), v1, v2)
        store(level, n, rate)
        store(motion, n, load(motion, n) * ((rate + TINY) * load(inverse_envelope, n)))
    store(voltages, 0, v1)
    store(voltages, 1, v2)
