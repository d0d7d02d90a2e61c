"""Alignment of the whole signals in time, and removal of silence at the ends."""

from __future__ import annotations

from concurrent.futures import Executor

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from clarity.evaluator.ear_model.constants import SAMPLE_RATE_HZ
from clarity.evaluator.ear_model.jit import kernel

_DISPERSION_S = 0.002
_SILENCE_RATIO = 0.001
_SMALLEST_ENERGY = 1e-200
_TURN_BLOCK = 1024


def align_and_prune(
    reference: NDArray[np.float64], processed: NDArray[np.float64], pool: Executor
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cut both signals to the same length, line them up and drop silent ends.

    The processed signal moves by the peak of the cross-correlation, less 2 ms that the dispersion
    of the cochlea may need. Ends where the reference stays below a thousandth of its peak go.

    Parameters
    ----------
    reference, processed : ndarray, shape (samples,)
        Signals at 24 kHz.
    pool : Executor
        Threads to work in.

    Returns
    -------
    reference, processed : ndarray, shape (samples left,)
        Aligned signals; both are empty when the reference is silent.
    """
    n = min(reference.size, processed.size)
    reference, processed = reference[:n], processed[:n]
    delay = _delay(reference, processed, pool) - round(_DISPERSION_S * SAMPLE_RATE_HZ)
    threshold = _SILENCE_RATIO * max(reference.max(), -reference.min())
    audible = (reference > threshold) | (reference < -threshold)
    if not audible.any():
        return reference[:0], reference[:0]
    first = int(np.argmax(audible))
    end = n - int(np.argmax(audible[::-1]))
    return reference[first:end], shifted(processed, delay, first, end)


def shifted(x: NDArray[np.float64], delay: int, first: int, end: int) -> NDArray[np.float64]:
    """Samples first + delay to end + delay of a signal that is 0 outside its ends."""
    y = np.zeros(end - first)
    start = max(first + delay, 0)
    stop = min(end + delay, x.size)
    if start < stop:
        y[start - delay - first : stop - delay - first] = x[start:stop]
    return y


def _delay(reference: NDArray[np.float64], processed: NDArray[np.float64], pool: Executor) -> int:
    """Lag d with the largest |sum r[n] p[n + d]|, means removed; of equal ones the last.

    A cyclic correlation c+[d] = c[d] + c[d - m] of m >= n points and a negacyclic one,
    c-[d] = c[d] - c[d - m], hold all lags of the linear correlation c. Each takes transforms half
    as long.
    """
    n = reference.size
    m = fft.next_fast_len(n)
    means = np.array([reference.mean(), processed.mean()])
    halves = [
        pool.submit(_half_correlation, reference, processed, means, m, negacyclic)
        for negacyclic in (False, True)
    ]
    return _last_peak(halves[0].result(), halves[1].result(), n)


def _half_correlation(
    reference: NDArray[np.float64],
    processed: NDArray[np.float64],
    means: NDArray[np.float64],
    m: int,
    negacyclic: bool,
) -> NDArray[np.complex128]:
    """Cyclic or negacyclic correlation of m points, as the real part of the result.

    Negacyclic means: from the spectra between the bins, at frequencies (k + 1/2)/m, which are the
    bins of the signals times exp(-j pi n/m).
    """
    turn = np.pi / m if negacyclic else 0.0
    z = np.zeros(m, np.complex128)
    # Signals of like level keep the packed transform precise; a power of two loses nothing.
    energies = np.maximum([reference @ reference, processed @ processed], _SMALLEST_ENERGY)
    scale = 2.0 ** np.rint(0.5 * np.log2(energies[0] / energies[1]))
    _pack(reference, processed, means, scale, z)
    _turn(z[: reference.size], -turn)
    z = fft.fft(z, overwrite_x=True)
    _cross_spectrum(z, 1 if negacyclic else 0)
    c = fft.ifft(z, overwrite_x=True)
    _turn(c, turn)
    return c


@kernel
def _pack(
    reference: NDArray[np.float64],
    processed: NDArray[np.float64],
    means: NDArray[np.float64],
    scale: float,
    z: NDArray[np.complex128],
) -> None:
    """Both real signals as one complex signal r + j p."""
    for n in range(reference.size):
        z[n] = complex(reference[n] - means[0], scale * (processed[n] - means[1]))


@kernel
def _turn(z: NDArray[np.complex128], angle: float) -> None:
    """Multiply by exp(j angle n), in place; each angle is the sum of a coarse and a fine one."""
    if angle == 0.0:
        return
    fine = np.exp(1j * angle * np.arange(_TURN_BLOCK))
    for first in range(0, z.size, _TURN_BLOCK):
        coarse = np.exp(1j * angle * first)
        block = z[first : first + _TURN_BLOCK]
        for i in range(block.size):
            block[i] *= coarse * fine[i]


@kernel
def _cross_spectrum(z: NDArray[np.complex128], offset: int) -> None:
    """Turn the spectrum Z of r + j p into the cross-spectrum of r and p, in place.

    conj(R) P is Im(Z[k] Z[-k])/2 - j (|Z[k]|^2 - |Z[-k]|^2)/4. With an offset of 1, the bin at the
    negative frequency of k is not -k but -k - 1.
    """
    m = z.size
    for k in range(m // 2 + 1):
        mirrored = (m - k - offset) % m
        a, b = z[k], z[mirrored]
        real = 0.5 * (a.real * b.imag + a.imag * b.real)
        imag = 0.25 * (b.real * b.real + b.imag * b.imag - a.real * a.real - a.imag * a.imag)
        z[k] = complex(real, imag)
        z[mirrored] = complex(real, -imag)


@kernel
def _last_peak(cyclic: NDArray[np.complex128], negacyclic: NDArray[np.complex128], n: int) -> int:
    """Lag of the largest magnitude, of lags -(n-1)..n-1; of equal ones the last."""
    m = cyclic.size
    highest = -1.0
    peak_lag = 0
    for lag in range(1 - n, 0):
        value = abs(cyclic[m + lag].real - negacyclic[m + lag].real)
        if value >= highest:
            highest, peak_lag = value, lag
    for lag in range(n):
        value = abs(cyclic[lag].real + negacyclic[lag].real)
        if value >= highest:
            highest, peak_lag = value, lag
    return peak_lag
