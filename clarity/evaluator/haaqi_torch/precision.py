"""Products with constant matrices in full precision, whatever the process has allowed elsewhere.

A scan over 100000 samples or a resampling filter cannot do with less, and a training script may
well have allowed it for its network.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from clarity.utils.precision import full_precision


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
        # A training script may ask for the gradient within autocast, against PyTorch's advice.
        with full_precision(), torch.autocast(gradient.device.type, enabled=False):
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
