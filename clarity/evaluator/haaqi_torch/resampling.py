"""Conversion of a batch of signals to the model's sampling rate, see `ear_model.resampling`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from scipy import fft, signal
from torch import Tensor

from clarity.evaluator.ear_model.resampling import (
    MODEL_RATE_KHZ,
    level_low_pass,
    resampling_ratio,
    whole_khz,
)
from clarity.evaluator.haaqi_torch.lengths import lengths_on, without_tails
from clarity.evaluator.haaqi_torch.precision import product

# What scipy.signal.resample_poly, with which the model is defined, designs by default.
_KAISER_BETA = 5.0
_HALF_WIDTH = 10

_SHORTEST_STEP = 64
_LEVEL_DECAY = 2048  # samples in which the low-pass for the level has died away


def to_model_rate(
    x: Tensor, lengths: Sequence[int], sample_rate_hz: float
) -> tuple[Tensor, list[int]]:
    """Resample to 24 kHz, keeping the RMS level of each signal.

    Parameters
    ----------
    x : Tensor, shape (batch, samples)
        Signals, 0 behind their lengths.
    lengths : sequence of int
        Samples of each signal.
    sample_rate_hz : float
        Their sampling rate in Hz.

    Returns
    -------
    y : Tensor, shape (batch, samples at 24 kHz)
        Resampled signals, 0 behind their lengths; the signals themselves at 24 kHz. A silent signal
        stays silent.
    lengths : list of int
        Their lengths.

    Raises
    ------
    ValueError
        When the rate rounds to 0 kHz.
    """
    rate_khz = whole_khz(sample_rate_hz)
    if rate_khz == MODEL_RATE_KHZ:
        return x, list(lengths)
    up, down = resampling_ratio(rate_khz)
    new_lengths = [-(-n * up // down) for n in lengths]
    y = without_tails(_resampled(x, up, down)[:, : max(new_lengths)], new_lengths)
    if rate_khz < MODEL_RATE_KHZ:
        before, after = _mean_square(x, lengths), _mean_square(y, new_lengths)
    else:
        before = _mean_square(_low_passed(x, rate_khz, lengths), lengths)
        after = _mean_square(_low_passed(y, MODEL_RATE_KHZ, new_lengths), new_lengths)
    sounds = (before > 0.0) & (after > 0.0)
    one = torch.ones_like(after)
    ratio = torch.where(sounds, before, one) / torch.where(sounds, after, one)
    return y * ratio.sqrt().to(y.dtype)[:, None], new_lengths


def _mean_square(x: Tensor, lengths: Sequence[int]) -> Tensor:
    """Mean square of each signal, in float64."""
    return x.double().square().sum(-1) / lengths_on(x.device, lengths)


def _low_passed(x: Tensor, rate_khz: int, lengths: Sequence[int]) -> Tensor:
    """Signals behind the low-pass of `level_low_pass`, in float64."""
    n = x.shape[-1]
    n_fft = fft.next_fast_len(n + _LEVEL_DECAY, real=True)
    spectrum = torch.fft.rfft(x.double(), n_fft)
    response = rational_response(*level_low_pass(rate_khz), n_fft, x.device)
    return without_tails(torch.fft.irfft(spectrum * response, n_fft)[:, :n], lengths)


def rational_response(
    numerator: np.ndarray, denominator: np.ndarray, n_fft: int, device: torch.device
) -> Tensor:
    """Response of a digital filter at the bins of a real transform, shape (n_fft // 2 + 1,)."""
    q = torch.polar(
        torch.ones((), dtype=torch.float64, device=device),
        torch.arange(n_fft // 2 + 1, dtype=torch.float64, device=device) * (-2.0 * math.pi / n_fft),
    )
    return _polynomial(numerator, q) / _polynomial(denominator, q)


def _polynomial(coefficients: np.ndarray, q: Tensor) -> Tensor:
    """Sum of coefficients[i] q^i, by Horner's rule."""
    total = torch.full_like(q, float(coefficients[-1]))
    for coefficient in coefficients[-2::-1]:
        total = total.mul_(q).add_(float(coefficient))
    return total


def _resampled(x: Tensor, up: int, down: int) -> Tensor:
    """Polyphase filter: every step of the input gives some whole periods of outputs."""
    matrix, n_before, step = _polyphase_matrix(up, down, x.dtype, x.device)
    n_reach = -(-matrix.shape[0] // step)  # steps of the input that a period of outputs hears
    n_steps = -(-x.shape[-1] // step)
    n_padded = (n_steps + n_reach) * step
    blocks = torch.nn.functional.pad(x, (n_before, n_padded - n_before - x.shape[-1]))
    blocks = blocks.unflatten(-1, (-1, step))
    y = product(blocks[:, :n_steps], matrix[:step])
    for i in range(1, n_reach):
        part = matrix[i * step : (i + 1) * step]
        y = y + product(blocks[:, i : i + n_steps, : part.shape[0]], part)
    return y.flatten(1)


@lru_cache(maxsize=8)
def _polyphase_matrix(
    up: int, down: int, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, int, int]:
    """Matrix from inputs to the outputs of a step, inputs before the step, and the step's inputs.

    Output m is the sum of h[c + m down - k up] x[k], c being the centre of the filter h.
    """
    widest = max(up, down)
    centre = _HALF_WIDTH * widest
    h = up * signal.firwin(2 * centre + 1, 1.0 / widest, window=("kaiser", _KAISER_BETA))
    n_periods = -(-_SHORTEST_STEP // down)
    n_outputs, step = n_periods * up, n_periods * down
    n_before = centre // up
    n_inputs = n_before + (centre + (n_outputs - 1) * down) // up + 1
    tap = centre + np.arange(n_outputs) * down - (np.arange(n_inputs)[:, None] - n_before) * up
    inside = (tap >= 0) & (tap < h.size)
    matrix = np.where(inside, h[np.clip(tap, 0, h.size - 1)], 0.0)
    with torch.inference_mode(False):
        return torch.as_tensor(matrix).to(device, dtype), n_before, step
