"""What goes into the comparison of bands, and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from clarity.evaluator.haaqi_torch.ear import EarParameters
from clarity.evaluator.haaqi_torch.noise import Noise
from clarity.evaluator.haaqi_torch.silence import Silence


class Tuned(NamedTuple):
    """One of the two batches of signals, and the filters that are set for it.

    Attributes
    ----------
    x : Tensor, shape (batch, samples)
        Signals behind the middle ear.
    pole : Tensor of float64, shape (batch, 32)
        Poles of the main filters.
    ear : EarParameters
        Ear that hears each of them.
    """

    x: Tensor
    pole: Tensor
    ear: EarParameters


@dataclass(frozen=True)
class Setting:
    """What holds for all bands and blocks.

    Attributes
    ----------
    level1 : float
        Level in dB SPL of a signal with an RMS of 1.
    lengths : list of int
        Samples of each pair.
    n_samples : Tensor of int64, shape (batch,)
        The same on the signals' device.
    blocks : list of slice
        Parts that are worked on one by one; limits are multiples of `SEGMENT_HOP`.
    delays : Tensor of int64, shape (batch, 32)
        Delay that lines up each band.
    longest_delay : int
        The largest of them.
    noise : Noise
        Noise at threshold.
    silences : list of list of Silence
        Silent stretches of the processed signals; empty when there are none to look after.
    """

    level1: float
    lengths: list[int]
    n_samples: Tensor
    blocks: list[slice]
    delays: Tensor
    longest_delay: int
    noise: Noise
    silences: list[list[Silence]]


class Tiles(NamedTuple):
    """What is kept of some bands.

    Attributes
    ----------
    reference_hops, processed_hops : Tensor, shape (batch, bands, hops, 2)
        Sums over 4 ms of the adapted envelope, with the rising and the falling half of the window.
    covariance : Tensor, shape (batch, bands, segments)
        Covariance of each segment.
    reference_mean_square, processed_mean_square : Tensor, shape (batch, bands, segments)
        Mean square of the motion in it.
    reference_energy, processed_energy : Tensor of float64, shape (batch, bands)
        Energy of the envelope before compression; of a block, or of all.
    """

    reference_hops: Tensor
    processed_hops: Tensor
    covariance: Tensor
    reference_mean_square: Tensor
    processed_mean_square: Tensor
    reference_energy: Tensor
    processed_energy: Tensor
