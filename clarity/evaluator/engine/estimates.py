"""Square root and reciprocal of vectors.

Both occupy a processor with AVX-512 for 16 to 20 cycles. It also has estimates of the reciprocal
and of the reciprocal square root, good to 14 bits; with two steps of Newton's method, each of which
doubles that, they take a third of the time. Other processors divide and take roots. Written as the
operations of `vector` are; see there how they work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

from clarity.evaluator.engine.vector import HAS_AVX512, WIDTH, call, every, operation, pick


def _refined(name: str, refine: Callable[..., ir.Value]) -> Callable[..., ir.Value]:
    """Lower an operation to the processor's estimate, row by row, and `refine` it."""

    def refined_row(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
        everywhere = ir.IntType(WIDTH)(2**WIDTH - 1)
        estimate = call(builder, f"llvm.x86.avx512.{name}.pd.512", x.type, x, x, everywhere)
        return refine(builder, x, estimate)

    def lower(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        (x,) = args
        firsts = range(0, x.type.count, WIDTH)
        parts = [
            refined_row(builder, pick(builder, x, range(first, first + WIDTH))) for first in firsts
        ]
        while len(parts) > 1:
            places = range(2 * parts[0].type.count)
            halves = zip(parts[::2], parts[1::2], strict=True)
            parts = [pick(builder, a, places, b) for a, b in halves]
        return parts[0]

    return lower


def _multiply_add(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
    """Return a b + c, rounded once."""
    return call(builder, f"llvm.fma.v{a.type.count}f64", a.type, a, b, c)


def _refine_reciprocal(builder: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
    """From an estimate y of 1 / x: y grows by y (1 - x y)."""
    one, minus_x = every(x.type, 1.0), builder.fneg(x)
    for _ in range(2):
        y = _multiply_add(builder, y, _multiply_add(builder, minus_x, y, one), y)
    return y


def _refine_sqrt(builder: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
    """From an estimate y of 1 / sqrt(x): s = x y and h = y / 2 grow by the part 1/2 - s h."""
    half = every(x.type, 0.5)
    s, h = builder.fmul(x, y), builder.fmul(y, half)
    for _ in range(2):
        error = _multiply_add(builder, builder.fneg(s), h, half)
        s, h = _multiply_add(builder, s, error, s), _multiply_add(builder, h, error, h)
    zero = every(x.type, 0.0)
    return builder.select(builder.fcmp_ordered("==", x, zero), zero, s)


@operation
def sqrt(typing: Any, x: Any) -> Any:
    """Square root in every place, of positive normal numbers and 0, to a unit in the last place."""

    def lower(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return call(builder, f"llvm.sqrt.v{args[0].type.count}f64", args[0].type, args[0])

    return x(x), _refined("rsqrt14", _refine_sqrt) if HAS_AVX512 else lower


@operation
def reciprocal(typing: Any, x: Any) -> Any:
    """1 / x in every place, where both are normal numbers, to a unit in the last place."""

    def lower(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return builder.fdiv(every(args[0].type, 1.0), args[0])

    return x(x), _refined("rcp14", _refine_reciprocal) if HAS_AVX512 else lower
