"""How the ear model's kernels are compiled."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

# Numba leaves LLVM's straight-line vectoriser off by default. The recursive filters keep the state
# of neighbouring bands in small tuples (see lanes.py), which only that vectoriser turns into SIMD
# registers; without it they run three times slower and give the same numbers.
numba.config.SLP_VECTORIZE = 1  # type: ignore[attr-defined]


def _source_digest() -> str:
    """Digest of the sources of this package and of the metrics beside it."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).resolve().parents[1].rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


_DIGEST = _source_digest()


def _compiled(function: Callable[..., Any], **options: Any) -> Any:
    """Compile on first use, without the interpreter's lock, and keep the machine code on disk.

    Numba looks only at a kernel's own file to tell whether the code on disk is stale, though it
    holds the kernels of other files too. The digest in the name, which becomes the file's name,
    makes any change of a source a new file.
    """
    function.__qualname__ = f"{function.__qualname__}_{_DIGEST}"
    # Without forceinline, a kernel that another one calls exists twice, optimised differently, and
    # which of the two runs depends on whether it was compiled or read from disk: scores would
    # differ in their last digits.
    return numba.njit(cache=True, nogil=True, forceinline=True, error_model="numpy", **options)(
        function
    )


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function; products and sums may contract to fused multiply-adds, no more."""
    return _compiled(function, fastmath={"contract"})


def reduction_kernel(function: Callable[..., Any]) -> Any:
    """Like `kernel`, but sums may be re-associated, so that they vectorise along the samples."""
    return _compiled(function, fastmath={"contract", "reassoc", "nsz"})


def exact_kernel(function: Callable[..., Any]) -> Any:
    """Like `kernel`, with every operation rounded as it is written."""
    return _compiled(function, fastmath=False)


def inlined(function: Callable[..., Any]) -> Any:
    """Like `kernel`, for a few lines that are merged into each kernel that uses them."""
    return numba.njit(inline="always", nogil=True, fastmath={"contract"}, error_model="numpy")(
        function
    )
