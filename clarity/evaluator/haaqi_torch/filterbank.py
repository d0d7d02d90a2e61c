"""The gammatone filter bank by FFT, band by band for a batch of signals.

The low-pass of a band has a four-fold pole at 1 - a of about 0.01, which a recursion in float32
does not survive; its response has died away after some thousand samples, so a product of spectra
gives the same and is stable. With q = exp(-j (w - theta)) at the frequency w, theta being that of
the band, and r = 1/(1 - a q), the response is

    H = 2 K^2,  K = (1 - a)^2 / (1 + 2 a) (3 r^2 - 2 r),

which is the one of `ear_model.gammatone`, shifted to the band. It is not 0 at negative frequencies:
the output is the low-pass output shifted back, its magnitude the envelope and its real part the
motion of the basilar membrane. Long signals are cut into overlapping blocks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from scipy import fft
from torch import Tensor

from clarity.evaluator.ear_model.gammatone import (
    centre_frequencies_hz,
    gammatone_filters,
    phase_per_sample,
)
from clarity.evaluator.ear_model.hearing_loss import max_bandwidth

_NEPERS_FORGOTTEN = 54.0  # a^n n^3 is below 1e-17 of its peak after so many time constants
_BLOCK = 16384
_BLOCK_IN_HISTORIES = 4

Ends = tuple[int, ...]

COMPLEX = {torch.float32: torch.complex64, torch.float64: torch.complex128}
"""Complex type of each real type."""


@lru_cache(maxsize=8)
def centre_phase(device: torch.device) -> Tensor:
    """Phase advance a sample of a carrier at each centre frequency, shape (32,)."""
    return _constant(phase_per_sample(centre_frequencies_hz()), device)


@lru_cache(maxsize=8)
def control_pole(device: torch.device) -> Tensor:
    """Poles of the control filters, which are as wide as filters get, shape (32,)."""
    return _constant(gammatone_filters(max_bandwidth(), centre_frequencies_hz()).pole, device)


@lru_cache(maxsize=8)
def log_pole_of_normal_hearing(device: torch.device) -> Tensor:
    """Logarithm of the pole of each filter with a bandwidth factor of 1, shape (32,)."""
    normal = gammatone_filters(np.ones_like(centre_frequencies_hz()), centre_frequencies_hz())
    return _constant(np.log(normal.pole), device)


def _constant(values: np.ndarray, device: torch.device) -> Tensor:
    """Float64 tensor that no inference mode marks."""
    with torch.inference_mode(False):
        return torch.as_tensor(values, dtype=torch.float64).to(device)


@lru_cache(maxsize=64)
def history_samples(lowest_band: int) -> int:
    """Count samples until the narrowest filter from this band on has forgotten its input."""
    frequencies_hz = centre_frequencies_hz()
    normal = gammatone_filters(np.ones_like(frequencies_hz), frequencies_hz)
    return math.ceil(-_NEPERS_FORGOTTEN / math.log(normal.pole[lowest_band]))


def gammatone_response(pole: Tensor, phase: Tensor, n_fft: int) -> Tensor:
    """Frequency response of some bands.

    Parameters
    ----------
    pole : Tensor of float64, shape (batch or 1, bands)
        Poles a.
    phase : Tensor of float64, shape (bands,)
        Phase advance theta of each band.
    n_fft : int
        Bins.

    Returns
    -------
    Tensor of complex128, shape (batch or 1, bands, n_fft)
        Response.
    """
    r, scale = _resolvent(pole, phase, n_fft)
    k = (r * (3.0 * r - 2.0)).mul_(scale)
    return k.square_().mul_(2.0)


def _resolvent(pole: Tensor, phase: Tensor, n_fft: int) -> tuple[Tensor, Tensor]:
    """R = 1/(1 - a q) in complex128, because 1 - a is small; and (1 - a)^2/(1 + 2 a)."""
    a = pole[..., None]
    carrier = torch.polar(a, phase[:, None].expand(a.shape))
    r = (1.0 - carrier * _unit_circle(n_fft, pole.device)).reciprocal_()
    return r, (1.0 - a) ** 2 / (1.0 + 2.0 * a)


@lru_cache(maxsize=8)
def _unit_circle(n_fft: int, device: torch.device) -> Tensor:
    """exp(-j w) at every bin."""
    return _complex_constant(np.exp(-2j * np.pi * np.arange(n_fft) / n_fft), device)


def _complex_constant(values: np.ndarray, device: torch.device) -> Tensor:
    with torch.inference_mode(False):
        return torch.as_tensor(values).to(device)


@lru_cache(maxsize=8)
def _control_response(
    bands: tuple[int, int], n_fft: int, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """Response of the control filters, the same for all ears."""
    with torch.inference_mode(False), torch.no_grad():
        part = slice(*bands)
        response = gammatone_response(
            control_pole(device)[None, part], centre_phase(device)[part], n_fft
        )
        return response.to(dtype)


@dataclass(frozen=True)
class _Plan:
    """How `n_out` samples behind `n_lead` samples of history are cut into blocks.

    Each block has `n_fft` samples, the first `history` of which only fill the filters' memory.
    """

    n_lead: int
    n_out: int
    history: int
    n_blocks: int
    step: int
    n_fft: int

    @staticmethod
    def of(n_lead: int, n_out: int, lowest_band: int) -> _Plan:
        """Blocks of about the size at which transforms are fastest."""
        history = history_samples(lowest_band)
        most = max(_BLOCK, _BLOCK_IN_HISTORIES * history) - history
        n_blocks = -(-n_out // most)
        n_fft = fft.next_fast_len(-(-n_out // n_blocks) + history, real=True)
        return _Plan(n_lead, n_out, history, n_blocks, n_fft - history, n_fft)

    def spectra(self, x: Tensor) -> Tensor:
        """Spectra of the blocks of (batch, n_lead + n_out), shape (batch, 1, n_blocks, n_fft)."""
        kept = min(self.n_lead, self.history)
        x = x[:, self.n_lead - kept :]
        n_behind = self.n_blocks * self.step - self.n_out
        x = torch.nn.functional.pad(x, (self.history - kept, n_behind))
        return torch.fft.fft(x.unfold(-1, self.n_fft, self.step))[:, None]

    def outputs(self, y: Tensor) -> Tensor:
        """Join the blocks (batch, bands, n_blocks, n_fft) to (batch, bands, n_out)."""
        return y[..., self.history :].flatten(-2)[..., : self.n_out]

    def spectra_of_gradient(self, real: Tensor, imag: Tensor) -> Tensor:
        """Spectra of the blocks to which a complex gradient (batch, bands, n_out) belongs."""
        shape = (*real.shape[:2], self.n_blocks, self.n_fft)
        blocks = torch.empty(shape, dtype=COMPLEX[real.dtype], device=real.device)
        blocks[..., : self.history] = 0.0
        n_behind = self.n_blocks * self.step - self.n_out
        for part, values in ((blocks.real, real), (blocks.imag, imag)):
            padded = torch.nn.functional.pad(values, (0, n_behind)) if n_behind else values
            part[..., self.history :] = padded.unflatten(-1, (self.n_blocks, self.step))
        return torch.fft.fft(blocks)

    def gradient_of_input(self, spectra: Tensor) -> Tensor:
        """Add up the blocks (batch, n_blocks, n_fft) to the gradient of (batch, n_lead + n_out)."""
        blocks = torch.fft.ifft(spectra).real
        kept = min(self.n_lead, self.history)
        n = self.history + self.n_blocks * self.step
        x = blocks.new_zeros(blocks.shape[0], n)
        for i in range(self.n_blocks):
            x[:, i * self.step : i * self.step + self.n_fft] += blocks[:, i]
        x = x[:, self.history - kept : self.history + self.n_out]
        return torch.nn.functional.pad(x, (self.n_lead - kept, 0))


class _ControlPower(torch.autograd.Function):
    """Squared control envelope."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, n_lead: int, bands: tuple[int, int]) -> Tensor:
        plan = _Plan.of(n_lead, x.shape[-1] - n_lead, bands[0])
        response = _control_response(bands, plan.n_fft, COMPLEX[x.dtype], x.device)
        y = torch.fft.ifft(plan.spectra(x) * response[:, :, None])
        real, imag = plan.outputs(y.real), plan.outputs(y.imag)
        ctx.plan, ctx.bands = plan, bands
        ctx.save_for_backward(real, imag)
        return (real * real).addcmul_(imag, imag)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        real, imag = ctx.saved_tensors
        plan = ctx.plan
        doubled = 2.0 * gradient
        spectra = plan.spectra_of_gradient(doubled * real, doubled.mul_(imag))
        response = _control_response(ctx.bands, plan.n_fft, spectra.dtype, spectra.device)
        return (
            plan.gradient_of_input((spectra.mul_(response[:, :, None].conj())).sum(1)),
            None,
            None,
        )


