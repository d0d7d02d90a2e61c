"""The stages of the ear model up to the firing rate of the inner hair cells, for a batch.

Each function has the name and the meaning of the one in `ear_model`, which holds all parameters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy import fft
from torch import Tensor

from clarity.enhancer.nalr import NALR
from clarity.evaluator.ear_model.adaptation import OVERSHOOT, adaptation_circuit
from clarity.evaluator.ear_model.bandwidth import HIGH_LEVEL_DB, LOW_LEVEL_DB
from clarity.evaluator.ear_model.compression import gain_low_pass
from clarity.evaluator.ear_model.constants import SAMPLE_RATE_HZ, TINY
from clarity.evaluator.ear_model.gammatone import centre_frequencies_hz
from clarity.evaluator.ear_model.hearing_loss import UPPER_KNEE_DB, hearing_loss, max_bandwidth
from clarity.evaluator.ear_model.middle_ear import high_pass, low_pass
from clarity.evaluator.ear_model.quality import NALR_ORDER
from clarity.evaluator.haaqi_torch.filterbank import (
    centre_phase,
    control_pole,
    control_power,
    gammatone_response,
    history_samples,
    log_pole_of_normal_hearing,
)
from clarity.evaluator.haaqi_torch.resampling import rational_response
from clarity.evaluator.haaqi_torch.scan import Modes, scan
from clarity.evaluator.haaqi_torch.shift import shifted
from clarity.utils.audiogram import AUDIOGRAM_REF, Audiogram

_NEPERS_PER_DB = math.log(10.0) / 20.0
_MIDDLE_EAR_RINGS = 1024  # samples after which the middle ear is at rest
_AUTOCORRELATION_FFT = 16384


@dataclass(frozen=True)
class EarParameters:
    """What the metric knows of some ears, all in float64.

    Attributes
    ----------
    ohc_db, ihc_db, lower_knee_db, compression_ratio, min_bandwidth : Tensor, shape (ears, 32)
        See `ear_model.hearing_loss.HearingLoss`.
    nalr : Tensor, shape (ears, 141)
        NAL-R filter at 24 kHz, which equalisation 1 applies to the reference.
    """

    ohc_db: Tensor
    ihc_db: Tensor
    lower_knee_db: Tensor
    compression_ratio: Tensor
    min_bandwidth: Tensor
    nalr: Tensor

    @staticmethod
    def from_audiograms(audiograms: Sequence[Audiogram]) -> EarParameters:
        """Make the parameters of ears from their audiograms.

        Parameters
        ----------
        audiograms : sequence of Audiogram
            One for each pair of signals, or one for all; for signals of several channels, one for
            each channel of each item (item by item), or one for each channel.

        Returns
        -------
        EarParameters
            On the CPU; `to` moves them.
        """
        if not audiograms:
            raise ValueError("an ear needs an audiogram; the list is empty")
        losses = [hearing_loss(audiogram, centre_frequencies_hz()) for audiogram in audiograms]
        prescription = NALR(NALR_ORDER, SAMPLE_RATE_HZ)
        rows = {
            name: [getattr(loss, name) for loss in losses]
            for name in ("ohc_db", "ihc_db", "lower_knee_db", "compression_ratio", "min_bandwidth")
        }
        rows["nalr"] = [prescription.build(audiogram)[0] for audiogram in audiograms]
        return EarParameters(**{name: torch.as_tensor(np.stack(row)) for name, row in rows.items()})

    def to(self, device: torch.device | str) -> EarParameters:
        """Move to a device."""
        return self._map(lambda values: values.to(device))

    def __len__(self) -> int:
        """Count the ears."""
        return self.ohc_db.shape[0]

    def rows(self, index: Tensor) -> EarParameters:
        """Take some ears, in the order given."""
        return self._map(lambda values: values[index])

    def bands(self, bands: slice) -> EarParameters:
        """Take some bands."""
        part = self._map(lambda values: values[:, bands])
        return EarParameters(**{**_as_dict(part), "nalr": self.nalr})

    def _map(self, function: Any) -> EarParameters:
        return EarParameters(**{name: function(value) for name, value in _as_dict(self).items()})


def healthy(ear: EarParameters) -> EarParameters:
    """Ears of normal hearing, as many as there are and on their device."""
    normal = EarParameters.from_audiograms([AUDIOGRAM_REF]).to(ear.ohc_db.device)
    return normal.rows(torch.zeros(len(ear), dtype=torch.int64, device=ear.ohc_db.device))


def _as_dict(ear: EarParameters) -> dict[str, Tensor]:
    """Tensors by name."""
    return {field.name: getattr(ear, field.name) for field in fields(ear)}


def with_nalr(reference: Tensor, ear: EarParameters) -> Tensor:
    """Amplify references, shape (batch, samples), for the audiograms; drops the onset."""
    n = reference.shape[-1]
    n_fft = fft.next_fast_len(n + NALR_ORDER, real=True)
    spectrum = torch.fft.rfft(reference.double(), n_fft) * torch.fft.rfft(ear.nalr, n_fft)
    amplified = torch.fft.irfft(spectrum, n_fft)[:, NALR_ORDER : NALR_ORDER + n]
    return amplified.to(reference.dtype)


class Cochlear(NamedTuple):
    """Signals behind the middle ear and the energy of each band's control filter.

    Attributes
    ----------
    x : Tensor of float64, shape (batch, samples)
        Signals.
    control_energy : Tensor of float64, shape (batch, 32)
        Energy of the control envelope over the length of each signal.
    """

    x: Tensor
    control_energy: Tensor


def middle_ear(x: Tensor, lengths: Sequence[int]) -> Cochlear:
    """Filter by the middle ear, in float64.

    Parameters
    ----------
    x : Tensor, shape (batch, samples)
        Signals, 0 behind their lengths.
    lengths : sequence of int
        Samples of each.

    Returns
    -------
    Cochlear
        Signals at the cochlea and the energies to which its filters are set.
    """
    n = x.shape[-1]
    n_fft = fft.next_fast_len(n + _MIDDLE_EAR_RINGS + history_samples(0), real=True)
    response = _middle_ear_response(n_fft, x.device)
    spectrum = torch.fft.rfft(x.double(), n_fft) * response
    y = torch.fft.irfft(spectrum, n_fft)[:, : n + _MIDDLE_EAR_RINGS]
    return Cochlear(y[:, :n], _control_energy(spectrum, n_fft, y, lengths))


@lru_cache(maxsize=4)
def _middle_ear_response(n_fft: int, device: torch.device) -> Tensor:
    """Both filters of the middle ear."""
    with torch.inference_mode(False):
        first, second = (
            rational_response(*filter_, n_fft, device) for filter_ in (low_pass(), high_pass())
        )
        return first * second


def _control_energy(spectrum: Tensor, n_fft: int, y: Tensor, lengths: Sequence[int]) -> Tensor:
    """Energy of the control envelopes over the length of each signal, shape (batch, 32).

    The energy of an endless output needs the autocorrelation of the signal only, as far as that of
    the filter reaches; what comes out behind the end of the signal is computed and subtracted.
    """
    n_reach = history_samples(0)
    power = spectrum.real.square() + spectrum.imag.square()
    correlation = torch.fft.irfft(power, n_fft)
    gap = correlation.new_zeros(correlation.shape[0], _AUTOCORRELATION_FFT + 1 - 2 * n_reach)
    correlation = torch.cat((correlation[:, :n_reach], gap, correlation[:, 1:n_reach].flip(-1)), -1)
    density = torch.fft.rfft(correlation).real
    total = density @ _control_power_response(y.device).mT / _AUTOCORRELATION_FFT
    before_end = torch.tensor([[n - n_reach] for n in lengths], device=y.device)
    n_around = 2 * n_reach + _MIDDLE_EAR_RINGS
    around_end = shifted(y[:, None], before_end, n_around)[:, 0]
    behind = control_power(around_end, slice(0, total.shape[-1]), n_lead=n_reach).sum(-1)
    return (total - behind).clamp_min(0.0)


@lru_cache(maxsize=4)
def _control_power_response(device: torch.device) -> Tensor:
    """Power response of the control filters to real signals, shape (32, bins)."""
    with torch.inference_mode(False):
        n = _AUTOCORRELATION_FFT
        response = gammatone_response(control_pole(device)[None], centre_phase(device), n)[0]
        power = response.real.square() + response.imag.square()
        folded = power[:, : n // 2 + 1].clone()
        folded[:, 1 : n // 2] += power[:, n // 2 + 1 :].flip(-1)
        return folded


def root_mean_square(energy: Tensor, lengths: Sequence[int]) -> Tensor:
    """RMS from energy, (batch, bands); its slope at 0 counts as 0."""
    mean_square = energy / torch.tensor(lengths, dtype=energy.dtype, device=energy.device)[:, None]
    sounds = mean_square > TINY**2
    return torch.where(sounds, mean_square, 1.0).sqrt() * sounds


def level_db(rms: Tensor, level1: float) -> Tensor:
    """Level in dB SPL; that of silence is far below any threshold."""
    return level1 + 20.0 * rms.clamp_min(TINY).log10()


def bandwidth_at_level(level: Tensor, ear: EarParameters) -> Tensor:
    """Bandwidth of each filter relative to normal hearing, shape (batch, 32), see `ear_model`."""
    widest = torch.as_tensor(max_bandwidth(), device=level.device)
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
    poles, vectors = np.linalg.eig(from_voltages)
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
