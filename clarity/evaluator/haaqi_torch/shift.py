"""Delays that differ from row to row, and their gradient, which is the opposite delay."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def shifted(
    x: Tensor, lag: Tensor, length: int, *, offset: int = 0, stop: Tensor | None = None
) -> Tensor:
    """Take y[i] = x[i + lag + offset], 0 where x has no such sample and from `stop` on.

    Parameters
    ----------
    x : Tensor, shape (batch, rows, samples)
        Signals.
    lag : Tensor of int64, shape (batch or 1, rows)
        Lag of each row.
    length : int
        Samples to take.
    offset : int
        Added to every lag.
    stop : Tensor of int64, shape (batch,), optional
        First sample that is 0 again.

    Returns
    -------
    Tensor, shape (batch, rows, length)
        Shifted signals.
    """
    lag = (lag + offset).expand(x.shape[:2])
    end = torch.full_like(lag, length) if stop is None else stop[:, None].clamp(0, length)
    return _Shift.apply(x, lag, end.expand(lag.shape), length)


class _Shift(torch.autograd.Function):
    """The shift; its gradient is shifted back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, lag: Tensor, end: Tensor, length: int) -> Tensor:
        ctx.save_for_backward(lag, end)
        ctx.n_samples = x.shape[-1]
        return _shift(x, lag, torch.zeros_like(end), end, length)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        lag, end = ctx.saved_tensors
        n = ctx.n_samples
        # Sample j of x went to i = j - lag, if that was below the end.
        return _shift(gradient, -lag, lag.clamp(0, n), (end + lag).clamp(0, n), n), None, None, None


def _shift(x: Tensor, lag: Tensor, start: Tensor, end: Tensor, length: int) -> Tensor:
    """Take y[i] = x[i + lag] for start <= i < end, else 0."""
    if x.device.type == "cpu":
        return _shift_by_copying(x, lag, start, end, length)
    return _shift_by_gathering(x, lag, start, end, length)


def _shift_by_copying(x: Tensor, lag: Tensor, start: Tensor, end: Tensor, length: int) -> Tensor:
    """Copy row by row: four times as fast as indexing, where lags can be read at no cost."""
    y = x.new_empty(*x.shape[:2], length)
    rows_in, rows_out = x.flatten(0, 1), y.flatten(0, 1)
    limits = zip(
        lag.flatten().tolist(), start.flatten().tolist(), end.flatten().tolist(), strict=True
    )
    for row, (d, first_wanted, end_wanted) in enumerate(limits):
        first = min(max(first_wanted, -d), length)
        last = max(min(end_wanted, x.shape[-1] - d), first)
        rows_out[row, :first] = 0.0
        rows_out[row, first:last] = rows_in[row, first + d : last + d]
        rows_out[row, last:] = 0.0
    return y


def _shift_by_gathering(x: Tensor, lag: Tensor, start: Tensor, end: Tensor, length: int) -> Tensor:
    """Gather by index: no lag has to come to the host."""
    i = torch.arange(length, device=x.device)
    source = i + lag[..., None]
    valid = (source >= 0) & (source < x.shape[-1]) & (i >= start[..., None]) & (i < end[..., None])
    y = x.gather(-1, source.clamp_(0, x.shape[-1] - 1))
    return y.masked_fill_(~valid, 0.0)