class _EnvelopeAndMotion(torch.autograd.Function):
    """Envelope and motion of the main filters; differentiable in the signal and in the poles."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, pole: Tensor, n_lead: int, bands: tuple[int, int], ends: Ends
    ) -> tuple[Tensor, Tensor]:
        plan = _Plan.of(n_lead, x.shape[-1] - n_lead, bands[0])
        phase = centre_phase(x.device)[slice(*bands)]
        response = gammatone_response(pole, phase, plan.n_fft).to(COMPLEX[x.dtype])
        y = torch.fft.ifft(plan.spectra(x) * response[:, :, None])
        motion, imag = plan.outputs(y.real).contiguous(), plan.outputs(y.imag).contiguous()
        _clear_tails(motion, ends)
        _clear_tails(imag, ends)
        envelope = (motion * motion).addcmul_(imag, imag).sqrt_()
        ctx.plan, ctx.phase, ctx.ends = plan, phase, ends
        ctx.save_for_backward(x, pole, envelope, motion, imag)
        return envelope, motion

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(
        ctx: Any, of_envelope: Tensor, of_motion: Tensor
    ) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        x, pole, envelope, motion, imag = ctx.saved_tensors
        plan, phase = ctx.plan, ctx.phase
        # Of |y| the gradient is y/|y|; where y is 0 it is taken as 0.
        per_envelope = of_envelope / envelope.clamp_min(torch.finfo(envelope.dtype).tiny)
        of_real, of_imag = torch.addcmul(of_motion, per_envelope, motion), per_envelope * imag
        _clear_tails(of_real, ctx.ends)
        spectra = plan.spectra_of_gradient(of_real, of_imag)
        of_x = of_pole = None
        if ctx.needs_input_grad[1]:
            cross = (spectra * plan.spectra(x).conj()).sum(2)
            slope = _slope_in_pole(pole, phase, plan.n_fft)
            of_pole = (cross * slope.conj()).real.sum(-1) / plan.n_fft
            if pole.shape[0] == 1:
                of_pole = of_pole.sum(0, keepdim=True)
        if ctx.needs_input_grad[0]:
            response = gammatone_response(pole, phase, plan.n_fft).to(spectra.dtype)
            of_x = plan.gradient_of_input(spectra.mul_(response[:, :, None].conj()).sum(1))
        return of_x, of_pole, None, None, None


def _clear_tails(x: Tensor, ends: Ends) -> None:
    """Set (batch, bands, samples) to 0 from the end of each pair on, in place."""
    first = max(min(ends), 0)
    if first < x.shape[-1]:
        index = torch.arange(first, x.shape[-1], device=x.device)
        inside = index < torch.tensor(ends, device=x.device)[:, None]
        x[..., first:] *= inside[:, None]


def _slope_in_pole(pole: Tensor, phase: Tensor, n_fft: int) -> Tensor:
    """Differentiate the response with respect to the pole."""
    r, scale = _resolvent(pole, phase, n_fft)
    a = pole[..., None]
    k = scale * r * (3.0 * r - 2.0)
    log_slope = -2.0 / (1.0 - a) - 2.0 / (1.0 + 2.0 * a)
    return 4.0 * k * (k * log_slope + scale * (6.0 * r - 2.0) * (r * r - r) / a)


def control_power(x: Tensor, bands: slice, n_lead: int = 0) -> Tensor:
    """Squared envelope of the control filters.

    Parameters
    ----------
    x : Tensor, shape (batch, n_lead + samples)
        Signals behind the middle ear.
    bands : slice
        Bands wanted.
    n_lead : int
        Samples in front for which nothing is wanted.

    Returns
    -------
    Tensor, shape (batch, bands, samples)
        Power.
    """
    return _ControlPower.apply(x, n_lead, (bands.start, bands.stop))


def envelope_and_motion(
    x: Tensor, pole: Tensor, bands: slice, n_lead: int, ends: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Envelope and basilar-membrane motion of the main filters.

    Parameters
    ----------
    x : Tensor, shape (batch, n_lead + samples)
        Signals behind the middle ear.
    pole : Tensor of float64, shape (batch or 1, bands)
        Poles of these bands.
    bands : slice
        Bands wanted.
    n_lead : int
        Samples in front for which nothing is wanted.
    ends : sequence of int
        Samples behind `n_lead` after which the outputs of each pair shall be 0.

    Returns
    -------
    envelope, motion : Tensor, shape (batch, bands, samples)
        Magnitude and real part of the filters' output.
    """
    return _EnvelopeAndMotion.apply(x, pole, n_lead, (bands.start, bands.stop), tuple(ends))
