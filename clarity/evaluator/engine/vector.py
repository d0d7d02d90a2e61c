"""A vector type for compiled kernels: one number of each of `WIDTH` neighbouring bands.

A recursive filter cannot be vectorised along time, but neighbouring bands are independent. Inside a
kernel a `Vector` behaves like a number, so that one step of a filter in eight bands reads

    w = a * w + x

and the compiler keeps each vector in one register of the processor. In memory the samples of the
bands lie side by side: an array of shape (samples, WIDTH), made by `aligned_zeros`, of which `load`
and `store` move a row.

Where no sample needs the one before it, `load_rows`, `store` and `repeat` handle `N_ROWS` rows as
one longer vector. The operations of a long formula wait for one another; four rows at a time
keep the processor busy meanwhile.

How it works. Numba compiles Python in two steps: it infers a type for every variable, and it
translates ("lowers") every operation on these types into instructions of LLVM, the compiler behind
it. LLVM has vectors, which numba does not offer to Python. The code below makes the introduction:
`VectorType` is the name of the type in the first step, `_VectorModel` says that its value is a
vector of LLVM in the second, and each operation states its types (`signature`) and the instruction
that carries it out. Sums of products become fused multiply-adds in kernels that allow it (see
`jit.kernel`), as with numbers.
"""

from __future__ import annotations

import itertools
import math
import operator
import os
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import llvmlite.binding as llvm
import numba
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.core.cgutils import get_or_insert_function
from numba.core.registry import cpu_target
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model
from numpy.typing import NDArray

Vector: TypeAlias = Any
"""A vector inside a kernel. Knows + - * / with another vector or with a number."""

DOUBLE, INT = ir.DoubleType(), ir.IntType(64)
_CACHE_LINE_BYTES, _PAGE_BYTES = 64, 4096


def _has_wide_registers() -> bool:
    """Whether the compiler puts eight numbers of 64 bits into one register (AVX-512)."""
    _, name, features = cpu_target.target_context.codegen().magic_tuple()
    if numba.config.CPU_NAME and not numba.config.CPU_FEATURES:  # type: ignore[attr-defined]
        features = ""  # numba would add those of the processor it runs on
    machine = llvm.Target.from_default_triple().create_target_machine(name, features, opt=2)
    add = "define <8 x double> @f(<8 x double> %x) { %y = fadd <8 x double> %x, %x\n"
    return "zmm" in machine.emit_assembly(llvm.parse_assembly(add + "ret <8 x double> %y }"))


_IS_WIDE = _has_wide_registers()

WIDTH = int(os.environ.get("HAAQI_VECTOR_WIDTH") or (8 if _IS_WIDE else 4))
"""Bands that a kernel handles at a time; the environment variable lets tests choose 4 or 8."""

HAS_AVX512 = WIDTH == 8 and _IS_WIDE
"""Whether a row is what one instruction of AVX-512 handles."""

N_ROWS = 4
"""Rows in a vector of `load_rows`."""

_stagger = itertools.cycle(range(0, _PAGE_BYTES, 5 * _CACHE_LINE_BYTES))


def aligned_zeros(*shape: int) -> NDArray[np.float64]:
    """Zeros from the start of a cache line on, as `load` and `store` need them.

    Arrays begin at different places of a page: where the rows of several arrays that a loop reads
    and writes have like addresses, the processor takes one for the other, and waits.
    """
    n_bytes = 8 * math.prod(shape)
    memory = np.zeros(n_bytes + _CACHE_LINE_BYTES + _PAGE_BYTES, np.uint8)
    first = -memory.ctypes.data % _PAGE_BYTES + next(_stagger)
    first -= 0 if first + n_bytes <= memory.size else _PAGE_BYTES
    return memory[first : first + n_bytes].view(np.float64).reshape(shape)


