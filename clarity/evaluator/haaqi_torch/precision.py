"""Products of matrices in full precision, whatever the process has allowed elsewhere.

TensorFloat-32 and bfloat16 keep 10 and 7 bits of a factor. A scan over 100000 samples or a
resampling filter cannot do with that, and a training script may well have allowed both for its
network.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor


@contextmanager
def full_precision() -> Iterator[None]:
    """Multiply float32 matrices in float32 within this context, on CUDA and on the CPU."""
    settings: tuple[Any, ...] = (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul)  # type: ignore[attr-defined]
    before = [setting.fp32_precision for setting in settings]
    try:
        for setting in settings:
            setting.fp32_precision = "ieee"
        yield
    finally:
        for setting, value in zip(settings, before, strict=True):
            setting.fp32_precision = value


class _Product(torch.autograd.Function):
    """Product with a constant matrix, in full precision forwards and backwards."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, matrix: Tensor) -> Tensor:
        ctx.save_for_backward(matrix)
        with full_precision():
            return x @ matrix

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (matrix,) = ctx.saved_tensors
        with full_precision():
            return gradient @ matrix.mT, None


def product(x: Tensor, matrix: Tensor) -> Tensor:
    """Multiply by a constant matrix in full precision.

    Parameters
    ----------
    x : Tensor, shape (..., m, k)
        Rows; differentiable.
    matrix : Tensor, shape (k, n) or (..., k, n)
        Constant; with more than two dimensions, those of `x` are its leading ones.

    Returns
    -------
    Tensor, shape (..., m, n)
        The product.
    """
    return _Product.apply(x, matrix)
