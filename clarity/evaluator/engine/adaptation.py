"""Loudness and the inner hair cells: dB above threshold and firing-rate adaptation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clarity.evaluator.ear_model.adaptation import OVERSHOOT, adaptation_circuit
from clarity.evaluator.ear_model.constants import TINY
from clarity.evaluator.engine.constants import DENORMAL_GUARD
from clarity.evaluator.engine.elementary import DB_PER_OCTAVE, log2_and_inverse
from clarity.evaluator.engine.jit import inlined, kernel
from clarity.evaluator.engine.lanes import (
    Lanes,
    add,
    load,
    mul,
    positive,
    scale,
    splat,
    store,
    sub,
)

_FROM_INPUT, _FROM_VOLTAGES = adaptation_circuit()
V1_FROM_INPUT, V2_FROM_INPUT = _FROM_INPUT.tolist()
(V1_FROM_V1, V1_FROM_V2), (V2_FROM_V1, V2_FROM_V2) = _FROM_VOLTAGES.tolist()


@kernel
def sensation_level_block(
    envelope: NDArray[np.float64], full_scale_db: NDArray[np.float64], level: NDArray[np.float64]
) -> None:
    """Envelope in dB above threshold: max(0, full scale + 20 log10(envelope)).

    Parameters
    ----------
    envelope : ndarray, shape (samples * 4,)
        Compressed envelope; becomes its inverse.
    full_scale_db : ndarray, shape (samples * 4,)
        Level above threshold of an envelope of 1, repeated for every sample.
    level : ndarray, shape (samples * 4,)
        Receives the level in dB SL.
    """
    for i in range(level.size):
        octaves, inverse = log2_and_inverse(envelope[i] + TINY)
        envelope[i] = inverse
        db = full_scale_db[i] + DB_PER_OCTAVE * octaves
        level[i] = db if db > DENORMAL_GUARD else DENORMAL_GUARD


@inlined
def circuit_step(x: Lanes, v1: Lanes, v2: Lanes) -> tuple[Lanes, Lanes, Lanes]:
    """One sample of the circuit: its firing rate max(0, 2 (x - v1)) and the next voltages."""
    drive_1 = add(scale(V1_FROM_INPUT, x), scale(V1_FROM_V2, v2))
    drive_2 = add(scale(V2_FROM_INPUT, x), scale(V2_FROM_V2, v2))
    v2 = add(drive_2, scale(V2_FROM_V1, v1))
    v1 = add(drive_1, scale(V1_FROM_V1, v1))
    return positive(scale(OVERSHOOT, sub(x, v1))), v1, v2


@kernel
def adapt_block(
    level: NDArray[np.float64],
    inverse_envelope: NDArray[np.float64],
    motion: NDArray[np.float64],
    state: NDArray[np.float64],
) -> None:
    """Adaptation of the firing rate of four bands, in place, for the two signals side by side.

    Each sample waits for the one before it; meanwhile the processor computes the other signal's.

    Parameters
    ----------
    level : ndarray, shape (2, samples, 4)
        Envelopes in dB SL; become the adapted envelopes.
    inverse_envelope : ndarray, shape (2, samples, 4)
        Inverses of the compressed envelopes.
    motion : ndarray, shape (2, samples, 4)
        Motion of the basilar membrane; takes on the amplitude of the adapted envelope.
    state : ndarray, shape (2, 2, 4)
        Voltages v1 and v2 of each signal, 0 before the first block; updated.
    """
    level_x, level_y = level[0], level[1]
    inverse_x, inverse_y = inverse_envelope[0], inverse_envelope[1]
    motion_x, motion_y = motion[0], motion[1]
    x1, x2 = load(state[0], 0), load(state[0], 1)
    y1, y2 = load(state[1], 0), load(state[1], 1)
    for n in range(level.shape[1]):
        rate_x, x1, x2 = circuit_step(load(level_x, n), x1, x2)
        rate_y, y1, y2 = circuit_step(load(level_y, n), y1, y2)
        store(level_x, n, rate_x)
        store(level_y, n, rate_y)
        change_x = mul(add(rate_x, splat(TINY)), load(inverse_x, n))
        change_y = mul(add(rate_y, splat(TINY)), load(inverse_y, n))
        store(motion_x, n, mul(load(motion_x, n), change_x))
        store(motion_y, n, mul(load(motion_y, n), change_y))
    store(state[0], 0, x1)
    store(state[0], 1, x2)
    store(state[1], 0, y1)
    store(state[1], 1, y2)
