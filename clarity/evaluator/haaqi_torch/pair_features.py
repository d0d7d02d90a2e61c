"""HAAQI of pairs that are aligned: from the signals to features and score."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from operator import index
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.checkpoint import checkpoint as checkpointed

from clarity.evaluator.ear_model.constants import N_BANDS
from clarity.evaluator.ear_model.covariance import SEGMENT_HOP
from clarity.evaluator.ear_model.gammatone import centre_frequencies_hz, gammatone_filters
from clarity.evaluator.ear_model.group_delay import band_delays
from clarity.evaluator.ear_model.levels import checked_level1
from clarity.evaluator.ear_model.quality import (
    EQUALISATIONS,
    HEALTHY_REFERENCE,
    LOUDNESS_RANGE,
    NALR_MISSING,
    NORMALISED_RANGE,
    SILENCE_THRESHOLD_DB,
    combined_score,
    linear_term,
    nonlinear_term,
)
from clarity.evaluator.ear_model.resampling import whole_khz
from clarity.evaluator.ear_model.threshold_noise import RandomStream
from clarity.evaluator.haaqi_torch.comparison import compare_bands
from clarity.evaluator.haaqi_torch.ear import EarParameters, healthy, with_nalr
from clarity.evaluator.haaqi_torch.features import (
    basilar_membrane_sync,
    cepstral_correlation_high,
    smoothed_frames,
    spectral_differences,
)
from clarity.evaluator.haaqi_torch.hair_cells import (
    average_spectrum_db,
    bandwidth_at_level,
    level_db,
    pole_of_bandwidth,
    root_mean_square,
)
from clarity.evaluator.haaqi_torch.lengths import lengths_on, without_tails
from clarity.evaluator.haaqi_torch.middle_ear import middle_ear
from clarity.evaluator.haaqi_torch.noise import Noise, NumpyNoise, TorchNoise, no_noise
from clarity.evaluator.haaqi_torch.silence import silences
from clarity.evaluator.haaqi_torch.tiles import Setting, Tiles, Tuned

PAIR_BYTES = 4.5e9
"""Memory that a pair may need to be worked on at once: 20 s in float32, 10 s in float64."""

BATCH_BYTES = 10e9
"""Memory that a batch on a CPU may need for that, or its pairs are cut into blocks too."""

_VALUES_PER_SAMPLE = 2300  # kept for the gradient, of each sample at 24 kHz; measured

BLOCK_SAMPLES = 312 * SEGMENT_HOP
"""Samples of the blocks that longer ones are cut into, 2.5 s."""

MAX_LEVEL1_DB = 300.0
"""Largest level of an RMS of 1, up or down, of which float32 holds thresholds and their squares."""

_QUIET_SHARE = 0.01

NoiseSource = int | Sequence[int] | torch.Generator | RandomStream | None


class HaaqiOutput(NamedTuple):
    """HAAQI and its parts, each of shape (batch,) or (batch, channels).

    Attributes
    ----------
    score : Tensor
        HAAQI, 0 to 1.
    nonlinear, linear : Tensor
        Its terms for noise and nonlinear distortion, and for linear filtering.
    cep_high, bm_sync5, d_loud, d_norm : Tensor
        Its features, see `clarity.evaluator.haaqi.HaaqiResult`.
    """

    score: Tensor
    nonlinear: Tensor
    linear: Tensor
    cep_high: Tensor
    bm_sync5: Tensor
    d_loud: Tensor
    d_norm: Tensor


@dataclass(frozen=True)
class Options:
    """Arguments of `haaqi` that say how, not what."""

    sample_rate: float
    level1: float
    equalisation: int
    band_chunk: int
    checkpoint: bool
    dtype: torch.dtype
    detach_bandwidth: bool = False

    def __post_init__(self) -> None:
        whole_khz(self.sample_rate)  # refuses what is no rate
        checked_level1(self.level1, MAX_LEVEL1_DB)
        if self.dtype not in (torch.float32, torch.float64):
            raise ValueError(f"dtype must be torch.float32 or torch.float64, got {self.dtype}")
        if self.equalisation not in EQUALISATIONS:
            raise ValueError(
                "equalisation must be 1 (NAL-R is still to be applied to the reference), 2 (it "
                f"was) or 0 (a healthy ear hears the reference), got {self.equalisation!r}"
            )
        if not (isinstance(self.band_chunk, Integral) and 1 <= self.band_chunk <= N_BANDS):
            raise ValueError(f"band_chunk must be from 1 to {N_BANDS}, got {self.band_chunk}")


def is_stream(noise: NoiseSource) -> bool:
    """Whether noise comes from one stream of NumPy, as published scores have it."""
    return noise is np.random or isinstance(noise, np.random.RandomState)


class AlignedPairs(NamedTuple):
    """Pairs at 24 kHz, from the first audible sample of the reference to the last.

    Attributes
    ----------
    reference, processed : Tensor, shape (pairs, samples)
        Signals, 0 behind their lengths.
    lengths : list of int
        Samples of each.
    ear : EarParameters
        One row for each pair.
    """

    reference: Tensor
    processed: Tensor
    lengths: list[int]
    ear: EarParameters


def compare_pairs(
    pairs: AlignedPairs, noise: NoiseSource, options: Options
) -> tuple[HaaqiOutput, list[int | None]]:
    """HAAQI of aligned pairs; also how long those must be that are too short for their delays."""
    lengths, ear = pairs.lengths, pairs.ear
    reference = pairs.reference
    if options.equalisation == NALR_MISSING:
        reference = without_tails(with_nalr(reference, ear), lengths)
    x_ear = healthy(ear) if options.equalisation == HEALTHY_REFERENCE else ear
    x, x_control, x_bandwidth = _tuned(reference, lengths, x_ear, options)
    y, y_control, y_bandwidth = _tuned(pairs.processed, lengths, ear, options)
    delays = _delays(x_bandwidth)
    too_short = [
        int(longest) if longest > n else None
        for longest, n in zip(delays.max(1), lengths, strict=True)
    ]
    blocks = _blocks(x.x)
    setting = Setting(
        level1=options.level1,
        lengths=lengths,
        n_samples=lengths_on(x.x.device, lengths),
        blocks=blocks,
        delays=torch.as_tensor(delays, device=x.x.device),
        longest_delay=int(delays.max()),
        noise=_noise(noise, lengths, blocks, x.x),
        silences=silences(pairs.processed, y_bandwidth, ear, lengths)
        if options.dtype == torch.float64
        else [],
    )
    del pairs, reference  # memory for the bands
    tiles = _all_bands(x, y, setting, options)
    spectra = [
        average_spectrum_db(root_mean_square(energy, lengths), control, hearing, options.level1)
        for energy, control, hearing in (
            (tiles.reference_energy, x_control, x_ear),
            (tiles.processed_energy, y_control, ear),
        )
    ]
    output, n_kept = _features(tiles, spectra, lengths, warn=noise is None)
    if is_stream(noise) and int(n_kept) > 1:
        # evaluate_haaqi draws noise for the cepstra, whose gain is 0.
        noise.standard_normal((2, N_BANDS, int(n_kept)))  # type: ignore[union-attr]
    return output, too_short


def _blocks(x: Tensor) -> list[slice]:
    """Cut what would need too much memory as a whole, into parts of `BLOCK_SAMPLES`."""
    n_pairs, n_samples = x.shape
    pair_bytes = n_samples * _VALUES_PER_SAMPLE * x.element_size()
    # A GPU's memory is its user's to fill: what a batch takes there is for the batch size to say.
    fits_batch = x.device.type != "cpu" or n_pairs * pair_bytes <= BATCH_BYTES
    step = n_samples if pair_bytes <= PAIR_BYTES and fits_batch else BLOCK_SAMPLES
    return [slice(start, min(start + step, n_samples)) for start in range(0, n_samples, step)]


def _tuned(
    x: Tensor, lengths: Sequence[int], ear: EarParameters, options: Options
) -> tuple[Tuned, Tensor, Tensor]:
    """Signals with filters for their levels; RMS of the control filters; bandwidths."""
    cochlear = middle_ear(x, lengths)
    control_rms = root_mean_square(cochlear.control_energy, lengths)
    bandwidth = bandwidth_at_level(level_db(control_rms, options.level1), ear)
    if options.detach_bandwidth:
        bandwidth = bandwidth.detach()
    tuned = Tuned(cochlear.x.to(x.dtype), pole_of_bandwidth(bandwidth), ear)
    return tuned, control_rms, bandwidth


def _delays(bandwidth: Tensor) -> NDArray[np.int64]:
    """Delays that line up the bands, shape (pairs, 32), see `ear_model.group_delay`."""
    frequencies_hz = centre_frequencies_hz()
    rows = bandwidth.detach().cpu().numpy()
    return np.stack([band_delays(gammatone_filters(row, frequencies_hz)) for row in rows])


def _noise(
    source: NoiseSource, lengths: Sequence[int], blocks: Sequence[slice], like: Tensor
) -> Noise:
    """Noise from what a user may give as its source."""
    if source is None:
        return no_noise
    if isinstance(source, torch.Generator):
        return TorchNoise(source, len(lengths), like)
    streams = list(source) if isinstance(source, Sequence) else [source] * len(lengths)
    try:
        streams = [one if is_stream(one) else index(one) for one in streams]  # type: ignore[arg-type]
    except TypeError as error:
        raise TypeError(
            "noise must be a seed, a seed for each pair, a torch.Generator, a "
            f"numpy.random.RandomState or None, got {source!r}"
        ) from error
    return NumpyNoise(streams, lengths, blocks, like)


def _all_bands(x: Tuned, y: Tuned, setting: Setting, options: Options) -> Tiles:
    """Compare all bands, some at a time."""
    parts = []
    for first in range(0, N_BANDS, options.band_chunk):
        bands = slice(first, min(first + options.band_chunk, N_BANDS))
        if options.checkpoint and y.x.requires_grad and torch.is_grad_enabled():
            parts.append(checkpointed(compare_bands, x, y, setting, bands, use_reentrant=False))
        else:
            parts.append(compare_bands(x, y, setting, bands))
    return Tiles(*(torch.cat(column, 1) for column in zip(*parts, strict=True)))


def _features(
    tiles: Tiles, spectra: Sequence[Tensor], lengths: Sequence[int], *, warn: bool
) -> tuple[HaaqiOutput, Tensor]:
    """Features and score of each pair; also how many frames are audible."""
    cep_high, n_kept = cepstral_correlation_high(
        smoothed_frames(tiles.reference_hops, lengths),
        smoothed_frames(tiles.processed_hops, lengths),
        lengths,
    )
    bm_sync5, weights = basilar_membrane_sync(
        tiles.covariance, tiles.reference_mean_square, lengths
    )
    if warn:
        _warn_of_quiet_tiles(weights, tiles.processed_mean_square)
    loudness, normalised = spectral_differences(*spectra)
    d_loud = (1.0 - loudness / LOUDNESS_RANGE).clamp(0.0, 1.0)
    d_norm = (1.0 - normalised / NORMALISED_RANGE).clamp(0.0, 1.0)
    nonlinear, linear = nonlinear_term(cep_high, bm_sync5), linear_term(d_loud, d_norm)
    score = combined_score(nonlinear, linear)
    return HaaqiOutput(score, nonlinear, linear, cep_high, bm_sync5, d_loud, d_norm), n_kept


def _warn_of_quiet_tiles(weights: Tensor, processed_mean_square: Tensor) -> None:
    """Warn when noise at threshold would have decided about the processed signal."""
    quiet = (2.0 * processed_mean_square.double()).sqrt() < SILENCE_THRESHOLD_DB
    share = float((weights * quiet).sum() / weights.sum().clamp_min(1e-30))
    if share > _QUIET_SHARE:
        warnings.warn(
            f"noise=None: {share:.0%} of the processed sound is near the threshold of hearing, "
            "where the score depends on the noise; it will differ from HAAQI",
            stacklevel=2,
        )
