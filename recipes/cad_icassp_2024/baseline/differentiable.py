"""The chain of enhance.py in torch: remix, loudness and hearing aid, with gradients.

The functions give the numbers of `remix` and `hearing_aid` for batches of stereo signals of shape
(batch, 2, samples). What follows in enhance.py, the resampling to 32 kHz and the rounding to 16
bit, is left out: neither has a useful gradient.
"""

from __future__ import annotations

import numpy as np
import scipy
import torch

from clarity.utils import loudness
from clarity.utils.k_weighting import k_weighting

_TAIL_S = 1.0
"""Silence behind a signal in which the slowest K-weighting filter has died away to 1e-12."""


def integrated_loudness(signal: torch.Tensor, sample_rate: int) -> torch.Tensor:
    """Integrated loudness (ITU-R BS.1770-4), see `clarity.utils.loudness.integrated_loudness`.

    Parameters
    ----------
    signal : Tensor, shape (batch, channels, samples)
        Left and right, or one channel.
    sample_rate : int
        Rate in Hz.

    Returns
    -------
    Tensor, shape (batch,)
        LUFS. Which blocks pass the gates is not differentiated; it is piecewise constant.
    """
    block_s, n_hops = loudness.BLOCK_S, loudness.HOPS_PER_BLOCK
    n_missing = max(int(np.ceil(block_s * sample_rate)) - signal.shape[-1], 0)
    signal = torch.nn.functional.pad(signal, (0, n_missing))
    n_blocks = round((signal.shape[-1] / sample_rate - block_s) * n_hops / block_s) + 1
    edges = [int(block_s * (hop / n_hops) * sample_rate) for hop in range(n_blocks + n_hops)]
    power = _k_weighted(signal, sample_rate).square().sum(dim=1)
    energy = torch.nn.functional.pad(power.cumsum(dim=-1), (1, 0))[:, edges].diff(dim=-1)
    blocks = energy.unfold(-1, n_hops, 1).sum(dim=-1) / (block_s * sample_rate)
    with torch.no_grad():
        passed = _gates(blocks)
    mean = (blocks * passed).sum(dim=-1) / passed.sum(dim=-1).clamp(min=1)
    silent = ~passed.any(dim=-1)
    lufs = loudness.FULL_SCALE_LUFS + 10.0 * torch.log10(torch.where(silent, 1.0, mean))
    return torch.where(silent, loudness.SILENCE_LUFS, lufs)


def _k_weighted(signal: torch.Tensor, sample_rate: int) -> torch.Tensor:
    """Filter by the K-weighting, in the frequency domain."""
    n = signal.shape[-1]
    n_fft = scipy.fft.next_fast_len(n + round(_TAIL_S * sample_rate), real=True)
    _, response = scipy.signal.sosfreqz(k_weighting(sample_rate), np.fft.rfftfreq(n_fft), fs=1.0)
    spectrum = torch.fft.rfft(signal.double(), n_fft)
    spectrum = spectrum * torch.from_numpy(response).to(signal.device)
    return torch.fft.irfft(spectrum, n_fft)[..., :n]


def _gates(blocks: torch.Tensor) -> torch.Tensor:
    """Tell which blocks pass the absolute and then the relative gate, (batch, blocks)."""
    lufs = loudness.FULL_SCALE_LUFS + 10.0 * torch.log10(blocks.clamp(min=1e-300))
    audible = lufs >= loudness.ABSOLUTE_GATE_LUFS
    mean = (blocks * audible).sum(dim=-1) / audible.sum(dim=-1).clamp(min=1)
    gate = loudness.FULL_SCALE_LUFS + 10.0 * torch.log10(mean.clamp(min=1e-300))
    gate = (gate + loudness.RELATIVE_GATE_LU).clamp(min=loudness.ABSOLUTE_GATE_LUFS)
    return audible & (lufs > gate[:, None])


def remix(
    stems: torch.Tensor, gains_db: torch.Tensor, loudness_lufs: torch.Tensor, sample_rate: int
) -> torch.Tensor:
    """Apply gains, sum, and scale the sums to a loudness; see `remix.remix_to_loudness`.

    Parameters
    ----------
    stems : Tensor, shape (batch, sources, 2, samples)
    gains_db : Tensor, shape (batch, sources)
        Gain of each stem in dB.
    loudness_lufs : Tensor, shape (batch,)
        Wanted loudness.
    sample_rate : int
        In Hz.

    Returns
    -------
    Tensor, shape (batch, 2, samples)
    """
    total = (stems * (10.0 ** (gains_db / 20.0))[..., None, None].to(stems.dtype)).sum(dim=1)
    gain_db = loudness_lufs - integrated_loudness(total, sample_rate)
    return total * (10.0 ** (gain_db / 20.0))[:, None, None].to(total.dtype)


def amplify(signal: torch.Tensor, filters: torch.Tensor) -> torch.Tensor:
    """Apply a hearing-aid filter to each ear; see `hearing_aid.HearingAid`.

    Parameters
    ----------
    signal : Tensor, shape (batch, 2, samples)
        Left ear, right ear.
    filters : Tensor, shape (batch, 2, taps)
        FIR filter of each ear, from `clarity.enhancer.nalr.NALR.build`.

    Returns
    -------
    Tensor, shape (batch, 2, samples + taps - 1)
    """
    n = signal.shape[-1] + filters.shape[-1] - 1
    n_fft = scipy.fft.next_fast_len(n, real=True)
    spectrum = torch.fft.rfft(signal, n_fft) * torch.fft.rfft(filters.to(signal.dtype), n_fft)
    return torch.fft.irfft(spectrum, n_fft)[..., :n]
