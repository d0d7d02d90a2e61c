"""The gammatone filter bank: 32 fourth-order filters on the basilar membrane.

A band is shifted to 0 Hz, passed through a complex low-pass with a four-fold pole, and shifted back
(Cooke 1991). The magnitude of the low-pass output is the envelope of the band; the real part after
shifting back is the motion of the basilar membrane.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clarity.evaluator.ear_model.gammatone import ORDER, GammatoneFilters, phase_per_sample
from clarity.evaluator.engine.constants import LANES
from clarity.evaluator.engine.jit import inlined, kernel
from clarity.evaluator.engine.lanes import (
    Lanes,
    add,
    load,
    mul,
    power,
    root,
    scale,
    splat,
    store,
    sub,
)

FourLanes = tuple[Lanes, Lanes, Lanes, Lanes]
FiveLanes = tuple[Lanes, Lanes, Lanes, Lanes, Lanes]
Taps = tuple[Lanes, Lanes, Lanes, Lanes, Lanes, Lanes]

N_SHIFT_ROWS = 2


def filter_taps(filters: GammatoneFilters) -> NDArray[np.float64]:
    """Numerator of 1/z and 1/z^2, then denominator of 1/z to 1/z^4, shape (6, n_bands)."""
    return np.concatenate((filters.numerator[1:], filters.denominator[1:]))


def rotation(frequencies_hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cosine and sine of the phase advance per sample, shape (2, n_bands)."""
    phase = phase_per_sample(frequencies_hz)
    return np.stack((np.cos(phase), np.sin(phase)))


def resting_state() -> NDArray[np.float64]:
    """State of a filter before the first sample.

    Returns
    -------
    ndarray, shape (10, 4)
        Carrier (cosine, sine), then four states of the real and four of the imaginary part.
    """
    state = np.zeros((N_SHIFT_ROWS + 2 * ORDER, LANES))
    state[0] = 1.0
    return state


@inlined
def low_pass_step(x: Lanes, taps: Taps, s1: Lanes, s2: Lanes, s3: Lanes, s4: Lanes) -> FiveLanes:
    """One sample of the low-pass in transposed direct form II: its output and next states."""
    b1, b2, a1, a2, a3, a4 = taps
    y = add(x, s1)
    return (
        y,
        sub(add(mul(b1, x), s2), mul(a1, y)),
        sub(add(mul(b2, x), s3), mul(a2, y)),
        sub(s4, mul(a3, y)),
        scale(-1.0, mul(a4, y)),
    )


@inlined
def rotate(cosine: Lanes, sine: Lanes, step: tuple[Lanes, Lanes]) -> tuple[Lanes, Lanes]:
    """Advance a carrier by the angle of one sample."""
    return (
        sub(mul(cosine, step[0]), mul(sine, step[1])),
        add(mul(sine, step[0]), mul(cosine, step[1])),
    )


@inlined
def load_taps(rows: NDArray[np.float64], first: int) -> Taps:
    """Six coefficient rows of one filter."""
    return (
        load(rows, first),
        load(rows, first + 1),
        load(rows, first + 2),
        load(rows, first + 3),
        load(rows, first + 4),
        load(rows, first + 5),
    )


@inlined
def load_state(rows: NDArray[np.float64], first: int) -> FourLanes:
    """Four state rows of one filter."""
    return load(rows, first), load(rows, first + 1), load(rows, first + 2), load(rows, first + 3)


@inlined
def store_state(rows: NDArray[np.float64], first: int, state: FourLanes) -> None:
    """Write four state rows of one filter."""
    store(rows, first, state[0])
    store(rows, first + 1, state[1])
    store(rows, first + 2, state[2])
    store(rows, first + 3, state[3])


@kernel
def control_block(
    x: NDArray[np.float64],
    shift: NDArray[np.float64],
    coefficients: NDArray[np.float64],
    state: NDArray[np.float64],
    control_power: NDArray[np.float64],
) -> None:
    """Control filters of four bands, for a block of samples.

    Parameters
    ----------
    x : ndarray, shape (samples,)
        Signal behind the middle ear.
    shift : ndarray, shape (2, 4)
        Frequency shift, see `rotation`.
    coefficients : ndarray, shape (6, 4)
        The low-pass filters, see `filter_taps`.
    state : ndarray, shape (10, 4)
        `resting_state()` before the first block; updated.
    control_power : ndarray, shape (samples, 4)
        Receives the squared envelopes, before the gain of the filters.
    """
    step = load(shift, 0), load(shift, 1)
    taps = load_taps(coefficients, 0)
    cosine, sine = load(state, 0), load(state, 1)
    r1, r2, r3, r4 = load_state(state, 2)
    i1, i2, i3, i4 = load_state(state, 6)
    for n in range(x.size):
        re, r1, r2, r3, r4 = low_pass_step(scale(x[n], cosine), taps, r1, r2, r3, r4)
        im, i1, i2, i3, i4 = low_pass_step(scale(x[n], sine), taps, i1, i2, i3, i4)
        store(control_power, n, power(re, im))
        cosine, sine = rotate(cosine, sine, step)
    store(state, 0, cosine)
    store(state, 1, sine)
    store_state(state, 2, (r1, r2, r3, r4))
    store_state(state, 6, (i1, i2, i3, i4))


@kernel
def main_block(
    x: NDArray[np.float64],
    shift: NDArray[np.float64],
    coefficients: NDArray[np.float64],
    state: NDArray[np.float64],
    gain: NDArray[np.float64],
    envelope: NDArray[np.float64],
    motion: NDArray[np.float64],
    energy: NDArray[np.float64],
) -> None:
    """Apply the main filters of four bands and a gain to a block of samples.

    Parameters
    ----------
    x : ndarray, shape (samples,)
        Signal behind the middle ear.
    shift : ndarray, shape (2, 4)
        Frequency shift, see `rotation`.
    coefficients : ndarray, shape (6, 4)
        The low-pass filters, see `filter_taps`.
    state : ndarray, shape (10, 4)
        `resting_state()` before the first block; updated.
    gain : ndarray, shape (samples, 4)
        Factor for each sample of the outputs.
    envelope, motion : ndarray, shape (samples, 4)
        Receive the envelope and the output at the centre frequency, times the gain.
    energy : ndarray, shape (1, 4)
        Energy of the low-pass's envelope, without the gain, is added to it.
    """
    step = load(shift, 0), load(shift, 1)
    taps = load_taps(coefficients, 0)
    cosine, sine = load(state, 0), load(state, 1)
    r1, r2, r3, r4 = load_state(state, 2)
    i1, i2, i3, i4 = load_state(state, 6)
    block_energy = splat(0.0)
    for n in range(x.size):
        re, r1, r2, r3, r4 = low_pass_step(scale(x[n], cosine), taps, r1, r2, r3, r4)
        im, i1, i2, i3, i4 = low_pass_step(scale(x[n], sine), taps, i1, i2, i3, i4)
        output_power = power(re, im)
        block_energy = add(block_energy, output_power)
        factor = load(gain, n)
        # The processor takes square roots aside, while the filters run on.
        store(envelope, n, mul(factor, root(output_power)))
        store(motion, n, mul(factor, add(mul(re, cosine), mul(im, sine))))
        cosine, sine = rotate(cosine, sine, step)
    store(state, 0, cosine)
    store(state, 1, sine)
    store_state(state, 2, (r1, r2, r3, r4))
    store_state(state, 6, (i1, i2, i3, i4))
    store(energy, 0, add(load(energy, 0), block_energy))
