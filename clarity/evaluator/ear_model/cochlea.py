"""The stages up to the compressed signal of a band, four bands and one hop at a time.

Keeping the compressed signals of all bands would take gigabytes. They are cheaper to compute twice
(once to find the delay of a band, once to use it) than to fetch from memory.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clarity.evaluator.ear_model.compression import compress_block, gain_block, gain_law
from clarity.evaluator.ear_model.constants import HOP, LANES
from clarity.evaluator.ear_model.gammatone import (
    GammatoneFilters,
    control_block,
    filter_block,
    resting_state,
    rotation,
)
from clarity.evaluator.ear_model.hearing_loss import HearingLoss
from clarity.evaluator.ear_model.jit import kernel
from clarity.evaluator.ear_model.lanes import add, clear_rows, load, splat, store


class Cochlea(NamedTuple):
    """One signal on its way through four bands.

    Attributes
    ----------
    x : ndarray, shape (samples,)
        Signal behind the middle ear.
    shift, coefficients : ndarray, shapes (2, 4) and (12, 4)
        Filters, see `gammatone.filter_block`.
    law : ndarray, shape (4, HOP * 4)
        Compression, see `compression.gain_block`.
    filter_state, gain_state : ndarray, shapes (18, 4) and (1, 4)
        States of the recursive filters.
    control_power, gain : ndarray, shape (HOP, 4)
        Scratch.
    """

    x: NDArray[np.float64]
    shift: NDArray[np.float64]
    coefficients: NDArray[np.float64]
    law: NDArray[np.float64]
    filter_state: NDArray[np.float64]
    gain_state: NDArray[np.float64]
    control_power: NDArray[np.float64]
    gain: NDArray[np.float64]


def lane_rows(rows: NDArray[np.float64], group: int) -> NDArray[np.float64]:
    """Columns of one group of four bands, out of (rows, 32)."""
    return np.ascontiguousarray(rows[..., LANES * group : LANES * (group + 1)])


def open_cochlea(
    x: NDArray[np.float64],
    frequencies_hz: NDArray[np.float64],
    control: GammatoneFilters,
    main: GammatoneFilters,
    loss: HearingLoss,
    level1: float,
    group: int,
    scale: NDArray[np.float64] | None = None,
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
    loss : HearingLoss
        Hearing loss of all 32 bands.
    level1 : float
        Level in dB SPL of a signal with an RMS of 1.
    group : int
        Which four bands.
    scale : ndarray, shape (32,), optional
        Factors for the outputs. Default: 1.

    Returns
    -------
    Cochlea
        Ready for the first hop.
    """
    gain = main.gain if scale is None else main.gain * scale
    law = lane_rows(gain_law(loss, control.gain, gain, level1), group)
    return Cochlea(
        x=x,
        shift=lane_rows(rotation(frequencies_hz), group),
        coefficients=lane_rows(np.concatenate((control.coefficients, main.coefficients)), group),
        law=np.tile(law, (1, HOP)),
        filter_state=resting_state(2),
        gain_state=np.zeros((1, LANES)),
        control_power=np.zeros((HOP, LANES)),
        gain=np.zeros((HOP, LANES)),
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
    filter_block(
        cochlea.x[first : first + n],
        cochlea.shift,
        cochlea.coefficients,
        cochlea.filter_state,
        cochlea.control_power[:n],
        envelope[:n],
        motion[:n],
        energy,
    )
    gain_block(cochlea.control_power.reshape(-1), cochlea.law, cochlea.gain.reshape(-1))
    compress_block(cochlea.gain, cochlea.gain_state, envelope, motion)