def aligned(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Copy an array into memory like that of `aligned_zeros`."""
    copy = aligned_zeros(*values.shape)
    copy[...] = values
    return copy


class VectorType(types.Type):
    """Numba's name for a `Vector` of some rows."""

    def __init__(self, n_rows: int) -> None:
        self.width = n_rows * WIDTH
        self.n_rows = n_rows
        super().__init__(name=f"float64x{self.width}")


ROW, ROWS = VectorType(1), VectorType(N_ROWS)


@register_model(VectorType)
class _VectorModel(models.PrimitiveModel):
    """A value of `VectorType` is a vector of LLVM."""

    def __init__(self, manager: Any, vector: VectorType) -> None:
        super().__init__(manager, vector, ir.VectorType(DOUBLE, vector.width))


def pick(
    builder: ir.IRBuilder, a: ir.Value, places: Iterable[int], b: ir.Value | None = None
) -> ir.Value:
    """Make a vector of places of `a`, and of `b`, whose places are counted on from those of `a`."""
    chosen = list(places)
    places_type = ir.VectorType(ir.IntType(32), len(chosen))
    return builder.shuffle_vector(a, a if b is None else b, ir.Constant(places_type, chosen))


def every(kind: ir.VectorType, value: float) -> ir.Constant:
    """Make the vector of a type that has a number in all places."""
    return ir.Constant(kind, [value] * kind.count)


def call(builder: ir.IRBuilder, name: str, result: ir.Type, *args: ir.Value) -> ir.Value:
    """Call a function of LLVM."""
    kind = ir.FunctionType(result, [arg.type for arg in args])
    return builder.call(get_or_insert_function(builder.module, kind, name), args)


def _lowered(builder: ir.IRBuilder, value: ir.Value, width: int) -> ir.Value:
    """Put a number into all places of a vector, or repeat a shorter vector to its length."""
    if not isinstance(value.type, ir.VectorType):
        one = ir.Constant(ir.VectorType(value.type, 1), ir.Undefined)
        value = builder.insert_element(one, value, ir.Constant(ir.IntType(32), 0))
    return pick(builder, value, (place % value.type.count for place in range(width)))


def _result(*args: types.Type) -> VectorType | None:
    """Type of an operation on vectors of one kind, or on such a vector and numbers."""
    vectors = {arg for arg in args if isinstance(arg, VectorType)}
    numbers = all(isinstance(arg, VectorType | types.Number) for arg in args)
    return vectors.pop() if len(vectors) == 1 and numbers else None


def _define_operator(function: Callable[..., Any], instruction: str) -> None:
    """Let `function` of two vectors, or of a vector and a number, be one instruction."""

    @infer_global(function)
    class _Infer(AbstractTemplate):
        def generic(self, args: tuple[types.Type, ...], kws: Any) -> Any:
            result = _result(*args)
            if result is None:
                return None
            return signature(result, *(arg if arg == result else types.float64 for arg in args))

    def lower(context: Any, builder: ir.IRBuilder, sig: Any, args: tuple[ir.Value, ...]) -> Any:
        width = sig.return_type.width
        return getattr(builder, instruction)(*(_lowered(builder, arg, width) for arg in args))

    for kinds in [(VectorType,) * 2, (types.Float, VectorType), (VectorType, types.Float)]:
        lower_builtin(function, *kinds)(lower)


_define_operator(operator.add, "fadd")
_define_operator(operator.iadd, "fadd")
_define_operator(operator.sub, "fsub")
_define_operator(operator.mul, "fmul")
_define_operator(operator.truediv, "fdiv")


def row_pointer(
    context: Any, builder: ir.IRBuilder, array: Any, value: ir.Value, row: ir.Value, n_rows: int = 1
) -> ir.Value:
    """Address of rows of the array of a type and value."""
    data = context.make_array(array)(context, builder, value).data
    first = builder.gep(data, [builder.mul(row, INT(WIDTH))])
    return builder.bitcast(first, ir.VectorType(DOUBLE, n_rows * WIDTH).as_pointer())


operation: Any = intrinsic
"""Makes a function that gives types and lowering of an operation the operation in kernels."""


def _define_load(vector: VectorType) -> Any:
    @operation
    def load(typing: Any, array: Any, row: Any) -> Any:
        def lower(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
            pointer = row_pointer(context, builder, sig.args[0], args[0], args[1], vector.n_rows)
            return builder.load(pointer, align=8 * WIDTH)

        return vector(array, types.intp), lower

    return load


load = _define_load(ROW)
"""load(array, row): a row of an aligned C-contiguous array, which counts as (rows, WIDTH)."""

load_rows = _define_load(ROWS)
"""load_rows(array, row): `N_ROWS` rows from `row` on, as one vector."""


@operation
def store(typing: Any, array: Any, row: Any, value: Any) -> Any:
    """Write a row, or `N_ROWS` rows, of an aligned array that counts as (rows, WIDTH)."""

    def lower(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        pointer = row_pointer(context, builder, sig.args[0], args[0], args[1], sig.args[2].n_rows)
        builder.store(args[2], pointer, align=8 * WIDTH)
        return context.get_dummy_value()

    return types.void(array, types.intp, value), lower


def _define_repeat(vector: VectorType) -> Any:
    @operation
    def repeat(typing: Any, value: Any) -> Any:
        def lower(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
            return _lowered(builder, args[0], vector.width)

        return vector(value if isinstance(value, VectorType) else types.float64), lower

    return repeat


broadcast = _define_repeat(ROW)
"""broadcast(number): the same number in all places."""

repeat = _define_repeat(ROWS)
"""repeat(vector): the same row `N_ROWS` times."""


def _define_choice(comparison: str) -> Any:
    @operation
    def choose(typing: Any, x: Any, y: Any) -> Any:
        def lower(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
            a, b = (_lowered(builder, arg, x.width) for arg in args)
            return builder.select(builder.fcmp_ordered(comparison, a, b), a, b)

        return x(x, y if y == x else types.float64), lower

    return choose


maximum = _define_choice(">")
"""maximum(vector, vector or number): the larger one in every place."""

minimum = _define_choice("<")
"""minimum(vector, vector or number): the smaller one in every place."""

_SQRT_HALF_BITS = 0x3FE6A09E667F3BCD
_EXPONENT_OF_ONE, _MANTISSA_BITS = 1023, 52


def _small_integers_as_numbers(builder: ir.IRBuilder, k: ir.Value, kind: ir.Type) -> ir.Value:
    """Convert integers, of less than 2^51 where the processor has no instruction for it."""
    if HAS_AVX512:
        return builder.sitofp(k, kind)
    # An integer in the mantissa of 1.5 * 2^52 makes it that much more.
    magic = every(k.type, 0x4338 << 48)
    shifted = builder.bitcast(builder.add(magic, k), kind)
    return builder.fsub(shifted, builder.bitcast(magic, kind))


@operation
def split(typing: Any, x: Any) -> Any:
    """Exponents k and mantissas m of positive normal 2^k m, sqrt(1/2) <= m < sqrt(2)."""

    def lower(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        integers = ir.VectorType(INT, x.width)
        bits, n_bits = builder.bitcast(args[0], integers), every(integers, _MANTISSA_BITS)
        offset = (_EXPONENT_OF_ONE << _MANTISSA_BITS) - _SQRT_HALF_BITS
        biased = builder.lshr(builder.add(bits, every(integers, offset)), n_bits)
        exponent = builder.sub(biased, every(integers, _EXPONENT_OF_ONE))
        mantissa = builder.bitcast(builder.sub(bits, builder.shl(exponent, n_bits)), args[0].type)
        parts = [_small_integers_as_numbers(builder, exponent, args[0].type), mantissa]
        return context.make_tuple(builder, sig.return_type, parts)

    return types.UniTuple(x, 2)(x), lower


@operation
def times_power_of_two(typing: Any, x: Any, k: Any) -> Any:
    """2^k x, of integers k to which 1.5 * 2^52 was added, which puts them into the low bits."""

    def lower(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        integers = ir.VectorType(INT, x.width)
        bits, shifted = (builder.bitcast(arg, integers) for arg in args)
        exponent = builder.shl(shifted, every(integers, _MANTISSA_BITS))
        return builder.bitcast(builder.add(bits, exponent), args[0].type)

    return x(x, k), lower
