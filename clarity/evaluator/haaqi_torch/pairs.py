"""From what a user gives to pairs of signals, one ear each, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from clarity.evaluator.haaqi_torch.ear import EarParameters
from clarity.evaluator.haaqi_torch.lengths import without_tails

WITHOUT_FLOAT64 = {"mps"}
"""Kinds of devices that cannot compute in float64."""


# Under the threshold at any `level1`. Far below, powers underflow, and the noise at threshold has
# slopes where it has no effect: 1.2 in the place of 0.
_UNHEARD = 1e-18


class Batch(NamedTuple):
    """Pairs as rows.

    Attributes
    ----------
    reference, processed : Tensor, shape (pairs, samples)
        Signals, 0 behind their lengths, and everywhere if they hold NaN or infinity.
    reference_lengths, processed_lengths : list of int
        Samples of each.
    ear : EarParameters
        One row for each pair.
    names : list of str
        What errors call each pair.
    problems : list of str or None
        Why a pair cannot be scored.
    """

    reference: Tensor
    processed: Tensor
    reference_lengths: list[int]
    processed_lengths: list[int]
    ear: EarParameters
    names: list[str]
    problems: list[str | None]

    def row(self, i: int) -> Batch:
        """One pair as a batch."""
        part = slice(i, i + 1)
        return Batch(
            self.reference[part],
            self.processed[part],
            self.reference_lengths[part],
            self.processed_lengths[part],
            self.ear.rows(torch.tensor([i], device=self.ear.ohc_db.device)),
            self.names[part],
            self.problems[part],
        )


def make_batch(
    processed: Tensor,
    reference: Tensor,
    ear: EarParameters,
    lengths: Sequence[int] | Tensor | None,
    dtype: torch.dtype,
) -> Batch:
    """Check the shapes and make pairs of channels; see `metric.haaqi` for the parameters.

    Raises
    ------
    ValueError
        When shapes, ears and lengths do not fit together.
    TypeError
        When these are no tensors and ears.
    """
    shape = processed.shape[:-1]
    if reference.shape[:-1] != shape or len(shape) not in (1, 2):
        raise ValueError(
            "processed and reference must both have shape (batch, samples) or (batch, channels, "
            f"samples), got {tuple(processed.shape)} and {tuple(reference.shape)}"
        )
    if 0 in processed.shape or 0 in reference.shape:
        raise ValueError(
            f"there is nothing to score in signals of the shapes {tuple(processed.shape)} and "
            f"{tuple(reference.shape)}"
        )
    if processed.shape[-1] < shape[-1]:
        raise ValueError(
            f"signals of shape {tuple(processed.shape)} have their samples in another place: the "
            "last axis must be that of the samples"
        )
    n_pairs = shape.numel()
    _check_ears(ear, shape, processed.device)
    wanted = _lengths(lengths, shape, max(processed.shape[-1], reference.shape[-1]))
    x, x_lengths, x_finite = _rows(reference.detach(), wanted, dtype)
    y, y_lengths, y_finite = _rows(processed, wanted, dtype)
    if y.requires_grad:
        y = torch.where(y.detach().abs().amax(-1, keepdim=True) > _UNHEARD, y, y.detach())
    names = [_name(i, shape) for i in range(n_pairs)]
    problems: list[str | None] = [None] * n_pairs
    for i, finite in enumerate(torch.stack((x_finite, y_finite), -1).tolist()):
        bad = [
            which
            for which, good in zip(("reference", "processed"), finite, strict=True)
            if not good
        ]
        if bad:
            problems[i] = f"{names[i]}: the {' and the '.join(bad)} signal holds NaN or infinity"
    index = torch.arange(n_pairs, device=processed.device) % len(ear)
    return Batch(x, y, x_lengths, y_lengths, ear.rows(index), names, problems)


def check_types(processed: Tensor, reference: Tensor, ear: EarParameters) -> None:
    """Raise an error that says what was given in the place of samples on one device, or of ears."""
    for name, x in (("processed", processed), ("reference", reference)):
        if not isinstance(x, Tensor):
            raise TypeError(f"{name} must be a torch.Tensor, got a {type(x).__name__}")
        if not x.is_floating_point():
            advice = "take its real part" if x.is_complex() else "divide it by its full scale"
            raise TypeError(f"{name} must be a tensor of float samples, got {x.dtype}: {advice}")
    if processed.device != reference.device:
        raise ValueError(
            f"the processed signals are on {processed.device}, the references on "
            f"{reference.device}: both must be on one device"
        )
    if processed.device.type in WITHOUT_FLOAT64:
        raise ValueError(
            f"{processed.device.type} devices have no float64, which HAAQI's filters need also "
            "with dtype=torch.float32: give it signals.cpu(), through which gradients pass"
        )
    if not isinstance(ear, EarParameters):
        raise TypeError(
            "ear must be EarParameters, as EarParameters.from_audiograms([audiogram]) makes them, "
            f"got a {type(ear).__name__}"
        )


def _check_ears(ear: EarParameters, shape: torch.Size, device: torch.device) -> None:
    """There must be an ear for each pair, for each channel or for all, on the signals' device."""
    n_pairs = shape.numel()
    possible = {1, n_pairs} | ({shape[1]} if len(shape) == 2 else set())
    if len(ear) not in possible:
        wanted = " or ".join(str(n) for n in sorted(possible))
        axes = ", ".join([*map(str, shape), "samples"])
        raise ValueError(f"signals of shape ({axes}) need {wanted} ears, got {len(ear)}")
    if ear.ohc_db.device != device:
        raise ValueError(
            f"the ears are on {ear.ohc_db.device}, the signals on {device}: use ear.to"
        )


def _lengths(lengths: Sequence[int] | Tensor | None, shape: torch.Size, longest: int) -> list[int]:
    """Length of each pair."""
    if lengths is None:
        return [longest] * shape.numel()
    try:
        values = [int(n) for n in lengths]
        whole = all(value == n for value, n in zip(values, lengths, strict=True))
    except (TypeError, ValueError):
        whole = False
    if not whole:
        raise TypeError(f"lengths must have a length for each item, got {lengths}")
    if not all(1 <= n <= longest for n in values):
        raise ValueError(f"lengths must be from 1 to {longest}, got {values}")
    if len(values) == shape[0]:
        values = [n for n in values for _ in range(shape.numel() // shape[0])]
    if len(values) != shape.numel():
        raise ValueError(f"there are {shape[0]} items but {len(values)} lengths")
    return values


def _rows(x: Tensor, wanted: list[int], dtype: torch.dtype) -> tuple[Tensor, list[int], Tensor]:
    """Signals as rows without what is behind them, their lengths, and whether they are finite."""
    lengths = [min(n, x.shape[-1]) for n in wanted]
    rows = without_tails(x.reshape(len(wanted), -1).to(dtype), lengths)
    finite = rows.detach().isfinite().all(-1)
    # Rows of 0 in the place of bad ones, and no gradient: 0 times NaN would be NaN.
    return torch.where(finite[:, None], rows, 0.0), lengths, finite


def _name(i: int, shape: torch.Size) -> str:
    """Name a pair for its user."""
    if len(shape) == 1:
        return f"pair {i}"
    return f"pair {i} (item {i // shape[1]}, channel {i % shape[1]})"
