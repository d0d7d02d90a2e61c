"""How the engine's kernels are compiled."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

from clarity.evaluator.engine.vector import WIDTH


def _source_digest() -> str:
    """Digest of the sources that kernels are made of, and of the width of their vectors."""
    digest = hashlib.sha256(str(WIDTH).encode())
    here = Path(__file__).resolve().parent
    for folder in (here, here.with_name("ear_model")):
        for path in sorted(folder.glob("*.py")):
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
    # Without numba's runtime (nrt), kernels allocate no memory and count no references. Counting
    # takes a kernel that is given thirty arrays as long as hundreds of samples, and threads that
    # count references of the same array wait for one another.
    options |= {"error_model": "numpy", "forceinline": True, "_nrt": False}
    return numba.njit(cache=True, nogil=True, **options)(function)


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function; products and sums may contract to fused multiply-adds, no more."""
    return _compiled(function, fastmath={"contract"})


def exact_kernel(function: Callable[..., Any]) -> Any:
    """Like `kernel`, with every operation rounded as it is written."""
    return _compiled(function, fastmath=False)
