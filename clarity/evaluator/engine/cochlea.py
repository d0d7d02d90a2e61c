"""The stages up to the compressed signals of a band, `WIDTH` bands and one hop at a time.

Equals `ear_model.model.outer_hair_cells`. Keeping the compressed signals of all bands would take
gigabytes. They are cheaper to compute twice (once to find the delay of a band, once to use it) than
to fetch from memory.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clarity.evaluator.engine.compression import gain_block
from clarity.evaluator.engine.constants import HOP
from clarity.evaluator.engine.gammatone import (
    FilterPair,
    Output,
    control_block,
    main_block,
    resting_state,
)
from clarity.evaluator.engine.jit import kernel
from clarity.evaluator.engine.vector import WIDTH, aligned_zeros, broadcast, load, store


class Cochlea(NamedTuple):
    """Reference and processed signal in `WIDTH` bands of an ear.

    Attributes
    ----------
    x, y : ndarray, shape (samples,)
        Reference and processed signal behind the middle ear.
    control, main : FilterPair
        Filters.
    curves : tuple of two ndarrays, shape (4, WIDTH)
        Compression of both signals, see `compression.power_gain_curve`.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    control: FilterPair
    main: FilterPair
    curves: tuple[NDArray[np.float64], NDArray[np.float64]]


class CochleaState(NamedTuple):
    """Where a pass through the signals has got to, and scratch.

    Attributes
    ----------
    control, main : ndarray, shape (18, WIDTH)
        States of the control and the main filters.
    memory : ndarray, shape (2, WIDTH)
        State of the gains' low-pass of both signals.
    power, gain : ndarray, shape (2, HOP, WIDTH)
        Scratch: output of the control filters and gains of a hop.
    """

    control: NDArray[np.float64]
    main: NDArray[np.float64]
    memory: NDArray[np.float64]
    power: NDArray[np.float64]
    gain: NDArray[np.float64]


def first_state() -> CochleaState:
    """State at the start of a pass."""
    scratch = aligned_zeros(2, HOP, WIDTH), aligned_zeros(2, HOP, WIDTH)
    return CochleaState(resting_state(), resting_state(), aligned_zeros(2, WIDTH), *scratch)


@kernel
def clear_rows(rows: NDArray[np.float64]) -> None:
    """Set rows of an array of shape (rows, WIDTH) to 0."""
    for n in range(rows.shape[0]):
        store(rows, n, broadcast(0.0))


@kernel
def copy_rows(source: NDArray[np.float64], target: NDArray[np.float64]) -> None:
    """Copy rows of an array of shape (rows, WIDTH)."""
    for n in range(target.shape[0]):
        store(target, n, load(source, n))


@kernel
def control_energy(
    state: NDArray[np.float64],
    filters: FilterPair,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    power: NDArray[np.float64],
    energy: NDArray[np.float64],
) -> None:
    """Energy of the control envelopes.

    Parameters
    ----------
    state : ndarray, shape (18, WIDTH)
        `gammatone.resting_state()`; overwritten.
    filters : FilterPair
        The control filters.
    x, y : ndarray, shape (samples,)
        Reference and processed signal behind the middle ear.
    power : ndarray, shape (2, HOP, WIDTH)
        Scratch.
    energy : ndarray, shape (2, WIDTH)
        Receives the sums of the squared envelopes, without gain.
    """
    total_x = total_y = broadcast(0.0)
    power_x, power_y = power[0], power[1]
    for first in range(0, x.size, HOP):
        n = min(HOP, x.size - first)
        control_block(state, filters, x[first : first + n], y[first : first + n], power)
        for i in range(n):
            total_x += load(power_x, i)
            total_y += load(power_y, i)
    store(energy, 0, total_x)
    store(energy, 1, total_y)


@kernel
def compressed_hop(
    state: CochleaState,
    cochlea: Cochlea,
    hop: int,
    outputs: tuple[Output, Output],
    energy: NDArray[np.float64],
) -> None:
    """Compressed envelopes and motions of the basilar membrane, hop after hop.

    Parameters
    ----------
    state : CochleaState
        Advances by a hop.
    cochlea : Cochlea
        The signals and their filters.
    hop : int
        Index of the hop; behind the end of the signals all outputs are 0.
    outputs : tuple of two Output
        HOP rows of both signals, which receive the hop.
    energy : ndarray, shape (2, WIDTH)
        See `gammatone.main_block`.
    """
    first = hop * HOP
    n = max(0, min(HOP, cochlea.x.size - first))
    if n < HOP:
        for output in outputs:
            clear_rows(output.envelope[n:])
            clear_rows(output.motion[n:])
    if n == 0:
        return
    x, y = cochlea.x[first : first + n], cochlea.y[first : first + n]
    control_block(state.control, cochlea.control, x, y, state.power)
    gains = state.gain[0], state.gain[1]
    gain_block(state.memory[:1], cochlea.curves[0], state.power[0], gains[0])
    gain_block(state.memory[1:], cochlea.curves[1], state.power[1], gains[1])
    main_block(state.main, cochlea.main, x, y, gains, outputs, energy)
