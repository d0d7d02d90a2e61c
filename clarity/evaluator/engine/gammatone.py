"""The gammatone filter bank: 32 fourth-order filters on the basilar membrane.

A band is shifted to 0 Hz, passed through a complex low-pass with a four-fold pole, and shifted back
(Cooke 1991). The magnitude of the low-pass output is the envelope of the band; the real part after
shifting back is the motion of the basilar membrane.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clarity.evaluator.ear_model.constants import LANES, N_BANDS, SAMPLE_RATE_HZ
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

LOWEST_HZ = 80.0
HIGHEST_HZ = 8000.0

# Glasberg & Moore (1990): ERB(f) = MIN_ERB_HZ + f/EAR_Q.
EAR_Q = 9.26449
MIN_ERB_HZ = 24.7
# Bandwidth of a fourth-order gammatone filter in ERBs (Patterson et al. 1992).
BANDWIDTH_ERB = 1.019

FourLanes = tuple[Lanes, Lanes, Lanes, Lanes]
FiveLanes = tuple[Lanes, Lanes, Lanes, Lanes, Lanes]
Taps = tuple[Lanes, Lanes, Lanes, Lanes, Lanes, Lanes]

N_SHIFT_ROWS = 2
N_LOW_PASS_STATES = 4


def centre_frequencies_hz() -> NDArray[np.float64]:
    """Centre frequencies of the bands, equally spaced on the ERB-rate scale (Slaney 1993).

    Returns
    -------
    ndarray, shape (32,)
        From 80 Hz to 8 kHz.
    """
    offset = EAR_Q * MIN_ERB_HZ
    steps = np.arange(1, N_BANDS)
    ratio_step = (math.log(LOWEST_HZ + offset) - math.log(HIGHEST_HZ + offset)) / (N_BANDS - 1)
    falling = -offset + np.exp(steps * ratio_step) * (HIGHEST_HZ + offset)
    return np.concatenate((falling[::-1], [HIGHEST_HZ]))


@dataclass(frozen=True)
class GammatoneFilters:
    """Low-pass filters (1 + 4a/z + 4a^2/z^2) / (1 - a/z)^4 of some bands.

    Attributes
    ----------
    coefficients : ndarray, shape (6, n_bands)
        Numerator of 1/z and 1/z^2, then denominator of 1/z to 1/z^4, multiplied out.
    gain : ndarray, shape (n_bands,)
        Factor that makes the gain 1 at the centre frequency (and 2 before the factor of the
        real part).
    """

    coefficients: NDArray[np.float64]
    gain: NDArray[np.float64]

    def group_delay_samples(self) -> NDArray[np.int64]:
        """Group delay at the centre frequency, in whole samples, shape (n_bands,)."""
        b1, b2, a1, a2, a3, a4 = self.coefficients
        ones = np.ones_like(b1)
        delay = np.empty(b1.size)
        for band, (numerator, denominator) in enumerate(
            zip(np.stack((ones, b1, b2)).T, np.stack((ones, a1, a2, a3, a4)).T, strict=True)
        ):
            # d(phase)/d(frequency) at 0 Hz of B/A is that of the FIR filter B * reversed A,
            # less the order of A. Poles this close to 1 leave an error of 1e-4 samples, and the
            # published scores round the value that has it.
            product = np.convolve(numerator, denominator[::-1])
            delay[band] = np.arange(product.size) @ product / product.sum()
        return np.rint(delay - N_LOW_PASS_STATES).astype(np.int64)


def gammatone_filters(
    bandwidth: NDArray[np.float64], frequencies_hz: NDArray[np.float64]
) -> GammatoneFilters:
    """Design the low-pass filters of some bands.

    Parameters
    ----------
    bandwidth : ndarray, shape (n_bands,)
        Bandwidths relative to normal hearing.
    frequencies_hz : ndarray, shape (n_bands,)
        Centre frequencies in Hz.

    Returns
    -------
    GammatoneFilters
        The filters, without the shift of the frequency.
    """
    # The order of the products matters: (1 - a)^4 is 6e-9 in the lowest band, so a rounding error
    # of a coefficient moves scores by 1e-10, and published scores have these.
    per_hz = 2.0 * np.pi / SAMPLE_RATE_HZ
    erb_hz = MIN_ERB_HZ + frequencies_hz / EAR_Q
    a = np.exp(-(bandwidth * per_hz * erb_hz * BANDWIDTH_ERB))
    a1, a2, a3, a4 = -4.0 * a, 6.0 * a * a, -4.0 * a * a * a, a * a * a * a
    b1, b2 = 4.0 * a, 4.0 * a * a
    gain = 2.0 * (1.0 + a1 + a2 + a3 + a4) / (1.0 + b1 + b2)
    return GammatoneFilters(coefficients=np.stack((b1, b2, a1, a2, a3, a4)), gain=gain)


def rotation(frequencies_hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cosine and sine of the phase advance a sample, shape (2, n_bands)."""
    phase = 2.0 * np.pi * frequencies_hz / SAMPLE_RATE_HZ
    return np.stack((np.cos(phase), np.sin(phase)))


def resting_state() -> NDArray[np.float64]:
    """State of a filter before the first sample.

    Returns
    -------
    ndarray, shape (10, 4)
        Carrier (cosine, sine), then four states of the real and four of the imaginary part.
    """
    state = np.zeros((N_SHIFT_ROWS + 2 * N_LOW_PASS_STATES, LANES))
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
        The low-pass filters.
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
        The low-pass filters.
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
