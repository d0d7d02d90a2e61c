"""A vector type for compiled kernels: one number of each of `WIDTH` neighbouring bands.

A recursive filter cannot be vectorised along time, but neighbouring bands are independent. Inside a
kernel a `Vector` behaves like a number, so that one step of a filter in eight bands reads

    w = a * w + x

and the compiler keeps each vector in one register of the processor. In memory the samples of the
bands lie side by side: an array of shape (samples, WIDTH), made by `aligned_zeros`, of which `load`
and `store` move a row.

How it works. Numba compiles Python in two steps: it infers a type for every variable, and it
translates ("lowers") every operation on these types into instructions of LLVM, the compiler behind
it. LLVM has vector types of its own, which numba does not offer to Python. The code below makes the
introduction: `VectorType` is the name of the type in the first step, `_VectorModel` says that a
value of it is a vector of LLVM in the second, and each operation states its types
(`signature`, `_infer`) and the instruction that carries it out. Sums of products become fused
multiply-adds in kernels that allow it (see `jit.kernel`), as with numbers.
"""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Callable
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
"""`WIDTH` numbers inside a kernel. Supports + - * / and unary minus, with numbers on either side."""


def _has_wide_registers() -> bool:
    """Whether the compiler puts eight numbers of 64 bits into one register (AVX-512)."""
    _, name, features = cpu_target.target_context.codegen().magic_tuple()
    if numba.config.CPU_NAME and not numba.config.CPU_FEATURES:  # type: ignore[attr-defined]
        features = ""  # numba adds those of the processor that it runs on
    machine = llvm.Target.from_default_triple().create_target_machine(name, features, opt=2)
    add = "define <8 x double> @f(<8 x double> %x) { %y = fadd <8 x double> %x, %x\n"
    return "zmm" in machine.emit_assembly(llvm.parse_assembly(add + "ret <8 x double> %y }"))


WIDTH = int(os.environ.get("HAAQI_VECTOR_WIDTH", 8 if _has_wide_registers() else 4))
"""Bands that a kernel handles at a time; the environment variable is for tests of the other one."""

_LLVM_DOUBLE, _LLVM_INT = ir.DoubleType(), ir.IntType(64)
_LLVM_VECTOR = ir.VectorType(_LLVM_DOUBLE, WIDTH)
_LLVM_INT_VECTOR = ir.VectorType(_LLVM_INT, WIDTH)
_N_BYTES = 8 * WIDTH
_CACHE_LINE_BYTES = 64


class VectorType(types.Type):
    """Numba's name for `Vector`."""

    def __init__(self) -> None:
        super().__init__(name=f"float64x{WIDTH}")


VECTOR = VectorType()


@register_model(VectorType)
class _VectorModel(models.PrimitiveModel):
    """A value of `VectorType` is a vector of LLVM."""

    def __init__(self, manager: Any, vector_type: VectorType) -> None:
        super().__init__(manager, vector_type, _LLVM_VECTOR)


def _constant(value: float | int, vector: ir.VectorType = _LLVM_VECTOR) -> ir.Constant:
    """Put the same constant into all places."""
    return ir.Constant(vector, [value] * WIDTH)


def _in_all_places(builder: ir.IRBuilder, value: ir.Value) -> ir.Value:
    """Put the same number into all places; a vector stays as it is."""
    if value.type == _LLVM_VECTOR:
        return value
    first = builder.insert_element(_constant(ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
    return builder.shuffle_vector(first, first, zeros)


def _define_operator(function: Callable[..., Any], instruction: str) -> None:
    """Let `function` of two vectors, or of a vector and a number, be one instruction."""

    @infer_global(function)
    class _Infer(AbstractTemplate):
        def generic(self, args: tuple[types.Type, ...], kws: Any) -> Any:
            if not kws and len(args) == 2 and VECTOR in args:
                numbers = [VECTOR if arg == VECTOR else types.float64 for arg in args]
                if all(arg == VECTOR or isinstance(arg, types.Number) for arg in args):
                    return signature(VECTOR, *numbers)
            return None

    def lower(context: Any, builder: ir.IRBuilder, sig: Any, args: tuple[ir.Value, ...]) -> Any:
        return getattr(builder, instruction)(*(_in_all_places(builder, arg) for arg in args))

    for types_of_arguments in [(VECTOR, VECTOR), (types.float64, VECTOR), (VECTOR, types.float64)]:
        lower_builtin(function, *types_of_arguments)(lower)


_define_operator(operator.add, "fadd")
_define_operator(operator.sub, "fsub")
_define_operator(operator.mul, "fmul")
_define_operator(operator.truediv, "fdiv")


def _row_pointer(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
    """Address of row args[1] of the array args[0]."""
    array = context.make_array(sig.args[0])(context, builder, args[0])
    first = builder.mul(args[1], ir.Constant(args[1].type, WIDTH))
    return builder.bitcast(builder.gep(array.data, [first]), _LLVM_VECTOR.as_pointer())


def _is_rows(array: types.Type) -> bool:
    return isinstance(array, types.Array) and array.layout == "C" and array.dtype == types.float64


@intrinsic
def load(typing: Any, array: Any, row: Any) -> Any:
    """Row of an aligned array that counts as (rows, WIDTH), whatever its shape."""

    def lower(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return builder.load(_row_pointer(context, builder, sig, args), align=_N_BYTES)

    return (VECTOR(array, types.intp), lower) if _is_rows(array) else None


@intrinsic
def store(typing: Any, array: Any, row: Any, value: Any) -> Any:
    """Write a row of an aligned array that counts as (rows, WIDTH), whatever its shape."""

    def lower(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        builder.store(args[2], _row_pointer(context, builder, sig, args), align=_N_BYTES)
        return context.get_dummy_value()

    return (types.void(array, types.intp, VECTOR), lower) if _is_rows(array) else None


@intrinsic
def broadcast(typing: Any, value: Any) -> Any:
    """Put the same number into all places."""

    def lower(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return _in_all_places(builder, args[0])

    return VECTOR(types.float64), lower


@intrinsic
def sqrt(typing: Any, x: Any) -> Any:
    """Square root of every number."""

    def lower(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        function_type = ir.FunctionType(_LLVM_VECTOR, [_LLVM_VECTOR])
        name = f"llvm.sqrt.v{WIDTH}f64"
        return builder.call(get_or_insert_function(builder.module, function_type, name), args)

    return VECTOR(VECTOR), lower


def _define_choice(comparison: str) -> Any:
    """The one of two numbers, in every place, that compares to the other as the sign says."""

    @intrinsic
    def choose(typing: Any, x: Any, y: Any) -> Any:
        def lower(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
            a, b = (_in_all_places(builder, arg) for arg in args)
            return builder.select(builder.fcmp_ordered(comparison, a, b), a, b)

        y = VECTOR if y == VECTOR else types.float64
        return VECTOR(VECTOR, y), lower

    return choose


maximum = _define_choice(">")
minimum = _define_choice("<")
