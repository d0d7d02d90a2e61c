"""How the ear model's kernels are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

# Numba leaves LLVM's straight-line vectoriser off by default. The recursive filters keep the state
# of neighbouring bands in small tuples (see lanes.py), which only that vectoriser turns into SIMD
# registers; without it they run three times slower and give the same numbers.
numba.config.SLP_VECTORIZE = 1  # type: ignore[attr-defined]


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function to machine code, kept on disk and run without the interpreter's lock.

    Products and sums may contract to fused multiply-adds; nothing else is re-ordered.
    """
    return numba.njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")(function)


def reduction_kernel(function: Callable[..., Any]) -> Any:
    """Like `kernel`, but sums may be re-associated, so that they vectorise along the samples."""
    return numba.njit(
        cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz"}, error_model="numpy"
    )(function)


def inlined(function: Callable[..., Any]) -> Any:
    """Like `kernel`, for a few lines that are merged into each kernel that uses them."""
    return numba.njit(inline="always", nogil=True, fastmath={"contract"}, error_model="numpy")(
        function
    )


def exact_kernel(function: Callable[..., Any]) -> Any:
    """Like `kernel`, with every operation rounded as it is written."""
    return numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")(function)
