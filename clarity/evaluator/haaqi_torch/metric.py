"""HAAQI of a batch of pairs as a differentiable function."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.checkpoint import checkpoint as checkpointed

from clarity.evaluator.ear_model.constants import N_BANDS, SAMPLE_RATE_HZ
from clarity.evaluator.ear_model.covariance import SEGMENT, SEGMENT_HOP
from clarity.evaluator.ear_model.gammatone import centre_frequencies_hz, gammatone_filters
from clarity.evaluator.ear_model.group_delay import band_delays
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
from clarity.evaluator.ear_model.threshold_noise import RandomStream
from clarity.evaluator.haaqi_torch.alignment import Span, align_and_prune, audible_spans
from clarity.evaluator.haaqi_torch.comparison import Setting, Tiles, Tuned, compare_bands
from clarity.evaluator.haaqi_torch.ear import (
    EarParameters,
    average_spectrum_db,
    bandwidth_at_level,
    healthy,
    level_db,
    middle_ear,
    pole_of_bandwidth,
    root_mean_square,
    with_nalr,
)
from clarity.evaluator.haaqi_torch.features import (
    basilar_membrane_sync,
    cepstral_correlation_high,
    smoothed_frames,
    spectral_differences,
)
from clarity.evaluator.haaqi_torch.noise import Noise, NumpyNoise, TorchNoise, no_noise
from clarity.evaluator.haaqi_torch.pairs import Batch, make_batch
from clarity.evaluator.haaqi_torch.resampling import to_model_rate, without_tails
from clarity.evaluator.haaqi_torch.silence import silences

PAIR_BYTES = 4.5e9
"""Memory that a pair may need to be worked on at once: 20 s in float32, 10 s in float64."""

BATCH_BYTES = 10e9
"""Memory that a batch on a CPU may need for that, or its pairs are cut into blocks too."""

_VALUES_PER_SAMPLE = 2300  # kept for the gradient, of each sample at 24 kHz; measured

BLOCK_SAMPLES = 312 * SEGMENT_HOP
"""Samples of the blocks that longer ones are cut into, 2.5 s."""

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
        if self.dtype not in (torch.float32, torch.float64):
            raise ValueError(f"dtype must be torch.float32 or torch.float64, got {self.dtype}")
        if self.equalisation not in EQUALISATIONS:
            raise ValueError(
                "equalisation must be 1 (NAL-R is still to be applied to the reference), 2 (it "
                f"was) or 0 (a healthy ear hears the reference), got {self.equalisation!r}"
            )
        if not 1 <= self.band_chunk <= N_BANDS:
            raise ValueError(f"band_chunk must be from 1 to {N_BANDS}, got {self.band_chunk}")


def haaqi(
    processed: Tensor,
    reference: Tensor,
    ear: EarParameters,
    *,
    sample_rate: float,
    level1: float = 65.0,
    equalisation: int = 2,
    lengths: Sequence[int] | Tensor | None = None,
    noise: NoiseSource = 0,
    band_chunk: int = 8,
    checkpoint: bool = False,
    dtype: torch.dtype = torch.float64,
) -> HaaqiOutput:
    """HAAQI of a batch of pairs.

    In float64 and with seeds for the noise these are the numbers of
    `clarity.evaluator.haaqi.evaluate_haaqi`. Gradients reach the processed signals; the delays
    between the signals and the choice of what is compared count as constants.

    Parameters
    ----------
    processed, reference : Tensor, shape (batch, samples) or (batch, channels, samples)
        Signals to score and clean signals. The longer ones are cut to the length of the others.
    ear : EarParameters
        One ear for each pair or one for all; for several channels, one for each channel of each
        item, or one for each channel.
    sample_rate : float
        Sampling rate of both in Hz.
    level1 : float
        Level in dB SPL of a signal with an RMS of 1.
    equalisation : int
        1: the references are signals before amplification, and NAL-R is applied to them here.
        2: they have been amplified already. 0: a healthy ear hears them.
    lengths : sequence of int or Tensor, shape (batch,), optional
        Samples of each item; what is behind them is not looked at. Default: all.
    noise : int, sequence of int, torch.Generator, numpy.random.RandomState or None
        Noise at the threshold of hearing. A seed: NumPy's stream, from its start for every pair, as
        published scores have it; a sequence: a seed for each pair. A stream of NumPy: pair after
        pair draws from it, and it is left where `evaluate_haaqi` leaves it. A generator of torch:
        noise that is statistically the same, for training. None: no noise, which is another metric
        for sound near the threshold.
    band_chunk : int
        Bands that are worked on at once. Changes memory and speed only.
    checkpoint : bool
        Compute the bands again for the gradient: less memory, half as much time again. Signals
        of more than 20 s in float32 or 10 s in float64 do so anyway, block by block, and on a CPU
        also those of batches that would need more than 10 GB.
    dtype : torch.dtype
        ``torch.float64``, or ``torch.float32`` for training: 5e-5 from the exact score at the most.

    Returns
    -------
    HaaqiOutput
        Score, terms and features of each pair.

    Raises
    ------
    ValueError
        When shapes do not fit together, or a pair holds NaN or infinity, has a silent reference or
        is too short; the message names the pair.
    """
    options = Options(sample_rate, level1, equalisation, band_chunk, checkpoint, dtype)
    output, problems = evaluate(processed, reference, ear, lengths, noise, options)
    for problem in problems:
        if problem is not None:
            raise ValueError(problem)
    return output


def evaluate(
    processed: Tensor,
    reference: Tensor,
    ear: EarParameters,
    lengths: Sequence[int] | Tensor | None,
    noise: NoiseSource,
    options: Options,
) -> tuple[HaaqiOutput, list[str | None]]:
    """Score what can be scored; see `haaqi` for the parameters.

    Returns
    -------
    output : HaaqiOutput
        All 0 for pairs that cannot be scored.
    problems : list of str or None
        What is wrong with each pair.
    """
    with torch.autocast(processed.device.type, enabled=False):
        batch = make_batch(processed, reference, ear, lengths, options.dtype)
        n_pairs = len(batch.names)
        if isinstance(noise, Sequence) and len(noise) != n_pairs:
            raise ValueError(f"there are {n_pairs} pairs but {len(noise)} seeds")
        if _is_stream(noise):
            rows = [_score(batch.row(i), noise, options) for i in range(n_pairs)]
            output = HaaqiOutput(*map(torch.cat, zip(*(row[0] for row in rows), strict=True)))
            problems = [row[1][0] for row in rows]
        else:
            output, problems = _score(batch, noise, options)
    return HaaqiOutput(*(value.reshape(processed.shape[:-1]) for value in output)), problems


def _is_stream(noise: NoiseSource) -> bool:
    """Whether noise comes from one stream of NumPy."""
    return hasattr(noise, "standard_normal")


def _score(
    batch: Batch, noise: NoiseSource, options: Options
) -> tuple[HaaqiOutput, list[str | None]]:
    """Align the signals, and score the pairs that can be scored."""
    x, y, lengths = _at_model_rate(batch, options.sample_rate)
    spans = audible_spans(x, y, lengths)
    problems = [
        problem or _problem_with_span(name, span)
        for name, problem, span in zip(batch.names, batch.problems, spans, strict=True)
    ]
    usable = [i for i, problem in enumerate(problems) if problem is None]
    nothing = batch.processed.sum(-1).double() * 0.0  # 0 with a gradient of 0
    if not usable:
        return HaaqiOutput(*[nothing] * len(HaaqiOutput._fields)), problems
    index = torch.tensor(usable, device=x.device)
    spans = [spans[i] for i in usable]
    n_padded = SEGMENT_HOP * (max(span.length for span in spans) // SEGMENT_HOP + 1)
    pairs = AlignedPairs(
        align_and_prune(x[index], spans, n_padded, follow=False),
        align_and_prune(y[index], spans, n_padded, follow=True),
        [span.length for span in spans],
        batch.ear.rows(index),
    )
    seeds = [noise[i] for i in usable] if isinstance(noise, Sequence) else noise
    values, too_short = _compare(pairs, seeds, options)
    for i, shortest in zip(usable, too_short, strict=True):
        if shortest is not None:
            problems[i] = _too_short(batch.names[i], spans[usable.index(i)].length, shortest)
    good = torch.tensor([[problems[i] is None] for i in usable], device=x.device)
    rows = torch.where(good, torch.stack(values, -1), 0.0)
    table = torch.stack([nothing] * rows.shape[-1], -1).index_add(0, index, rows)
    return HaaqiOutput(*table.unbind(-1)), problems


def _at_model_rate(batch: Batch, sample_rate: float) -> tuple[Tensor, Tensor, list[int]]:
    """Signals at 24 kHz, each pair cut to one length."""
    x, x_lengths = to_model_rate(batch.reference, batch.reference_lengths, sample_rate)
    y, y_lengths = to_model_rate(batch.processed, batch.processed_lengths, sample_rate)
    lengths = [min(pair) for pair in zip(x_lengths, y_lengths, strict=True)]
    n = max(lengths)
    return without_tails(x[:, :n], lengths), without_tails(y[:, :n], lengths), lengths


def _problem_with_span(name: str, span: Span) -> str | None:
    """Say why the audible part of a pair cannot be scored."""
    if span.length == 0:
        return f"{name}: the reference is silent: there is nothing to compare with"
    return _too_short(name, span.length, SEGMENT) if span.length < SEGMENT else None


def _too_short(name: str, length: int, shortest: int) -> str:
    """Say how long a pair must be."""
    return (
        f"{name}: the reference has {length} samples at 24 kHz after its silent ends are cut off; "
        f"HAAQI needs at least {shortest} ({1000 * shortest / SAMPLE_RATE_HZ:.0f} ms)"
    )


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


def _compare(
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
        blocks=blocks,
        delays=torch.as_tensor(delays, device=reference.device),
        longest_delay=int(delays.max()),
        noise=_noise(noise, lengths, blocks, x.x),
        silences=silences(pairs.processed, y_bandwidth, ear, lengths)
        if options.dtype == torch.float64
        else [],
    )
    tiles = _all_bands(x, y, setting, options)
    spectra = [
        average_spectrum_db(root_mean_square(energy, lengths), control, hearing, options.level1)
        for energy, control, hearing in (
            (tiles.reference_energy, x_control, x_ear),
            (tiles.processed_energy, y_control, ear),
        )
    ]
    output, n_kept = _features(tiles, spectra, lengths, warn=noise is None)
    if _is_stream(noise) and int(n_kept) > 1:
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
