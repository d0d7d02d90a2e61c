"""The stages up to the compressed signal of a band, four bands and one hop at a time.

Keeping the compressed signals of all bands would take gigabytes. They are cheaper to compute twice
(once to find the delay of a band, once to use it) than to fetch from memory. What takes longest to
compute, the gain of the compression, is kept for the first `MAX_KEPT_GAINS` samples.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clarity.evaluator.ear_model.compression import GainCurve
from clarity.evaluator.ear_model.gammatone import GammatoneFilters
from clarity.evaluator.engine.compression import gain_block, gain_law, smooth_gain_block
from clarity.evaluator.engine.constants import HOP, LANES
from clarity.evaluator.engine.gammatone import (
    control_block,
    filter_taps,
    main_block,
    resting_state,
    rotation,
)
from clarity.evaluator.engine.jit import kernel
from clarity.evaluator.engine.lanes import (
    add,
    aligned,
    aligned_zeros,
    clear_rows,
    copy_rows,
    load,
    splat,
    store,
)

MAX_KEPT_GAINS = 1350 * HOP
"""Samples whose gains are kept: 10.8 s, which takes 8 MB for four bands of a signal."""

_N_CONTROL_ROWS = 11


class Cochlea(NamedTuple):
    """One signal on its way through four bands.

    Attributes
    ----------
    x : ndarray, shape (samples,)
        Signal behind the middle ear.
    shift : ndarray, shape (2, 4)
        Frequency shift, see `gammatone.rotation`.
    control_taps, main_taps : ndarray, shape (6, 4)
        Filters, see `gammatone.filter_taps`.
    law : ndarray, shape (4, HOP * 4)
        Compression, see `compression.gain_block`.
    control_states : ndarray, shape (2, 11, 4)
        State of the control filter and of the gain's low-pass, among the kept gains and behind
        them.
    main_state : ndarray, shape (10, 4)
        State of the main filter.
    kept_gains : ndarray, shape (whole hops, 4)
        Gains of the first samples.
    gains_known : bool
        Whether `kept_gains` has been filled.
    control_power, gain : ndarray, shape (HOP, 4)
        Scratch.
    """

    x: NDArray[np.float64]
    shift: NDArray[np.float64]
    control_taps: NDArray[np.float64]
    main_taps: NDArray[np.float64]
    law: NDArray[np.float64]
    control_states: NDArray[np.float64]
    main_state: NDArray[np.float64]
    kept_gains: NDArray[np.float64]
    gains_known: bool
    control_power: NDArray[np.float64]
    gain: NDArray[np.float64]

    def rewound(self) -> Cochlea:
        """Return the cochlea at rest, with the gains that it has kept; shares its arrays."""
        self.main_state[:] = resting_state()
        return self._replace(gains_known=True)


def lane_rows(rows: NDArray[np.float64], group: int) -> NDArray[np.float64]:
    """Columns of one group of four bands, out of (rows, 32)."""
    return np.ascontiguousarray(rows[..., LANES * group : LANES * (group + 1)])


def n_kept_gains(n_samples: int) -> int:
    """Count the samples of a signal whose gains are kept, in whole hops."""
    return min(HOP * -(-n_samples // HOP), MAX_KEPT_GAINS)


def open_cochlea(
    x: NDArray[np.float64],
    frequencies_hz: NDArray[np.float64],
    control: GammatoneFilters,
    main: GammatoneFilters,
    curve: GainCurve,
    level1: float,
    group: int,
    scale: NDArray[np.float64],
    kept_gains: NDArray[np.float64],
) -> Cochlea:
    """Cochlea at rest.

    Parameters
    ----------
    x : ndarray, shape (samples,)
        Signal behind the middle ear.
    frequencies_hz : ndarray, shape (32,)
        Centre frequencies in Hz.
    control, main : GammatoneFilters
        Filters of all 32 bands.
    curve : GainCurve
        Gain of the outer hair cells of all 32 bands.
    level1 : float
        Level in dB SPL of a signal with an RMS of 1.
    group : int
        Which four bands.
    scale : ndarray, shape (32,)
        Factors for the outputs.
    kept_gains : ndarray, shape (n_kept_gains(samples) or more, 4)
        Memory for gains.

    Returns
    -------
    Cochlea
        Ready for the first hop.
    """
    law = lane_rows(gain_law(curve, control.gain, main.gain * scale, level1), group)
    control_states = np.zeros((2, _N_CONTROL_ROWS, LANES))
    control_states[0, :-1] = resting_state()
    return Cochlea(
        x=x,
        shift=lane_rows(rotation(frequencies_hz), group),
        control_taps=lane_rows(filter_taps(control), group),
        main_taps=lane_rows(filter_taps(main), group),
        law=aligned(np.tile(law, (1, HOP))),
        control_states=control_states,
        main_state=resting_state(),
        kept_gains=kept_gains[: n_kept_gains(x.size)],
        gains_known=False,
        control_power=aligned_zeros(HOP, LANES),
        gain=aligned_zeros(HOP, LANES),
    )


@kernel
def add_rows(rows: NDArray[np.float64], n_rows: int, total: NDArray[np.float64]) -> None:
    """Add the first rows of an array of shape (rows, 4) to a total of shape (1, 4)."""
    part = splat(0.0)
    for n in range(n_rows):
        part = add(part, load(rows, n))
    store(total, 0, add(load(total, 0), part))


@kernel
def control_energy(
    x: NDArray[np.float64], shift: NDArray[np.float64], coefficients: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Energy of the control envelopes of four bands.

    Parameters
    ----------
    x : ndarray, shape (samples,)
        Signal behind the middle ear.
    shift, coefficients : ndarray, shapes (2, 4) and (6, 4)
        Filters, see `gammatone.control_block`.

    Returns
    -------
    ndarray, shape (1, 4)
        Sum of the squared envelope, before the gain of the filters.
    """
    state = np.zeros((10, LANES))
    state[0] = 1.0
    power = np.empty((HOP, LANES))
    total = np.zeros((1, LANES))
    for first in range(0, x.size, HOP):
        n = min(HOP, x.size - first)
        control_block(x[first : first + n], shift, coefficients, state, power[:n])
        add_rows(power, n, total)
    return total


