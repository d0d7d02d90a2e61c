"""Alignment of the whole signals in time."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from clarity.evaluator.engine.jit import kernel

_SMALLEST_ENERGY = 1e-200
_MODULATION_BLOCK = 32
_SINGLE_PRECISION_ERROR = 1e-5
"""Ten times what rounding to single precision changes of correlations of signals of energy 1."""


def bulk_delay(
    reference: NDArray[np.float64], processed: NDArray[np.float64], n_threads: int
) -> int:
    """Lag d with the largest |sum r[n] p[n + d]|, means removed; of equal ones the last.

    A cyclic correlation c+[d] = c[d] + c[d - m] of m >= n points and a negacyclic one,
    c-[d] = c[d] - c[d - m], hold all lags of the linear correlation c, each in half the memory.

    Single precision takes half the time of double precision. It is enough where the largest
    correlation exceeds all others by more than its errors.
    """
    lag, lead = _peak_in_precision(np.complex64, reference, processed, n_threads)
    if lead < _SINGLE_PRECISION_ERROR:
        lag, _ = _peak_in_precision(np.complex128, reference, processed, n_threads)
    return lag


def _peak_in_precision(
    precision: type[np.complexfloating],
    reference: NDArray[np.float64],
    processed: NDArray[np.float64],
    n_threads: int,
) -> tuple[int, float]:
    """See `_last_peak`, of the correlation of signals scaled to an energy of about 1."""
    packed = _packed(reference, processed, precision)
    cyclic = _half_correlation(packed.copy(), False, n_threads).real.copy()
    negacyclic = _half_correlation(packed, True, n_threads).real
    return _last_peak(cyclic, negacyclic, reference.size)


def _packed(
    reference: NDArray[np.float64],
    processed: NDArray[np.float64],
    precision: type[np.complexfloating],
) -> NDArray[np.complexfloating]:
    """Both real signals as one complex signal r + j p, in a nearly square array."""
    n = reference.size
    n_rows = fft.next_fast_len(math.ceil(math.sqrt(n)))
    n_columns = fft.next_fast_len(math.ceil(n / n_rows))
    z = np.zeros((n_rows, n_columns), precision)
    signals = (reference, processed)
    # Signals of like level keep the packed transform precise; powers of two lose nothing.
    energies = np.maximum([np.einsum("i,i", x, x) for x in signals], _SMALLEST_ENERGY)
    scales = 2.0 ** -np.rint(0.5 * np.log2(energies))
    _pack(*signals, reference.mean(), processed.mean(), scales, z.reshape(-1))
    return z


def _half_correlation(
    z: NDArray[np.complexfloating], negacyclic: bool, n_threads: int
) -> NDArray[np.complexfloating]:
    """Cyclic or negacyclic correlation of packed signals, as the real part of the result.

    Negacyclic means: from the spectra between the bins, at frequencies (k + 1/2)/m, which are the
    bins of the signals times exp(-j pi n/m).

    The transform of m = rows x columns points goes by columns, then by rows (Bailey 1990), which
    keeps to the cache, needs no large tables and runs on several threads. Bin k lies in row
    k % rows and column k // rows.
    """
    angle = np.pi / z.size if negacyclic else 0.0
    fine = np.zeros(_MODULATION_BLOCK, np.complex128)
    _modulate(z.reshape(-1), -angle, fine)
    z = fft.fft(z, axis=0, overwrite_x=True, workers=n_threads)
    _modulate_rows(z, -2.0 * np.pi / z.size, fine)
    z = fft.fft(z, axis=1, overwrite_x=True, workers=n_threads)
    _cross_spectrum(z, 1 if negacyclic else 0)
    z = fft.ifft(z, axis=1, overwrite_x=True, workers=n_threads)
    _modulate_rows(z, 2.0 * np.pi / z.size, fine)
    flat = fft.ifft(z, axis=0, overwrite_x=True, workers=n_threads).reshape(-1)
    _modulate(flat, angle, fine)
    return flat


@kernel
def _pack(
    reference: NDArray[np.float64],
    processed: NDArray[np.float64],
    reference_mean: float,
    processed_mean: float,
    scales: NDArray[np.float64],
    z: NDArray[np.complexfloating],
) -> None:
    """Both signals, scaled and without their means, as real and imaginary part."""
    for n in range(reference.size):
        z[n] = complex(
            scales[0] * (reference[n] - reference_mean),
            scales[1] * (processed[n] - processed_mean),
        )


@kernel
def _modulate(z: NDArray[np.complex128], angle: float, fine: NDArray[np.complex128]) -> None:
    """Multiply by exp(j angle n), in place; each angle is the sum of a coarse and a fine one."""
    if angle == 0.0:
        return
    for i in range(fine.size):
        fine[i] = np.exp(1j * angle * i)
    for first in range(0, z.size, _MODULATION_BLOCK):
        coarse = np.exp(1j * angle * first)
        block = z[first : first + _MODULATION_BLOCK]
        for i in range(block.size):
            block[i] *= coarse * fine[i]


@kernel
def _modulate_rows(z: NDArray[np.complex128], angle: float, fine: NDArray[np.complex128]) -> None:
    """Multiply row i, column j by exp(j angle i j), in place."""
    for row in range(z.shape[0]):
        _modulate(z[row], angle * row, fine)


@kernel
def _cross_spectrum(z: NDArray[np.complex128], offset: int) -> None:
    """Turn the spectrum Z of r + j p into the cross-spectrum of r and p, in place.

    conj(R) P is Im(Z[k] Z[-k])/2 - j (|Z[k]|^2 - |Z[-k]|^2)/4. With an offset of 1, the bin at the
    negative frequency of k is not -k but -k - 1.
    """
    n_rows, n_columns = z.shape
    for row in range(n_rows):
        # The mirror of bin k = row + n_rows * column, with a carry from row to column.
        other_row = (n_rows - row - offset) % n_rows
        carry = 1 if row + offset > 0 else 0
        if other_row < row:
            continue
        for column in range(n_columns):
            other_column = n_columns - column - carry
            if other_column == n_columns:
                other_column = 0
            if other_row == row and other_column < column:
                continue
            a, b = z[row, column], z[other_row, other_column]
            real = 0.5 * (a.real * b.imag + a.imag * b.real)
            imag = 0.25 * (b.real * b.real + b.imag * b.imag - a.real * a.real - a.imag * a.imag)
            z[row, column] = complex(real, imag)
            z[other_row, other_column] = complex(real, -imag)


@kernel
def _last_peak(
    cyclic: NDArray[np.floating], negacyclic: NDArray[np.floating], n: int
) -> tuple[int, float]:
    """Lag of the largest of the magnitudes |c|, of lags -(n-1)..n-1; of equal ones the last.

    Also by how much it exceeds all others.
    """
    m = cyclic.size
    highest = second = -1.0
    peak_lag = 0
    for lag in range(1 - n, n):
        if lag < 0:
            value = 0.5 * abs(cyclic[m + lag] - negacyclic[m + lag])
        else:
            value = 0.5 * abs(cyclic[lag] + negacyclic[lag])
        if value >= highest:
            highest, second, peak_lag = value, highest, lag
        elif value > second:
            second = value
    return peak_lag, highest - second
