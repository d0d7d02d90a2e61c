"""The gammatone filter bank by FFT, band by band for a batch of signals.

Long signals are cut into overlapping blocks. The responses of the filters are in `gammatone`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from scipy import fft
from torch import Tensor

from clarity.evaluator.haaqi_torch.gammatone import (
    COMPLEX,
    centre_phase,
    control_history_samples,
    control_response,
    gammatone_response,
    history_samples,
    response_and_slope,
)
from clarity.evaluator.haaqi_torch.lengths import lengths_on

_BLOCK = 16384

_BLOCK_IN_HISTORIES = 4

Ends = tuple[int, ...]


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
    def of(n_lead: int, n_out: int, history: int) -> _Plan:
        """Blocks of about the size at which transforms are fastest."""
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
        plan = _Plan.of(n_lead, x.shape[-1] - n_lead, control_history_samples(bands[0]))
        response = control_response(bands, plan.n_fft, COMPLEX[x.dtype], x.device)
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
        response = control_response(ctx.bands, plan.n_fft, spectra.dtype, spectra.device)
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
        plan = _Plan.of(n_lead, x.shape[-1] - n_lead, history_samples(bands[0]))
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
        if not ctx.needs_input_grad[1]:
            response = gammatone_response(pole, phase, plan.n_fft)
        else:
            response, slope = response_and_slope(pole, phase, plan.n_fft)
            cross = (spectra * plan.spectra(x).conj()).sum(2)
            of_pole = (cross * slope.conj()).real.sum(-1) / plan.n_fft
            if pole.shape[0] == 1:
                of_pole = of_pole.sum(0, keepdim=True)
        if ctx.needs_input_grad[0]:
            response = response.to(spectra.dtype)
            of_x = plan.gradient_of_input(spectra.mul_(response[:, :, None].conj()).sum(1))
        return of_x, of_pole, None, None, None


def _clear_tails(x: Tensor, ends: Ends) -> None:
    """Set (batch, bands, samples) to 0 from the end of each pair on, in place."""
    first = max(min(ends), 0)
    if first < x.shape[-1]:
        index = torch.arange(first, x.shape[-1], device=x.device)
        inside = index < lengths_on(x.device, ends)[:, None]
        x[..., first:] *= inside[:, None]


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
