"""Where a processed signal is digitally silent, envelopes that no transform can tell from 0.

The conversion to dB above threshold multiplies the motion by (E + tiny)/(envelope + tiny). Where
the envelope is far below tiny = 1e-30 that is 1, and motion which alignment has moved there from
elsewhere is left as it is. A transform leaves rounding noise of 1e-17 of the loudest sample there,
so these envelopes are computed by recursion, which decays as far as numbers go; in silence only,
and only in float64, whose scores shall be the exact ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clarity.evaluator.ear_model.constants import N_BANDS, TINY
from clarity.evaluator.ear_model.gammatone import (
    centre_frequencies_hz,
    gammatone,
    gammatone_filters,
)
from clarity.evaluator.ear_model.middle_ear import middle_ear
from clarity.evaluator.haaqi_torch.ear import EarParameters
from clarity.evaluator.haaqi_torch.gammatone import history_samples

_SILENT = 1e-26  # far above `TINY`: what is below it may still have to be told from that
_SHORTEST = 512  # the middle ear alone needs longer to decay from audible sound to `TINY`
_DECAYED = 16384
_MOST_AT_ONCE = 240_000


class Silence(NamedTuple):
    """A silent stretch of a processed signal.

    Attributes
    ----------
    start, stop : int
        Its samples.
    share : ndarray, shape (32, n)
        Factor for the motion in its first n samples; behind these it is 1.
    """

    start: int
    stop: int
    share: NDArray[np.float64]


@torch.no_grad()
def silences(
    processed: Tensor, bandwidth: Tensor, ear: EarParameters, lengths: Sequence[int]
) -> list[list[Silence]]:
    """Find the silent stretches of aligned processed signals.

    Parameters
    ----------
    processed : Tensor of float64, shape (batch, samples)
        Signals before the middle ear.
    bandwidth : Tensor, shape (batch, 32)
        Bandwidths of their filters.
    ear : EarParameters
        One row for each pair.
    lengths : sequence of int
        Samples of each pair.

    Returns
    -------
    list of list of Silence
        Those of each pair; an empty list when no pair has any.
    """
    quiet = processed.abs() < _SILENT
    # A long stretch fills a window of half its length wherever it begins.
    windows = quiet.unfold(-1, _SHORTEST // 2, _SHORTEST // 2).all(-1)
    if not bool(quiet[:, 0].any() | windows.any()):
        return []
    rows = zip(processed.cpu().numpy(), quiet.cpu().numpy(), lengths, strict=True)
    widths, ohc_db = bandwidth.cpu().numpy(), ear.ohc_db.cpu().numpy()
    found: list[list[Silence]] = []
    for i, (x, is_quiet, n) in enumerate(rows):
        filters = gammatone_filters(widths[i], centre_frequencies_hz())
        # In silence the gain of the compression is that at its lower knee.
        gain = 10.0 ** (-ohc_db[i] / 20.0)[:, np.newaxis]
        found.append([])
        for first, runs in _clusters(_runs(is_quiet[:n])):
            stop = max(_end_of_decay(x, run) for run in runs)
            envelope = gain * gammatone(middle_ear(x[first:stop]), filters)[0]
            for run in runs:
                part = envelope[:, run.start - first : _end_of_decay(x, run) - first]
                found[-1].append(Silence(run.start, run.stop, TINY / (part + TINY)))
    return found


def _runs(quiet: NDArray[np.bool_]) -> list[slice]:
    """Stretches long enough for the ear to come to rest, and one at the beginning."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], quiet.astype(np.int8), [0]))))
    pairs = edges.reshape(-1, 2).tolist()
    return [slice(*pair) for pair in pairs if pair[0] == 0 or pair[1] - pair[0] >= _SHORTEST]


def _clusters(runs: list[slice]) -> Iterator[tuple[int, list[slice]]]:
    """Stretches to filter together, with the sample at which the filters' memory begins."""
    cluster: list[slice] = []
    for run in runs:
        first = max(run.start - history_samples(0), 0)
        apart = cluster and cluster[-1].stop < first
        if cluster and (apart or run.stop - cluster[0].start > _MOST_AT_ONCE):
            yield max(cluster[0].start - history_samples(0), 0), cluster
            cluster = []
        cluster.append(run)
    if cluster:
        yield max(cluster[0].start - history_samples(0), 0), cluster


def _end_of_decay(x: NDArray[np.float64], run: slice) -> int:
    """Sample of a stretch from which on all envelopes are far below `TINY`."""
    sounding = np.flatnonzero(np.abs(x[run]) > TINY * TINY)
    last = run.start + (int(sounding[-1]) if sounding.size else 0)
    return min(run.stop, last + _DECAYED)


def untouched_share(
    found: Sequence[Sequence[Silence]], bands: slice, part: slice, like: Tensor
) -> Tensor:
    """Factor for the motion in silence, 0 elsewhere.

    Parameters
    ----------
    found : sequence of sequence of Silence
        What `silences` found.
    bands : slice
        Bands wanted.
    part : slice
        Samples wanted.
    like : Tensor
        Has the device and the type wanted.

    Returns
    -------
    Tensor, shape (batch, bands, samples)
        Factors.
    """
    share = np.zeros((len(found), N_BANDS, part.stop - part.start))[:, bands]
    for row, stretches in zip(share, found, strict=True):
        for silence in stretches:
            start, stop = max(silence.start, part.start), min(silence.stop, part.stop)
            if start >= stop:
                continue
            row[:, start - part.start : stop - part.start] = 1.0
            known = silence.share[bands, start - silence.start : stop - silence.start]
            row[:, start - part.start : start - part.start + known.shape[1]] = known
    return torch.from_numpy(np.ascontiguousarray(share)).to(like)
