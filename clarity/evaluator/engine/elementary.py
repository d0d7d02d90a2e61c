"""Logarithm and power of two of vectors.

Calls into the C library would take the numbers of a vector one by one. These are polynomials of
full double precision (relative error below 4e-16 before rounding). The coefficients are Chebyshev
fits made with 50 digits.
"""

from __future__ import annotations

import math

from clarity.evaluator.engine.estimates import reciprocal
from clarity.evaluator.engine.jit import kernel
from clarity.evaluator.engine.vector import Vector, split, times_power_of_two

DB_PER_OCTAVE = 20.0 * math.log10(2.0)
"""Decibels of a doubled amplitude."""

_ROUND_TO_INTEGER = 1.5 * 2.0**52


@kernel
def _atanh_series(z: Vector) -> Vector:
    """2 atanh(s) / (s ln 2) as a polynomial of z = s^2, for |s| < 0.1716."""
    series = 0.2429160853987535 * z + 0.2614442493522915
    series = series * z + 0.32061638813224547
    series = series * z + 0.4121984020482752
    series = series * z + 0.5770780172463286
    series = series * z + 0.9617966939243345
    return series * z + 2.885390081777927


@kernel
def log2(x: Vector) -> Vector:
    """Logarithm to base 2 of positive normal numbers.

    With x = 2^k m and s = (m - 1)/(m + 1), log2 x = k + 2 atanh(s) / ln 2.
    """
    exponent, mantissa = split(x)
    s = (mantissa - 1.0) * reciprocal(mantissa + 1.0)
    return s * _atanh_series(s * s) + exponent


@kernel
def log2_and_inverse(x: Vector) -> tuple[Vector, Vector]:
    """Logarithm to base 2 and inverse of positive normal numbers, which share one division."""
    exponent, mantissa = split(x)
    inverse = reciprocal((mantissa + 1.0) * x)
    s = (mantissa - 1.0) * x * inverse
    return s * _atanh_series(s * s) + exponent, (mantissa + 1.0) * inverse


@kernel
def exp2(x: Vector) -> Vector:
    """Two to the power x, for |x| < 1000.

    With k the integer nearest to x: 2^x = 2^k 2^(x - k).
    """
    shifted = x + _ROUND_TO_INTEGER
    fraction = x - (shifted - _ROUND_TO_INTEGER)
    series = 7.072585949269223e-09 * fraction + 1.0208690299958306e-07
    series = series * fraction + 1.321544258792169e-06
    series = series * fraction + 1.5252657260200837e-05
    series = series * fraction + 0.0001540353044173605
    series = series * fraction + 0.0013333558230164974
    series = series * fraction + 0.009618129107606888
    series = series * fraction + 0.05550410866444772
    series = series * fraction + 0.24022650695910097
    series = series * fraction + 0.69314718055995
    series = series * fraction + 1.0
    return times_power_of_two(series, shifted)
