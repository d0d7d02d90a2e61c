"""HAAQI as a loss for training."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor

from clarity.evaluator.haaqi_torch.ear import EarParameters
from clarity.evaluator.haaqi_torch.metric import evaluate
from clarity.evaluator.haaqi_torch.pair_features import Options

REDUCTIONS = ("mean", "sum", "none")


class HaaqiLoss(torch.nn.Module):
    """1 - HAAQI.

    Parameters
    ----------
    sample_rate : float
        Sampling rate of the signals in Hz.
    equalisation : int
        2: the references have been amplified for the listener already. 1: NAL-R is applied to them
        here.
    level1 : float
        Level in dB SPL of a signal with an RMS of 1.
    reduction : str
        ``mean`` or ``sum`` over the pairs, or ``none``.
    dtype : torch.dtype
        What to compute in: ``torch.float32`` or ``torch.float64``.
    band_chunk : int
        Bands that are worked on at once; for crops of two seconds on a GPU, 32 take half the time.
    checkpoint : bool
        Compute the bands again for the gradient: less memory, half as much time again.
    generator : torch.Generator, optional
        Source of the noise at the threshold of hearing. Default: torch's global one.
    detach_bandwidth : bool
        Keep the effect of the level on the bandwidth of the filters out of the gradient, which
        changes it by 2e-4 and saves a little time.

    Examples
    --------
    >>> from clarity.utils.audiogram import STANDARD_AUDIOGRAMS
    >>> ear = EarParameters.from_audiograms([STANDARD_AUDIOGRAMS["N3"]])
    >>> loss = HaaqiLoss(sample_rate=24000)
    >>> music = 0.1 * torch.randn(1, 12000, generator=torch.Generator().manual_seed(0))
    >>> bool(loss(music, music, ear) < 0.05)
    True

    Notes
    -----
    A pair that cannot be scored (NaN, a silent reference, too short) counts as 0 and with no
    weight: the mean is that of the others. A processed signal that is silent or wholly under the
    threshold has next to no gradient. HAAQI alone does not make a model that sounds good; see
    README.
    """

    def __init__(
        self,
        sample_rate: float,
        equalisation: int = 2,
        level1: float = 65.0,
        reduction: str = "mean",
        dtype: torch.dtype = torch.float32,
        band_chunk: int = 8,
        checkpoint: bool = False,
        generator: torch.Generator | None = None,
        detach_bandwidth: bool = False,
    ) -> None:
        super().__init__()
        if reduction not in REDUCTIONS:
            raise ValueError(f"reduction must be one of {', '.join(REDUCTIONS)}, got {reduction!r}")
        if not isinstance(generator, torch.Generator | None):
            raise TypeError(f"generator must be a torch.Generator or None, got {generator!r}")
        self.reduction = reduction
        self.generator = generator
        self.options = Options(
            sample_rate, level1, equalisation, band_chunk, checkpoint, dtype, detach_bandwidth
        )

    def forward(
        self,
        processed: Tensor,
        reference: Tensor,
        ear: EarParameters,
        lengths: Sequence[int] | Tensor | None = None,
    ) -> Tensor:
        """Loss of a batch.

        Parameters
        ----------
        processed, reference : Tensor, shape (batch, samples) or (batch, channels, samples)
            Signals of the model and targets.
        ear : EarParameters
            Ears, see `haaqi`.
        lengths : sequence of int or Tensor, shape (batch,), optional
            Samples of each item.

        Returns
        -------
        Tensor, float32 or float64 as `dtype`
            Scalar; with the reduction ``none`` shape (batch,) or (batch, channels).

        Raises
        ------
        ValueError
            When shapes do not fit together.
        TypeError
            When signals are no tensors, or ears no `EarParameters`.

        Warns
        -----
        UserWarning
            When no pair of the batch can be scored; it says why the first cannot.
        """
        generator = torch.default_generator if self.generator is None else self.generator
        output, problems = evaluate(processed, reference, ear, lengths, generator, self.options)
        if None not in problems:
            warnings.warn(
                f"no pair of this batch can be scored, so that the loss is 0: {problems[0]}",
                stacklevel=4,  # the caller of the module
            )
        weight = torch.tensor([problem is None for problem in problems], device=processed.device)
        weight = weight.reshape(output.score.shape)
        losses = torch.where(weight, 1.0 - output.score, output.score)
        losses = losses.to(self.options.dtype)
        if self.reduction == "none":
            return losses
        total = losses.sum()
        return total / weight.sum().clamp_min(1) if self.reduction == "mean" else total
