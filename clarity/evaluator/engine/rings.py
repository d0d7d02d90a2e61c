"""Rings: the last hops of a signal in `WIDTH` bands, of which each band is read at its own place.

The first hop of a ring stands behind the last once more, so that no hop that is taken out wraps.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numpy.typing import NDArray

from clarity.evaluator.engine.cochlea import copy_rows
from clarity.evaluator.engine.constants import HOP
from clarity.evaluator.engine.jit import kernel
from clarity.evaluator.engine.vector import (
    DOUBLE,
    INT,
    ROW,
    WIDTH,
    Vector,
    aligned_zeros,
    call,
    every,
    operation,
    pick,
    store,
)


@operation
def gather(typing: Any, array: Any, places: Any, offset: Any) -> Any:
    """Collect a row of numbers: of each band array.flat[places[band] + offset]."""

    def lower(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        numbers, places = (
            context.make_array(sig.args[i])(context, builder, args[i]).data for i in range(2)
        )
        integers = ir.VectorType(INT, WIDTH)
        places = builder.load(builder.bitcast(places, integers.as_pointer()), align=8)
        first = builder.ptrtoint(builder.gep(numbers, [args[2]]), INT)
        every_first = builder.insert_element(every(integers, 0), first, INT(0))
        every_first = pick(builder, every_first, [0] * WIDTH)
        addresses = builder.add(builder.mul(places, every(integers, 8)), every_first)
        pointers = builder.inttoptr(addresses, ir.VectorType(numbers.type, WIDTH))
        align, mask = ir.IntType(32)(8), every(ir.VectorType(ir.IntType(1), WIDTH), 1)
        row = ir.VectorType(DOUBLE, WIDTH)
        name = f"llvm.masked.gather.v{WIDTH}f64.v{WIDTH}p0"
        return call(builder, name, row, pointers, align, mask, row(ir.Undefined))

    return ROW(array, places, types.intp), lower


def new_ring(n_hops: int) -> NDArray[np.float64]:
    """Ring of silence."""
    return aligned_zeros((n_hops + 1) * HOP, WIDTH)


@kernel
def row_of_hop(ring: NDArray[np.float64], hop: int) -> int:
    """First row of the place of a hop."""
    return hop * HOP % (ring.shape[0] - HOP)


@kernel
def finish_hop(ring: NDArray[np.float64], hop: int, lag: NDArray[np.int64]) -> None:
    """Silence what a new hop has before the lag of each band, and repeat the first hop."""
    first = row_of_hop(ring, hop)
    for band in range(WIDTH):
        for n in range(min(lag[band] - hop * HOP, HOP)):
            ring[first + n, band] = 0.0
    if first == 0:
        copy_rows(ring[:HOP], ring[ring.shape[0] - HOP :])


@kernel
def take_hop(
    ring: NDArray[np.float64],
    hop: int,
    lag: NDArray[np.int64],
    delay: NDArray[np.int64],
    scale: Vector,
    places: NDArray[np.int64],
    out: NDArray[np.float64],
) -> None:
    """Take the samples `lag` later and `delay` earlier than a hop out of a ring, times `scale`."""
    for band in range(WIDTH):
        row = (hop * HOP + lag[band] - delay[band]) % (ring.shape[0] - HOP)
        places[band] = row * WIDTH + band
    for n in range(HOP):
        store(out, n, scale * gather(ring, places, n * WIDTH))
