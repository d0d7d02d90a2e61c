"""The four features of HAAQI for a batch, in float64, see `haaqi.features`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from clarity.evaluator.ear_model.constants import N_BANDS, TINY
from clarity.evaluator.ear_model.covariance import SEGMENT_HOP
from clarity.evaluator.ear_model.envelope import ENVELOPE_HOP, smoothing_window
from clarity.evaluator.ear_model.gammatone import centre_frequencies_hz
from clarity.evaluator.ear_model.quality import (
    SILENCE_THRESHOLD_DB,
    cepstral_basis,
    modulation_filters,
    synchrony_weights,
)
from clarity.evaluator.haaqi_torch.lengths import lengths_on

_NEPERS_PER_DB = math.log(10.0) / 20.0


def smoothed_frames(hops: Tensor, lengths: Sequence[int]) -> Tensor:
    """Put together the frames of envelopes that were summed hop by hop.

    Parameters
    ----------
    hops : Tensor, shape (batch, 32, hops, 2)
        Sums with the rising and the falling half of the window.
    lengths : sequence of int
        Samples of each pair.

    Returns
    -------
    Tensor, shape (batch, 32, frames)
        Smoothed envelopes; the first and the last frame cover one hop, the others two.
    """
    half = float(smoothing_window()[:ENVELOPE_HOP].sum())
    rising, falling = hops.double().unbind(-1)
    n_frames = max(lengths) // ENVELOPE_HOP
    last = lengths_on(hops.device, lengths)[:, None, None] // ENVELOPE_HOP - 1
    index = torch.arange(n_frames, device=hops.device)
    inner = (rising[..., :n_frames] + falling[..., 1 : n_frames + 1]) / (2.0 * half)
    frames = torch.where(index == last, rising[..., :n_frames] / half, inner)
    return torch.where(index == 0, falling[..., :n_frames] / half, frames)


def audible(level_db: Tensor) -> Tensor:
    """Frames (batch, n) whose amplitude, averaged over the bands, exceeds the threshold."""
    amplitude = (level_db * _NEPERS_PER_DB).exp().mean(1)
    return 20.0 * amplitude.log10() > SILENCE_THRESHOLD_DB


def cepstral_correlation_high(
    reference: Tensor, processed: Tensor, lengths: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """CepHigh: correlation of the cepstra's modulations from 20 to 125 Hz.

    Parameters
    ----------
    reference, processed : Tensor, shape (batch, 32, frames)
        Smoothed envelopes in dB SL.
    lengths : sequence of int
        Samples of each pair.

    Returns
    -------
    cep_high : Tensor, shape (batch,)
        Between 0 and 1; 0 when at most one frame is audible.
    n_kept : Tensor of int64, shape (batch,)
        Audible frames.
    """
    n_frames = lengths_on(reference.device, lengths)[:, None] // ENVELOPE_HOP
    index = torch.arange(reference.shape[-1], device=reference.device)
    keep = audible(reference) & (index < n_frames)
    n_kept = keep.sum(-1)
    # Audible frames first, in order; what follows is masked.
    order = torch.argsort(~keep, dim=-1, stable=True)[:, None]
    mask = (index < n_kept[:, None])[:, None]
    x, y = (_modulations(_taken(frames, order), mask, n_kept) for frames in (reference, processed))
    energy_x, energy_y = x.square().sum(-1), y.square().sum(-1)
    sounds = (energy_x > TINY) & (energy_y > TINY)
    one = torch.ones_like(energy_x)
    scale = torch.where(sounds, energy_x, one).sqrt() * torch.where(sounds, energy_y, one).sqrt()
    correlation = torch.where(sounds, (x * y).sum(-1).abs() / scale, 0.0)
    return correlation.mean((1, 2)) * (n_kept > 1), n_kept


def _taken(frames: Tensor, order: Tensor) -> Tensor:
    """Frames in the order given."""
    return frames.gather(-1, order.expand_as(frames))


def _modulations(frames: Tensor, mask: Tensor, n_kept: Tensor) -> Tensor:
    """Modulation bands of the cepstra, shape (batch, 5 cepstra, 4 bands, frames)."""
    basis, filters = _basis_and_filters(frames.device)
    count = n_kept.clamp_min(1)[:, None, None]
    cepstra = basis @ frames
    cepstra = (cepstra - (cepstra * mask).sum(-1, keepdim=True) / count) * mask
    n, n_taps = frames.shape[-1], filters.shape[-1]
    flat = cepstra.flatten(0, 1)[:, None]
    # Filters are symmetric, so a convolution is the correlation that conv1d computes.
    filtered = torch.nn.functional.conv1d(flat, filters[:, None], padding=n_taps // 2)
    filtered = filtered.unflatten(0, cepstra.shape[:2])
    assert filtered.shape[-1] == n
    mask = mask[:, None]
    return (filtered - (filtered * mask).sum(-1, keepdim=True) / count[..., None]) * mask


@lru_cache(maxsize=8)
def _basis_and_filters(device: torch.device) -> tuple[Tensor, Tensor]:
    """Cepstral basis without the overall level, (5, 32), and modulation filters (4, 129)."""
    with torch.inference_mode(False):
        basis = torch.as_tensor(cepstral_basis()[:, 1:].T.copy())
        return basis.to(device), torch.as_tensor(modulation_filters()).to(device)


def basilar_membrane_sync(
    covariance: Tensor, mean_square: Tensor, lengths: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """BMsync5: covariance of basilar-membrane motion, averaged over the audible tiles.

    Parameters
    ----------
    covariance, mean_square : Tensor, shape (batch, 32, segments)
        Covariance of each segment and mean square of the reference's motion in it; segment 1, from
        the very beginning on, takes no part.
    lengths : sequence of int
        Samples of each pair.

    Returns
    -------
    bm_sync5 : Tensor, shape (batch,)
        Between 0 and 1; 0 when at most one segment is audible.
    weights : Tensor, shape (batch, 32, segments)
        Weight of each tile.
    """
    level_db = (2.0 * mean_square.double()).sqrt()
    last = lengths_on(covariance.device, lengths)[:, None] // SEGMENT_HOP
    index = torch.arange(covariance.shape[-1], device=covariance.device)
    keep = audible(level_db) & (index != 1) & (index <= last)
    weights = _synchrony_weights(covariance.device)[:, None] * (
        (level_db > SILENCE_THRESHOLD_DB) & keep[:, None]
    )
    weights = weights * (keep.sum(-1) > 1)[:, None, None]
    total = weights.sum((1, 2))
    average = (weights * covariance.double()).sum((1, 2)) / torch.where(total > 0, total, 1.0)
    return average, weights


@lru_cache(maxsize=8)
def _synchrony_weights(device: torch.device) -> Tensor:
    """Weight of each band, shape (32,)."""
    with torch.inference_mode(False):
        return torch.as_tensor(synchrony_weights(centre_frequencies_hz())).to(device)


def spectral_differences(reference_db: Tensor, processed_db: Tensor) -> tuple[Tensor, Tensor]:
    """Spread over the bands of the difference between two average spectra.

    Parameters
    ----------
    reference_db, processed_db : Tensor, shape (batch, 32)
        Average levels in dB SL.

    Returns
    -------
    loudness, normalised : Tensor, shape (batch,)
        32 std(X - Y) and 32 std((X - Y)/(X + Y)) of the spectra as shares X, Y of the total.
    """
    x, y = ((db * _NEPERS_PER_DB).exp() for db in (reference_db, processed_db))
    x, y = x / x.sum(-1, keepdim=True), y / y.sum(-1, keepdim=True)
    return N_BANDS * _spread(x - y), N_BANDS * _spread((x - y) / (x + y))


def _spread(x: Tensor) -> Tensor:
    """Compute the population standard deviation over the bands; without a slope where it is 0."""
    variance = (x - x.mean(-1, keepdim=True)).square().mean(-1)
    varies = variance > 0.0
    return torch.where(varies, variance, 1.0).sqrt() * varies
