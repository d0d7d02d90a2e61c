"""Arithmetic on four bands at once.

A recursive filter cannot be vectorised along time, but neighbouring bands are independent. A
`Lanes` tuple holds one number of each of four bands; the functions below are its arithmetic, and
the compiler keeps each tuple in one SIMD register (see jit.py).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from clarity.evaluator.engine.jit import inlined, kernel

Lanes = tuple[float, float, float, float]

_CACHE_LINE_BYTES = 64


def aligned_zeros(*shape: int) -> NDArray[np.float64]:
    """Zeros from the start of a cache line on, so that no row of four lies across two lines."""
    n_bytes = 8 * math.prod(shape)
    memory = np.zeros(n_bytes + _CACHE_LINE_BYTES, np.uint8)
    first = -memory.ctypes.data % _CACHE_LINE_BYTES
    return memory[first : first + n_bytes].view(np.float64).reshape(shape)


def aligned(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Copy an array into memory like that of `aligned_zeros`."""
    copy = aligned_zeros(*values.shape)
    copy[...] = values
    return copy


@inlined
def load(rows: NDArray[np.float64], index: int) -> Lanes:
    """Row `index` of an array of shape (rows, 4)."""
    return rows[index, 0], rows[index, 1], rows[index, 2], rows[index, 3]


@inlined
def store(rows: NDArray[np.float64], index: int, value: Lanes) -> None:
    """Write row `index` of an array of shape (rows, 4)."""
    rows[index, 0] = value[0]
    rows[index, 1] = value[1]
    rows[index, 2] = value[2]
    rows[index, 3] = value[3]


@inlined
def load_flat(flat: NDArray[np.float64], index: int) -> Lanes:
    """Row `index` of an array of shape (rows, 4) given as (rows * 4,).

    For indices that jump about: in one dimension, and unsigned, so that none needs a test for being
    negative, addressing takes less than the arithmetic. See `load` for rows in order.
    """
    first = np.uint64(4 * index)
    return (
        flat[first],
        flat[first + np.uint64(1)],
        flat[first + np.uint64(2)],
        flat[first + np.uint64(3)],
    )


@inlined
def store_flat(flat: NDArray[np.float64], index: int, value: Lanes) -> None:
    """Write row `index` of an array of shape (rows, 4) given as (rows * 4,)."""
    first = np.uint64(4 * index)
    flat[first] = value[0]
    flat[first + np.uint64(1)] = value[1]
    flat[first + np.uint64(2)] = value[2]
    flat[first + np.uint64(3)] = value[3]


@inlined
def splat(value: float) -> Lanes:
    """Put the same number in every lane."""
    return value, value, value, value


@inlined
def add(a: Lanes, b: Lanes) -> Lanes:
    """Sum, lane by lane."""
    return a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]


@inlined
def sub(a: Lanes, b: Lanes) -> Lanes:
    """Difference, lane by lane."""
    return a[0] - b[0], a[1] - b[1], a[2] - b[2], a[3] - b[3]


@inlined
def mul(a: Lanes, b: Lanes) -> Lanes:
    """Product, lane by lane."""
    return a[0] * b[0], a[1] * b[1], a[2] * b[2], a[3] * b[3]


@inlined
def scale(factor: float, a: Lanes) -> Lanes:
    """One factor times every lane."""
    return factor * a[0], factor * a[1], factor * a[2], factor * a[3]


@inlined
def root(a: Lanes) -> Lanes:
    """Square root of every lane."""
    return np.sqrt(a[0]), np.sqrt(a[1]), np.sqrt(a[2]), np.sqrt(a[3])


@inlined
def positive(a: Lanes) -> Lanes:
    """Lanes below 0 become 0."""
    return (
        a[0] if a[0] > 0.0 else 0.0,
        a[1] if a[1] > 0.0 else 0.0,
        a[2] if a[2] > 0.0 else 0.0,
        a[3] if a[3] > 0.0 else 0.0,
    )


@inlined
def power(re: Lanes, im: Lanes) -> Lanes:
    """Squared magnitude."""
    return add(mul(re, re), mul(im, im))


@kernel
def clear_rows(rows: NDArray[np.float64]) -> None:
    """Set rows of an array of shape (rows, 4) to 0."""
    flat = rows.reshape(-1)
    for i in range(flat.size):
        flat[i] = 0.0


@kernel
def copy_rows(source: NDArray[np.float64], target: NDArray[np.float64]) -> None:
    """Copy rows of an array of shape (rows, 4)."""
    source_flat, target_flat = source.reshape(-1), target.reshape(-1)
    for i in range(target_flat.size):
        target_flat[i] = source_flat[i]
