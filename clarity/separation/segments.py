"""Separation of a long signal segment by segment, with cross-faded overlaps.

A model's memory grows with the length of its input, so that a song is cut into segments that
overlap a little; each is separated on its own and the pieces are cross-faded and added. The
segments are those of torchaudio's tutorial on Hybrid Demucs, as in the challenge's baseline:

- The grid is ``segment * (1 + overlap)`` seconds. Segment k ends at ``(k + 1)`` times the grid (the
  last one at the end of the signal) and starts ``overlap`` seconds before the end of segment k - 1.
- Segments fade in and out linearly over the overlap, the first not in and the last not out.
- A signal that fits the first segment is faded out over its last ``overlap`` seconds all the same.
  That is an oversight of the baseline, kept because its scores depend on it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

MIN_SEGMENT_S = 0.1
"""Segments shorter than this, in seconds, are zero-padded for the model: Fourier transforms and
strided convolutions do not work on a handful of samples."""

Forward = Callable[[torch.Tensor], torch.Tensor]
"""A model: (batch, channels, time) to (batch, sources, channels, time)."""


@dataclass(frozen=True)
class Segment:
    """The samples [start, stop) of a signal and how many of them are faded in and out."""

    start: int
    stop: int
    n_fade_in: int
    n_fade_out: int

    @property
    def n_samples(self) -> int:
        """The number of samples in the segment."""
        return self.stop - self.start


def plan_segments(
    n_samples: int, sample_rate: int, segment: float = 10.0, overlap: float = 0.1
) -> list[Segment]:
    """Cut a signal into overlapping segments.

    Parameters
    ----------
    n_samples : int
        Length of the signal.
    sample_rate : int
        Samples per second.
    segment : float
        The grid is ``segment * (1 + overlap)`` seconds.
    overlap : float
        Overlap of neighbours in seconds, and the share by which the grid is longer than `segment`.

    Returns
    -------
    list of Segment
        The segments in order; together they cover the signal. A signal no longer than the overlap
        is one segment without fades.

    Raises
    ------
    ValueError
        If the signal is empty, or the overlap is negative or longer than the grid.
    """
    if n_samples <= 0:
        raise ValueError("an empty signal cannot be cut into segments")
    n_grid = int(sample_rate * segment * (1 + overlap))
    # Where the overlap is no whole number of samples, the segments share one more than they fade.
    n_fade = math.floor(overlap * sample_rate) if overlap > 0 else 0
    n_shared = math.ceil(overlap * sample_rate)
    if overlap < 0 or n_grid < max(1, n_shared):
        raise ValueError(
            f"segments of {segment} s with an overlap of {overlap} s at {sample_rate} Hz are not "
            "possible: the overlap must be at least 0 s and shorter than a segment"
        )
    if n_samples <= n_shared:
        return [Segment(0, n_samples, 0, 0)]

    segments = [Segment(0, min(n_grid, n_samples), 0, n_fade)]
    while (previous := segments[-1].stop) < n_samples:
        stop = min(previous + n_grid, n_samples)
        segments.append(
            Segment(previous - n_shared, stop, n_fade, 0 if stop == n_samples else n_fade)
        )
    return segments


def overlap_add(
    forward: Forward,
    signal: NDArray[np.floating],
    segments: Sequence[Segment],
    *,
    n_sources: int | None = None,
    batch_size: int = 1,
    min_samples: int = 1,
) -> NDArray[np.float32]:
    """Separate a signal segment by segment and put the pieces together.

    Parameters
    ----------
    forward : callable
        The model: float32 (batch, channels, time) on the CPU to float32 (batch, sources, channels,
        time) on any device.
    signal : ndarray, shape (samples, channels)
        The mixture.
    segments : sequence of Segment
        The segments of `plan_segments`.
    n_sources : int or None
        How many stems the model must give; None takes as many as there are.
    batch_size : int
        How many neighbouring segments of one length go through the model together.
    min_samples : int
        Shorter segments are zero-padded to this length for the model.

    Returns
    -------
    ndarray, shape (sources, channels, samples), float32
        The stems.

    Raises
    ------
    ValueError
        If the model's output has another shape than it should, or holds NaN or infinite samples.
    """
    stems = None
    for batch in _batches(segments, batch_size):
        n_padded = max(batch[0].n_samples, min_samples)
        pieces = np.zeros((len(batch), signal.shape[1], n_padded), dtype=np.float32)
        for piece, one in zip(pieces, batch, strict=True):
            piece[:, : one.n_samples] = signal[one.start : one.stop].T
        estimates = forward(torch.from_numpy(pieces))
        n_sources = n_sources or estimates.shape[1]
        _check_estimates(estimates, (len(batch), n_sources, signal.shape[1], n_padded))
        if stems is None:
            stems = np.zeros((n_sources, *signal.T.shape), dtype=np.float32)
        for one, estimate in zip(batch, estimates.cpu().numpy(), strict=True):
            _add_faded(stems[..., one.start : one.stop], estimate[..., : one.n_samples], one)
    if stems is None:
        raise ValueError("there are no segments to separate")
    return stems


def _batches(segments: Sequence[Segment], batch_size: int) -> Iterator[list[Segment]]:
    """Group neighbouring segments of one length, at most `batch_size` together."""
    batch: list[Segment] = []
    for segment in segments:
        if batch and (len(batch) == batch_size or segment.n_samples != batch[0].n_samples):
            yield batch
            batch = []
        batch.append(segment)
    if batch:
        yield batch


def _check_estimates(estimates: torch.Tensor, shape: tuple[int, ...]) -> None:
    """Raise ValueError unless a model's output has a shape and is finite."""
    if tuple(estimates.shape) != shape:
        raise ValueError(
            f"the separation model returned the shape {tuple(estimates.shape)}, expected {shape} "
            "(batch, sources, channels, time); does `sources` name as many stems as it gives?"
        )
    if not torch.isfinite(estimates.sum()):  # one pass; NaN and infinity survive a sum
        raise ValueError("the separation model returned NaN or infinite samples")


def _add_faded(stems: NDArray[np.float32], estimate: NDArray[np.float32], segment: Segment) -> None:
    """Fade an estimate (sources, channels, time) and add it to that part of the stems."""
    n_in, n_out = segment.n_fade_in, segment.n_samples - segment.n_fade_out
    stems[..., :n_in] += estimate[..., :n_in] * _ramp(n_in)
    stems[..., n_in:n_out] = estimate[..., n_in:n_out]
    stems[..., n_out:] += estimate[..., n_out:] * (1 - _ramp(segment.n_fade_out))


def _ramp(n_samples: int) -> NDArray[np.float32]:
    """Rise linearly from 0 to 1, both included (0 when there is only one sample)."""
    return np.linspace(0, 1, n_samples, dtype=np.float32)
