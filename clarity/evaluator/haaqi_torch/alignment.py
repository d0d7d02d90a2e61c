"""Alignment of the signals as a whole and band by band; lags are constants to the gradient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from scipy import fft
from torch import Tensor

from clarity.evaluator.ear_model.alignment import DISPERSION_SAMPLES, SILENCE_RATIO
from clarity.evaluator.ear_model.band_alignment import MAX_LAG
from clarity.evaluator.haaqi_torch.lengths import lengths_on, without_tails
from clarity.evaluator.haaqi_torch.shift import shifted


@dataclass(frozen=True)
class Span:
    """What is compared of a pair.

    Attributes
    ----------
    first, length : int
        Where the reference becomes audible, and how many samples there are to its last audible one.
        Length 0: silent.
    lag : int
        Sample of the processed signal that belongs to sample 0 of the reference.
    """

    first: int
    length: int
    lag: int


@torch.no_grad()
def audible_spans(reference: Tensor, processed: Tensor, lengths: Sequence[int]) -> list[Span]:
    """Find the audible part of each reference and the delay of each processed signal.

    Parameters
    ----------
    reference, processed : Tensor, shape (batch, samples)
        Signals at 24 kHz, 0 behind their lengths.
    lengths : sequence of int
        Samples of each pair.

    Returns
    -------
    list of Span
        One of each pair.
    """
    level = reference.abs()
    audible = level > SILENCE_RATIO * level.amax(-1, keepdim=True)
    index = torch.arange(reference.shape[-1], device=reference.device)
    last = torch.where(audible, index, -1).amax(-1)
    first = torch.where(audible, index, reference.shape[-1]).amin(-1)
    lag = _bulk_lag(reference.double(), processed.double(), lengths) - DISPERSION_SAMPLES
    rows = torch.stack((first, last - first + 1, lag), -1).tolist()  # the host needs the lengths
    return [Span(row[0], max(row[1], 0), row[2]) for row in rows]


def _bulk_lag(reference: Tensor, processed: Tensor, lengths: Sequence[int]) -> Tensor:
    """Lag d with the largest |sum r[n] p[n + d]|, means removed; of equal ones the last."""
    n = max(lengths)
    counts = lengths_on(reference.device, lengths)[:, None]
    # Lags that a shorter pair has not hold 0 and rounding, less than the peak of any two signals.
    lag = _last_maximum(_correlation(reference, processed, lengths).abs_()) + (1 - n)
    # As in `ear_model`, where either is constant the last lag is taken, not one of rounding.
    inside = torch.arange(n, device=reference.device) < counts
    constant = [((x == x[:, :1]) | ~inside).all(-1) for x in (reference, processed)]
    return torch.where(constant[0] | constant[1], counts[:, 0] - 1, lag)


def _correlation(reference: Tensor, processed: Tensor, lengths: Sequence[int]) -> Tensor:
    """Correlation of signals without their means at lags from 1 - n to n - 1, n samples or less."""
    n = max(lengths)
    n_fft = fft.next_fast_len(2 * n, real=True)
    counts = lengths_on(reference.device, lengths)[:, None]
    x, y = (
        without_tails(x - x.sum(-1, keepdim=True) / counts, lengths) for x in (reference, processed)
    )
    correlation = cyclic_correlation(x, y, n_fft)
    return torch.cat((correlation[:, n_fft - n + 1 :], correlation[:, :n]), -1)


def cyclic_correlation(x: Tensor, y: Tensor, n_fft: int) -> Tensor:
    """Sum x[n] y[n + lag] for the lags 0 to n_fft - 1, the last of which are the negative ones."""
    cross = torch.fft.rfft(x, n_fft).conj_physical_()
    return torch.fft.irfft(cross.mul_(torch.fft.rfft(y, n_fft)), n_fft)


def _last_maximum(x: Tensor) -> Tensor:
    """Index of the largest value along the last dimension, of equal ones the last."""
    index = torch.arange(x.shape[-1], device=x.device, dtype=torch.int32)
    return torch.where(x >= x.amax(-1, keepdim=True), index, 0).amax(-1).long()


def align_and_prune(x: Tensor, spans: Sequence[Span], n_padded: int, *, follow: bool) -> Tensor:
    """Take the audible part of each pair.

    Parameters
    ----------
    x : Tensor, shape (batch, samples)
        References, or processed signals.
    spans : sequence of Span
        What to take of each.
    n_padded : int
        Samples of the result.
    follow : bool
        Whether to follow the lag, which processed signals do.

    Returns
    -------
    Tensor, shape (batch, n_padded)
        Parts, 0 behind their lengths.
    """
    starts = [span.first + (span.lag if follow else 0) for span in spans]
    lag = torch.tensor(starts, device=x.device)[:, None]
    stop = lengths_on(x.device, [span.length for span in spans])
    return shifted(x[:, None], lag, n_padded, stop=stop)[:, 0]


def band_correlation(reference: Tensor, processed: Tensor, offset: int) -> Tensor:
    """Correlation of two signals in each band at lags from -`MAX_LAG` to `MAX_LAG` - 1.

    Parameters
    ----------
    reference : Tensor, shape (batch, bands, n)
        A block of the reference.
    processed : Tensor, shape (batch, bands, m)
        The processed signal around that block.
    offset : int
        Sample of `processed` at which the block begins.

    Returns
    -------
    Tensor, shape (batch, bands, 2 * MAX_LAG)
        Sums of r[n] p[n + offset + lag].
    """
    n, m = reference.shape[-1], processed.shape[-1]
    # Long enough that no lag from -n to m falls on one that is wanted.
    n_fft = fft.next_fast_len(max(n + offset + MAX_LAG, m - offset + MAX_LAG, m), real=True)
    correlation = cyclic_correlation(reference, processed, n_fft)
    first = offset - MAX_LAG
    if first >= 0:
        return correlation[..., first : first + 2 * MAX_LAG]
    return torch.cat((correlation[..., first:], correlation[..., : first + 2 * MAX_LAG]), -1)


def band_lags(correlation: Tensor, lengths: Sequence[int]) -> Tensor:
    """Lag of the largest correlation in each band, of equal ones the last.

    Parameters
    ----------
    correlation : Tensor, shape (batch, bands, 2 * MAX_LAG)
        From `band_correlation`.
    lengths : sequence of int
        Samples of each pair; those shorter than `MAX_LAG` bound the lags.

    Returns
    -------
    Tensor of int64, shape (batch, bands)
        Lags in samples.
    """
    if min(lengths) <= MAX_LAG:
        lags = torch.arange(-MAX_LAG, MAX_LAG, device=correlation.device)
        counts = lengths_on(correlation.device, lengths)[:, None, None]
        # In a signal as long as the largest lag or shorter, |lag| < length.
        outside = (counts <= MAX_LAG) & (lags.abs() >= counts)
        correlation = correlation.masked_fill(outside, -torch.inf)
    return _last_maximum(correlation) - MAX_LAG
