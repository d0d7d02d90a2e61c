"""HAAQI of a batch of pairs as a differentiable function."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from clarity.evaluator.ear_model.constants import SAMPLE_RATE_HZ
from clarity.evaluator.ear_model.covariance import SEGMENT, SEGMENT_HOP
from clarity.evaluator.haaqi_torch.alignment import Span, align_and_prune, audible_spans
from clarity.evaluator.haaqi_torch.ear import EarParameters
from clarity.evaluator.haaqi_torch.pair_features import (
    AlignedPairs,
    HaaqiOutput,
    NoiseSource,
    Options,
    compare_pairs,
    is_stream,
)
from clarity.evaluator.haaqi_torch.pairs import Batch, check_types, make_batch
from clarity.evaluator.haaqi_torch.resampling import to_model_rate


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
        Level in dB SPL of a signal with an RMS of 1, from -300 to 300.
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
        Bands that are worked on at once. Changes memory and speed only: for crops of two seconds on
        a GPU, 32 take half the time.
    checkpoint : bool
        Compute the bands again for the gradient: less memory, half as much time again. Signals
        of more than 20 s in float32 or 10 s in float64 do so anyway, block by block, and on a CPU
        also those of batches that would need more than 10 GB.
    dtype : torch.dtype
        ``torch.float64``, or ``torch.float32`` for training: 5e-5 from the exact score at the most.
        Delays, levels, the responses of the filters and the features are float64 in any case.

    Returns
    -------
    HaaqiOutput
        Score, terms and features of each pair.

    Raises
    ------
    ValueError
        When shapes or devices do not fit together or an argument is none of the values above, or a
        pair holds NaN or infinity, has a silent reference or is too short; the message names the
        pair.
    TypeError
        When signals are no tensors of floats, or ears and noise are something else.
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
    check_types(processed, reference, ear)
    with torch.autocast(processed.device.type, enabled=False):
        batch = make_batch(processed, reference, ear, lengths, options.dtype)
        n_pairs = len(batch.names)
        if isinstance(noise, Sequence) and len(noise) != n_pairs:
            raise ValueError(f"there are {n_pairs} pairs but {len(noise)} seeds")
        batches = [batch.row(i) for i in range(n_pairs)] if is_stream(noise) else [batch]
        del batch
        rows = [_score(batches.pop(0), noise, options) for _ in range(len(batches))]
        output = HaaqiOutput(*map(torch.cat, zip(*(row[0] for row in rows), strict=True)))
        problems = [problem for row in rows for problem in row[1]]
    return HaaqiOutput(*(value.reshape(processed.shape[:-1]) for value in output)), problems


def _score(
    batch: Batch, noise: NoiseSource, options: Options
) -> tuple[HaaqiOutput, list[str | None]]:
    """Align the signals, and score the pairs that can be scored."""
    names, ear = batch.names, batch.ear
    nothing = batch.processed.sum(-1).double() * 0.0  # 0 with a gradient of 0
    x, y, lengths = _at_model_rate(batch, options.sample_rate)
    spans = audible_spans(x, y, lengths)
    problems = [
        problem or _problem_with_span(name, span)
        for name, problem, span in zip(names, batch.problems, spans, strict=True)
    ]
    usable = [i for i, problem in enumerate(problems) if problem is None]
    if not usable:
        return HaaqiOutput(*[nothing] * len(HaaqiOutput._fields)), problems
    index = torch.tensor(usable, device=x.device)
    spans = [spans[i] for i in usable]
    n_padded = SEGMENT_HOP * (max(span.length for span in spans) // SEGMENT_HOP + 1)
    aligned = [
        align_and_prune(x[index], spans, n_padded, follow=False),
        align_and_prune(y[index], spans, n_padded, follow=True),
    ]
    # Of a song these are a fifth of all memory, and are not needed any more.
    del batch, x, y
    seeds = [noise[i] for i in usable] if isinstance(noise, Sequence) else noise
    kept = [span.length for span in spans]
    values, too_short = compare_pairs(
        AlignedPairs(aligned.pop(0), aligned.pop(0), kept, ear.rows(index)), seeds, options
    )
    for i, shortest in zip(usable, too_short, strict=True):
        if shortest is not None:
            problems[i] = _too_short(names[i], spans[usable.index(i)].length, shortest)
    good = torch.tensor([[problems[i] is None] for i in usable], device=index.device)
    rows = torch.where(good, torch.stack(values, -1), 0.0)
    table = torch.stack([nothing] * rows.shape[-1], -1).index_add(0, index, rows)
    return HaaqiOutput(*table.unbind(-1)), problems


def _at_model_rate(batch: Batch, sample_rate: float) -> tuple[Tensor, Tensor, list[int]]:
    """Signals at 24 kHz, each pair cut to one length."""
    x, x_lengths = to_model_rate(batch.reference, batch.reference_lengths, sample_rate)
    y, y_lengths = to_model_rate(batch.processed, batch.processed_lengths, sample_rate)
    lengths = [min(pair) for pair in zip(x_lengths, y_lengths, strict=True)]
    n = max(lengths)
    # Of a pair one signal is longer only where that of the other was cut off, which is at n.
    return x[:, :n], y[:, :n], lengths


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
