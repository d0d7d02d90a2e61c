"""Vector operations of Marsaglia's polar method: points of a square, and those in the unit circle.

Written as the operations of `vector` are; see there how they work.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types

from clarity.evaluator.engine.vector import (
    DOUBLE,
    HAS_AVX512,
    INT,
    ROW,
    WIDTH,
    call,
    every,
    operation,
    pick,
)


@operation
def coordinates(typing: Any, words: Any, row: Any) -> Any:
    """Coordinates x and y of `WIDTH` points, made from words 4 WIDTH row to 4 WIDTH (row + 1).

    A coordinate is 2 u - 1, with the 53-bit uniform u = (a 2^26 + b) / 2^53, a being the upper 27
    bits of one word and b the upper 26 of the next.
    """

    def lower(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        pairs = ir.VectorType(INT, 2 * WIDTH)
        array = context.make_array(sig.args[0])(context, builder, args[0])
        first = builder.gep(array.data, [builder.mul(args[1], INT(4 * WIDTH))])
        values = builder.load(builder.bitcast(first, pairs.as_pointer()), align=4)

        upper_27_bits = builder.shl(values, every(pairs, 21))
        a = builder.and_(upper_27_bits, every(pairs, (2**27 - 1) << 26))
        b = builder.lshr(values, every(pairs, 38))
        integers = builder.sub(builder.or_(a, b), every(pairs, 2**52))
        numbers = builder.sitofp(integers, ir.VectorType(DOUBLE, 2 * WIDTH))
        numbers = builder.fmul(numbers, every(numbers.type, 2.0**-52))
        x, y = (pick(builder, numbers, range(first, 2 * WIDTH, 2)) for first in range(2))
        return context.make_tuple(builder, sig.return_type, [x, y])

    return types.UniTuple(ROW, 2)(words, types.intp), lower


def _is_inside(builder: ir.IRBuilder, radius: ir.Value) -> ir.Value:
    """Where a squared radius is in the unit circle, but not its centre."""
    above = builder.fcmp_ordered(">", radius, every(radius.type, 0.0))
    below = builder.fcmp_ordered("<", radius, every(radius.type, 1.0))
    return builder.and_(above, below)


@operation
def count_inside(typing: Any, radius: Any) -> Any:
    """Return how many of the squared radii are in the unit circle."""

    def lower(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        bits = builder.bitcast(_is_inside(builder, args[0]), ir.IntType(WIDTH))
        return builder.zext(builder.ctpop(bits), INT)

    return types.intp(radius), lower


def _compress(builder: ir.IRBuilder, pointer: ir.Value, value: ir.Value, mask: ir.Value) -> None:
    """Store the places of a vector that a mask has, one after the other."""
    if HAS_AVX512:
        name = f"llvm.x86.avx512.mask.compress.v{WIDTH}f64"
        value = call(builder, name, value.type, value, value.type(ir.Undefined), mask)
        builder.store(value, builder.bitcast(pointer, value.type.as_pointer()), align=8)
        return
    at = INT(0)
    for place in (ir.IntType(32)(place) for place in range(WIDTH)):
        builder.store(builder.extract_element(value, place), builder.gep(pointer, [at]))
        at = builder.add(at, builder.zext(builder.extract_element(mask, place), INT))


@operation
def store_inside(typing: Any, array: Any, first: Any, value: Any, radius: Any) -> Any:
    """Store the places of a vector whose squared radius is in the unit circle, without gaps.

    They go into the array, taken as one row, from `first` on; the rest of `WIDTH` numbers there
    become anything.
    """

    def lower(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        array = context.make_array(sig.args[0])(context, builder, args[0])
        pointer = builder.gep(array.data, [args[1]])
        _compress(builder, pointer, args[2], _is_inside(builder, args[3]))
        return context.get_dummy_value()

    return types.void(array, types.intp, value, radius), lower


@operation
def store_in_turn(typing: Any, array: Any, first: Any, a: Any, b: Any) -> Any:
    """Store a[0], b[0], a[1], b[1] and so on from `first` on."""

    def lower(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        array = context.make_array(sig.args[0])(context, builder, args[0])
        places = [place for k in range(WIDTH) for place in (k, WIDTH + k)]
        both = pick(builder, args[2], places, args[3])
        pointer = builder.gep(array.data, [args[1]])
        builder.store(both, builder.bitcast(pointer, both.type.as_pointer()), align=8)
        return context.get_dummy_value()

    return types.void(array, types.intp, a, b), lower
