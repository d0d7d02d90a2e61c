"""The stages up to the compressed signals of a band, `WIDTH` bands and one hop at a time.

Equals `ear_model.model.outer_hair_cells`. Keeping the compressed signals of all bands would take
gigabytes. They are cheaper to compute twice (once to find the delay of a band, once to use it) than
to fetch from memory. What takes longest to compute, the gain of the compression, is kept for the
first `MAX_KEPT_GAINS` samples.
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

MAX_KEPT_GAINS = 1350 * HOP
"""Samples whose gains are kept: 10.8 s, which takes 17 MB for eight bands of a signal."""


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
    """Where a pass through the signals has got to.

    Attributes
    ----------
    control : ndarray, shape (2, 18, WIDTH)
        State of the control filters, among the kept gains and behind them.
    memory : ndarray, shape (2, 2, WIDTH)
        State of the gains' low-pass, likewise, of both signals.
    main : ndarray, shape (18, WIDTH)
        State of the main filters.
    gains_known : bool
        Whether a pass before this one has filled the kept gains.
    """

    control: NDArray[np.float64]
    memory: NDArray[np.float64]
    main: NDArray[np.float64]
    gains_known: bool

    def reset(self) -> CochleaState:
        """State at the start of another pass, which finds the gains that this one has kept."""
        return self._replace(main=resting_state(), gains_known=True)


class GainBuffers(NamedTuple):
    """Buffers of one thread.

    Attributes
    ----------
    kept : ndarray, shape (2, whole hops, WIDTH)
        Gains of the first samples of both signals.
    power, gain : ndarray, shape (2, HOP, WIDTH)
        Scratch.
    """

    kept: NDArray[np.float64]
    power: NDArray[np.float64]
    gain: NDArray[np.float64]


def first_state() -> CochleaState:
    """State at the start of the first pass."""
    control = aligned_zeros(2, *resting_state().shape)
    control[0] = resting_state()
    return CochleaState(control, aligned_zeros(2, 2, WIDTH), resting_state(), False)


def gain_buffers(n_samples: int) -> GainBuffers:
    """Buffers for signals of some length."""
    n_kept = min(HOP * -(-n_samples // HOP), MAX_KEPT_GAINS)
    scratch = aligned_zeros(2, HOP, WIDTH), aligned_zeros(2, HOP, WIDTH)
    return GainBuffers(aligned_zeros(2, n_kept, WIDTH), *scratch)


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
def _gain_hop(
    state: CochleaState,
    cochlea: Cochlea,
    buffers: GainBuffers,
    hop: int,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gains of the samples x, y of a hop, out of the kept ones or computed."""
    n_kept_hops = buffers.kept.shape[1] // HOP
    is_kept = hop < n_kept_hops
    gain_x, gain_y = buffers.gain[0], buffers.gain[1]
    if is_kept:
        gain_x = buffers.kept[0, hop * HOP : (hop + 1) * HOP]
        gain_y = buffers.kept[1, hop * HOP : (hop + 1) * HOP]
    if is_kept and state.gains_known:
        return gain_x, gain_y
    if hop == n_kept_hops:
        copy_rows(state.control[0], state.control[1])
        copy_rows(state.memory[0], state.memory[1])
    part = 0 if is_kept else 1
    control_block(state.control[part], cochlea.control, x, y, buffers.power)
    memory = state.memory[part]
    gain_block(memory[:1], cochlea.curves[0], buffers.power[0], gain_x)
    gain_block(memory[1:], cochlea.curves[1], buffers.power[1], gain_y)
    return gain_x, gain_y


@kernel
def compressed_hop(
    state: CochleaState,
    cochlea: Cochlea,
    buffers: GainBuffers,
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
    buffers : GainBuffers
        Scratch and kept gains.
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
    gains = _gain_hop(state, cochlea, buffers, hop, x, y)
    main_block(state.main, cochlea.main, x, y, gains, outputs, energy)