@kernel
def _gain_hop(cochlea: Cochlea, hop: int, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gains of the samples `x` of a hop, out of the kept ones or computed."""
    n_kept_hops = cochlea.kept_gains.shape[0] // HOP
    is_kept = hop < n_kept_hops
    gain = cochlea.kept_gains[hop * HOP : (hop + 1) * HOP] if is_kept else cochlea.gain
    if is_kept and cochlea.gains_known:
        return gain
    states = cochlea.control_states
    if hop == n_kept_hops:
        copy_rows(states[0], states[1])
    state = states[0 if is_kept else 1]
    control_block(x, cochlea.shift, cochlea.control_taps, state[:-1], cochlea.control_power)
    gain_block(cochlea.control_power.reshape(-1), cochlea.law, gain.reshape(-1))
    smooth_gain_block(gain, state[-1:])
    return gain


@kernel
def compressed_hop(
    cochlea: Cochlea,
    hop: int,
    envelope: NDArray[np.float64],
    motion: NDArray[np.float64],
    energy: NDArray[np.float64],
) -> None:
    """Compressed envelope and motion of the basilar membrane, hop after hop.

    Parameters
    ----------
    cochlea : Cochlea
        The signal and its filters; their states advance.
    hop : int
        Index of the hop; behind the end of the signal all outputs are 0.
    envelope, motion : ndarray, shape (HOP, 4)
        Receive the hop.
    energy : ndarray, shape (1, 4)
        Energy of the envelope before compression and gain is added to it.
    """
    first = hop * HOP
    n = max(0, min(HOP, cochlea.x.size - first))
    if n < HOP:
        clear_rows(envelope[n:])
        clear_rows(motion[n:])
    if n == 0:
        return
    x = cochlea.x[first : first + n]
    gain = _gain_hop(cochlea, hop, x)
    main_block(
        x, cochlea.shift, cochlea.main_taps, cochlea.main_state, gain, envelope, motion, energy
    )
