"""Short-time covariance of basilar-membrane motion for a batch, see `ear_model.covariance`.

The largest of 49 lags is found by FFT and without a gradient; the gradient is that of the
covariance at this lag. Nothing but the signals is kept for it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from clarity.evaluator.ear_model.constants import TINY
from clarity.evaluator.ear_model.covariance import (
    MAX_SEGMENT_LAG,
    SEGMENT,
    SEGMENT_HOP,
    segment_windows,
    window_correlations,
)
from clarity.evaluator.haaqi_torch.alignment import cyclic_correlation

_N_FFT = SEGMENT + 2 * MAX_SEGMENT_LAG
_FIRST, _INNER, _LAST = range(3)


class _Segments(NamedTuple):
    """Windowed segments without their means.

    Attributes
    ----------
    values : Tensor, shape (batch, bands, segments, SEGMENT)
        Samples; the half that a first or a last segment lacks is 0.
    mean_square : Tensor, shape (batch, bands, segments)
        Energy over that of the window.
    """

    values: Tensor
    mean_square: Tensor


@lru_cache(maxsize=8)
def _windows(dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Window (SEGMENT,), and its autocorrelations (3, 49) at lags 0..24, -24..-1."""
    windows = segment_windows()
    correlations = torch.as_tensor(window_correlations(windows))
    both_signs = torch.cat((correlations, correlations[:, 1:].flip(-1)), -1)
    with torch.inference_mode(False):
        window = torch.as_tensor(windows[_INNER]).to(device, dtype)
        return window, both_signs.to(device, dtype)


def segment_covariance(
    reference: Tensor, processed: Tensor, starts: bool, last: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Largest normalised covariance of each segment.

    Parameters
    ----------
    reference, processed : Tensor, shape (batch, bands, (segments + 1) * SEGMENT_HOP)
        Motion of the basilar membrane; a hop before the beginning or behind the end holds 0.
    starts : bool
        Whether the first hop is that before the signals' beginning.
    last : Tensor of int64, shape (batch,)
        Index of the segment whose second half is behind the end, of each pair.

    Returns
    -------
    covariance : Tensor, shape (batch, bands, segments)
        Between 0 and 1; 0 when either segment is silent. Differentiable in `processed`.
    reference_mean_square, processed_mean_square : Tensor, shape (batch, bands, segments)
        Mean squares, without a gradient.
    """
    kind = _kinds(reference, starts, last)
    return _Covariance.apply(reference, processed, kind)


def _kinds(x: Tensor, starts: bool, last: Tensor) -> Tensor:
    """Which window each segment has, shape (batch, 1, segments)."""
    index = torch.arange(x.shape[-1] // SEGMENT_HOP - 1, device=x.device)
    kind = torch.full((last.shape[0], index.numel()), _INNER, device=x.device)
    kind.masked_fill_(index == last[:, None], _LAST)
    if starts:
        kind[:, 0] = _FIRST
    return kind[:, None]


class _Covariance(torch.autograd.Function):
    """Covariance and both mean squares."""

    @staticmethod
    def forward(
        ctx: Any, reference: Tensor, processed: Tensor, kind: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        x, y = _segments(reference, kind), _segments(processed, kind)
        values = cyclic_correlation(x.values, y.values, _N_FFT)
        n = MAX_SEGMENT_LAG
        values = torch.cat((values[..., : n + 1], values[..., -n:]), -1)
        values /= _windows(x.values.dtype, x.values.device)[1][kind]
        lag = values.abs().argmax(-1, keepdim=True)
        value = values.gather(-1, lag)[..., 0]
        lag = torch.where(lag > n, lag - (2 * n + 1), lag)[..., 0]
        heard = (x.mean_square > TINY) & (y.mean_square > TINY)
        one = torch.ones_like(value)
        # Root by root: in float32 the product of two small mean squares would be 0.
        scale = (
            torch.where(heard, x.mean_square, one).sqrt()
            * torch.where(heard, y.mean_square, one).sqrt()
        )
        signed = torch.where(heard, value / scale, 0.0)
        ctx.save_for_backward(reference, processed, kind, lag, signed, scale, y.mean_square)
        ctx.mark_non_differentiable(x.mean_square, y.mean_square)
        return signed.abs().clamp_max(1.0), x.mean_square, y.mean_square

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[None, Tensor, None]:
        reference, processed, kind, lag, signed, scale, mean_square = ctx.saved_tensors
        x, y = _segments(reference, kind), _segments(processed, kind)
        window, correlations = _windows(x.values.dtype, x.values.device)
        inside = (signed != 0.0) & (signed.abs() <= 1.0)
        gradient = torch.where(inside, gradient * signed.sign(), 0.0)
        at_lag = correlations[kind.expand(lag.shape), lag]
        energy = correlations[:, 0][kind]
        per_value = gradient / (at_lag * scale)
        mean_square = torch.where(inside, mean_square, 1.0)
        per_energy = gradient * signed / (mean_square * energy)
        source = torch.arange(SEGMENT, device=lag.device) - lag[..., None] + MAX_SEGMENT_LAG
        padded = torch.nn.functional.pad(x.values, (MAX_SEGMENT_LAG, MAX_SEGMENT_LAG))
        of_y = padded.gather(-1, source).mul_(per_value[..., None])
        of_y.addcmul_(per_energy[..., None], y.values, value=-1.0)
        of_y = _without_mean(of_y, kind).mul_(window)
        of_hops = torch.zeros_like(processed).unflatten(-1, (-1, SEGMENT_HOP))
        of_hops[..., :-1, :] += of_y[..., :SEGMENT_HOP]
        of_hops[..., 1:, :] += of_y[..., SEGMENT_HOP:]
        return None, of_hops.flatten(-2), None


def _segments(x: Tensor, kind: Tensor) -> _Segments:
    """Cut, window and free of the mean."""
    window, correlations = _windows(x.dtype, x.device)
    values = _without_mean(x.unfold(-1, SEGMENT, SEGMENT_HOP) * window, kind)
    energy = torch.linalg.vector_norm(values, dim=-1).square_()
    return _Segments(values, energy / correlations[:, 0][kind])


def _without_mean(values: Tensor, kind: Tensor) -> Tensor:
    """Subtract the mean of the halves that are there, in place; the others are left alone."""
    there = torch.stack((kind != _FIRST, kind != _LAST), -1).to(values.dtype)
    halves = values.unflatten(-1, (2, SEGMENT_HOP))
    mean = (halves.sum(-1) * there).sum(-1) / (there.sum(-1) * SEGMENT_HOP)
    halves -= (mean[..., None] * there)[..., None]
    return values
