"""The gammatone filter bank; equals `ear_model.gammatone.gammatone`.

The low-pass (1 + 4a/z + 4a^2/z^2) / (1 - a/z)^4 of a band is computed as a cascade of four one-pole
sections: with w1[n] = a w1[n-1] + x[n] and each section fed by the one before it, its output is
9 w4 - 12 w3 + 4 w2, because (1 + 2a/z)^2 = (3 - 2 (1 - a/z))^2: no delays are to be kept.

Both signals share the carrier: shifting down and up again by one carrier cancels its phase.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clarity.evaluator.ear_model.gammatone import GammatoneFilters, phase_per_sample
from clarity.evaluator.engine.estimates import sqrt
from clarity.evaluator.engine.jit import kernel
from clarity.evaluator.engine.vector import WIDTH, Vector, aligned_zeros, load, store

_OUTPUT_SCALE = 4.0
"""Factor that `_low_pass` leaves out."""

Sections = tuple[Vector, Vector, Vector, Vector]

_N_STATES = 8
"""Rows of state of one signal: four sections of the real part, four of the imaginary part."""


def cascade_gain(filters: GammatoneFilters) -> NDArray[np.float64]:
    """Gain for outputs of `_low_pass`, shape (n_bands,)."""
    return _OUTPUT_SCALE * filters.gain


class FilterPair(NamedTuple):
    """Filters of `WIDTH` bands for the reference and the processed signal.

    Attributes
    ----------
    step : ndarray, shape (2, WIDTH)
        Cosine and sine of the carrier's phase advance per sample.
    poles : ndarray, shape (2, WIDTH)
        Four-fold poles of both signals' filters.
    """

    step: NDArray[np.float64]
    poles: NDArray[np.float64]


def filter_pair(
    reference: GammatoneFilters, processed: GammatoneFilters, bands: slice
) -> FilterPair:
    """Take the filters of some bands."""
    phase = phase_per_sample(reference.frequencies_hz[bands])
    pair = FilterPair(aligned_zeros(2, WIDTH), aligned_zeros(2, WIDTH))
    pair.step[:] = np.cos(phase), np.sin(phase)
    pair.poles[:] = reference.pole[bands], processed.pole[bands]
    return pair


def resting_state() -> NDArray[np.float64]:
    """State of a filter pair before the first sample: carrier, reference, processed signal."""
    state = aligned_zeros(2 + 2 * _N_STATES, WIDTH)
    state[0] = 1.0
    return state


@kernel
def _low_pass(a: Vector, x: Vector, w: Sections) -> tuple[Vector, Sections]:
    """One sample of the low-pass: a quarter of its output, and its sections after it."""
    w1 = a * w[0] + x
    w2 = a * w[1] + w1
    w3 = a * w[2] + w2
    w4 = a * w[3] + w3
    return w2 - 3.0 * w3 + 2.25 * w4, (w1, w2, w3, w4)


@kernel
def _rotate(cosine: Vector, sine: Vector, step: tuple[Vector, Vector]) -> tuple[Vector, Vector]:
    """Advance a carrier by the angle of one sample."""
    return cosine * step[0] - sine * step[1], sine * step[0] + cosine * step[1]


@kernel
def _load_sections(state: NDArray[np.float64], first: int) -> Sections:
    """State of the real or the imaginary part of one filter."""
    return (
        load(state, first),
        load(state, first + 1),
        load(state, first + 2),
        load(state, first + 3),
    )


@kernel
def _store_sections(state: NDArray[np.float64], first: int, sections: Sections) -> None:
    """Write the state of the real or the imaginary part of one filter."""
    store(state, first, sections[0])
    store(state, first + 1, sections[1])
    store(state, first + 2, sections[2])
    store(state, first + 3, sections[3])


@kernel
def control_block(
    state: NDArray[np.float64],
    filters: FilterPair,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    power: NDArray[np.float64],
) -> None:
    """Control filters of both signals, which are the same, for a block of samples.

    Parameters
    ----------
    state : ndarray, shape (18, WIDTH)
        `resting_state()` before the first block; updated.
    filters : FilterPair
        The control filters; the first pole counts.
    x, y : ndarray, shape (samples,)
        Reference and processed signal behind the middle ear.
    power : ndarray, shape (2, samples or more, WIDTH)
        Receives the squared envelopes, without gain.
    """
    power_x, power_y = power[0], power[1]
    step = load(filters.step, 0), load(filters.step, 1)
    a = load(filters.poles, 0)
    cosine, sine = load(state, 0), load(state, 1)
    x_re, x_im = _load_sections(state, 2), _load_sections(state, 6)
    y_re, y_im = _load_sections(state, 10), _load_sections(state, 14)
    for n in range(x.size):
        re, x_re = _low_pass(a, x[n] * cosine, x_re)
        im, x_im = _low_pass(a, x[n] * sine, x_im)
        store(power_x, n, re * re + im * im)
        re, y_re = _low_pass(a, y[n] * cosine, y_re)
        im, y_im = _low_pass(a, y[n] * sine, y_im)
        store(power_y, n, re * re + im * im)
        cosine, sine = _rotate(cosine, sine, step)
    store(state, 0, cosine)
    store(state, 1, sine)
    _store_sections(state, 2, x_re)
    _store_sections(state, 6, x_im)
    _store_sections(state, 10, y_re)
    _store_sections(state, 14, y_im)


class Output(NamedTuple):
    """Rows of some samples of one signal in `WIDTH` bands.

    Attributes
    ----------
    envelope, motion : ndarray, shape (samples, WIDTH)
        Envelope, and motion of the basilar membrane.
    """

    envelope: NDArray[np.float64]
    motion: NDArray[np.float64]


@kernel
def main_block(
    state: NDArray[np.float64],
    filters: FilterPair,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    gain: tuple[NDArray[np.float64], NDArray[np.float64]],
    outputs: tuple[Output, Output],
    energy: NDArray[np.float64],
) -> None:
    """Apply the main filters of both signals and a gain to a block of samples.

    Parameters
    ----------
    state : ndarray, shape (18, WIDTH)
        `resting_state()` before the first block; updated.
    filters : FilterPair
        The main filters.
    x, y : ndarray, shape (samples,)
        Reference and processed signal behind the middle ear.
    gain : tuple of two ndarrays, shape (samples, WIDTH)
        Factor for each sample of the outputs.
    outputs : tuple of two Output
        Receive envelope and motion of both signals, times the gain.
    energy : ndarray, shape (2, WIDTH)
        Energy of the envelopes, without gain, is added to it.
    """
    gain_x, gain_y = gain
    out_x, out_y = outputs
    step = load(filters.step, 0), load(filters.step, 1)
    a, b = load(filters.poles, 0), load(filters.poles, 1)
    cosine, sine = load(state, 0), load(state, 1)
    x_re, x_im = _load_sections(state, 2), _load_sections(state, 6)
    y_re, y_im = _load_sections(state, 10), _load_sections(state, 14)
    energy_x, energy_y = load(energy, 0), load(energy, 1)
    for n in range(x.size):
        re, x_re = _low_pass(a, x[n] * cosine, x_re)
        im, x_im = _low_pass(a, x[n] * sine, x_im)
        power = re * re + im * im
        energy_x += power
        factor = load(gain_x, n)
        store(out_x.envelope, n, factor * sqrt(power))
        store(out_x.motion, n, factor * (re * cosine + im * sine))
        re, y_re = _low_pass(b, y[n] * cosine, y_re)
        im, y_im = _low_pass(b, y[n] * sine, y_im)
        power = re * re + im * im
        energy_y += power
        factor = load(gain_y, n)
        store(out_y.envelope, n, factor * sqrt(power))
        store(out_y.motion, n, factor * (re * cosine + im * sine))
        cosine, sine = _rotate(cosine, sine, step)
    store(state, 0, cosine)
    store(state, 1, sine)
    _store_sections(state, 2, x_re)
    _store_sections(state, 6, x_im)
    _store_sections(state, 10, y_re)
    _store_sections(state, 14, y_im)
    store(energy, 0, energy_x)
    store(energy, 1, energy_y)
