"""Outer and inner hair cells: levels, bandwidths, compression, adaptation, average spectrum.

Each function has the name and the meaning of the one in `ear_model`, which holds all parameters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from clarity.evaluator.ear_model.adaptation import OVERSHOOT, adaptation_circuit
from clarity.evaluator.ear_model.bandwidth import HIGH_LEVEL_DB, LOW_LEVEL_DB
from clarity.evaluator.ear_model.compression import gain_low_pass
from clarity.evaluator.ear_model.constants import TINY
from clarity.evaluator.ear_model.hearing_loss import UPPER_KNEE_DB
from clarity.evaluator.haaqi_torch.ear import EarParameters
from clarity.evaluator.haaqi_torch.gammatone import log_pole_of_normal_hearing, widest_bandwidth
from clarity.evaluator.haaqi_torch.lengths import lengths_on
from clarity.evaluator.haaqi_torch.scan import Modes, scan

_NEPERS_PER_DB = math.log(10.0) / 20.0


def root_mean_square(energy: Tensor, lengths: Sequence[int]) -> Tensor:
    """RMS from energy, (batch, bands); its slope at 0 counts as 0."""
    mean_square = energy / lengths_on(energy.device, lengths)[:, None]
    sounds = mean_square > TINY**2
    return torch.where(sounds, mean_square, 1.0).sqrt() * sounds


def level_db(rms: Tensor, level1: float) -> Tensor:
    """Level in dB SPL; that of silence is far below any threshold."""
    return level1 + 20.0 * rms.clamp_min(TINY).log10()


def bandwidth_at_level(level: Tensor, ear: EarParameters) -> Tensor:
    """Bandwidth of each filter relative to normal hearing, shape (batch, 32), see `ear_model`."""
    widest = widest_bandwidth(level.device)
    ratio = ((level - LOW_LEVEL_DB) / (HIGH_LEVEL_DB - LOW_LEVEL_DB)).clamp(0.0, 1.0)
    return ear.min_bandwidth + ratio * (widest - ear.min_bandwidth)


def pole_of_bandwidth(bandwidth: Tensor) -> Tensor:
    """Pole a of each gammatone filter, shape (batch, 32)."""
    return (bandwidth * log_pole_of_normal_hearing(bandwidth.device)).exp()


def compression_gain(power: Tensor, ear: EarParameters, level1: float) -> Tensor:
    """Gain of the outer hair cells from the squared control envelope, sample by sample.

    Parameters
    ----------
    power : Tensor, shape (batch, bands, samples)
        Squared control envelope.
    ear : EarParameters
        Parameters of these bands.
    level1 : float
        Level in dB SPL of a signal with an RMS of 1.

    Returns
    -------
    Tensor, shape (batch, bands, samples)
        Gain as a factor, before its low-pass. With the level held between the knees it is
        -OHC - (level - knee) (1 - 1/CR) in dB, which is a power of the squared envelope.
    """
    slope = 1.0 - 1.0 / ear.compression_ratio
    offset_db = (ear.lower_knee_db - level1) * slope - ear.ohc_db
    lowest = 10.0 ** ((ear.lower_knee_db - level1) / 10.0)
    highest = 10.0 ** ((UPPER_KNEE_DB - level1) / 10.0)
    coefficients = (
        lowest,
        torch.full_like(lowest, highest),
        -0.5 * slope,
        offset_db * _NEPERS_PER_DB,
    )
    return _PowerGain.apply(power, *(c[..., None].to(power.dtype) for c in coefficients))


class _PowerGain(torch.autograd.Function):
    """exp(exponent ln(p) + offset), p held between two limits."""

    @staticmethod
    def forward(
        ctx: Any, power: Tensor, lowest: Tensor, highest: Tensor, exponent: Tensor, offset: Tensor
    ) -> Tensor:
        gain = torch.clamp(power, lowest, highest).log_().mul_(exponent).add_(offset).exp_()
        ctx.save_for_backward(power, gain, lowest, highest, exponent)
        return gain

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        power, gain, lowest, highest, exponent = ctx.saved_tensors
        between = (power > lowest) & (power < highest)
        slope = (gradient * gain).mul_(exponent).div_(power.clamp_min(lowest))
        return slope.mul_(between), None, None, None, None


@lru_cache(maxsize=1)
def _gain_modes() -> Modes:
    """Low-pass of the gain as one mode."""
    (b, _), (_, a1) = gain_low_pass()
    weight = float(b * (1.0 - a1) / -a1)
    return Modes(float(b) - weight, (weight,), (float(-a1),))


def smooth_gain(gain: Tensor) -> Tensor:
    """Low-pass the gain at 800 Hz, from rest, shape (..., samples)."""
    return scan(gain, _gain_modes())[0]


@lru_cache(maxsize=1)
def _adaptation_modes() -> Modes:
    """First voltage of the circuit of adaptation as two modes."""
    from_input, from_voltages = adaptation_circuit()
    # NumPy 2.5 gives complex numbers, though both modes of the circuit decay without ringing.
    poles, vectors = (part.real for part in np.linalg.eig(from_voltages))
    weights = vectors[0] * np.linalg.solve(vectors, from_input)
    return Modes(0.0, tuple(weights.tolist()), tuple(poles.tolist()))


class FiringRate(NamedTuple):
    """Output of the inner hair cells.

    Attributes
    ----------
    envelope, motion : Tensor, shape (batch, bands, samples)
        Adapted envelope in dB SL, and basilar-membrane motion of that amplitude.
    state : Tensor, shape (batch, bands, 2)
        State of the adaptation behind the last sample.
    """

    envelope: Tensor
    motion: Tensor
    state: Tensor


def inner_hair_cells(
    envelope: Tensor,
    motion: Tensor,
    ear: EarParameters,
    level1: float,
    state: Tensor | None = None,
    untouched: Tensor | None = None,
) -> FiringRate:
    """Convert to dB above threshold and adapt; the motion takes on the amplitude of the envelope.

    Parameters
    ----------
    envelope, motion : Tensor, shape (batch, bands, samples)
        Compressed.
    ear : EarParameters
        Parameters of these bands.
    level1 : float
        Level in dB SPL of a signal with an RMS of 1.
    state : Tensor, shape (batch, bands, 2), optional
        State of the adaptation. Default: rest.
    untouched : Tensor, shape (batch, bands, samples), optional
        1 or True in samples whose motion is left as it is, because there is no envelope: those
        that alignment filled up with zeros, and digital silence.

    Returns
    -------
    FiringRate
        Envelope, motion and state.
    """
    threshold = (10.0 ** ((ear.ihc_db - level1) / 20.0))[..., None].to(envelope.dtype)
    # The logarithm of the quotient is exactly 0 at the threshold, also in float32; below it the
    # envelope is 0 whatever the voltage says, or rounding would outweigh the noise.
    ratio = (envelope / threshold).clamp_min(1.0)
    level = ratio.log() / _NEPERS_PER_DB
    voltage, state = scan(level, _adaptation_modes(), state)
    rate = OVERSHOOT * (level - voltage)
    rate = rate * ((level > 0.0) & (rate > 0.0))
    factor = rate / (ratio * threshold)
    if untouched is not None:
        factor = factor + untouched
    return FiringRate(rate, motion * factor, state)


def average_spectrum_db(
    envelope_rms: Tensor, control_rms: Tensor, ear: EarParameters, level1: float
) -> Tensor:
    """Average level of each band in dB SL, shape (batch, 32), see `ear_model`."""
    control_db = torch.clamp(
        level_db(control_rms, level1),
        ear.lower_knee_db,
        torch.full_like(ear.lower_knee_db, UPPER_KNEE_DB),
    )
    gain_db = -ear.ohc_db - (control_db - ear.lower_knee_db) * (1.0 - 1.0 / ear.compression_ratio)
    envelope_db = level_db(envelope_rms, level1).clamp_min(0.0)
    return (envelope_db + gain_db - ear.ihc_db).clamp_min(0.0)
