"""The middle ear, and the energy behind it to which the filters of the cochlea are set."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from scipy import fft
from torch import Tensor

from clarity.evaluator.ear_model.constants import N_BANDS
from clarity.evaluator.ear_model.middle_ear import high_pass, low_pass
from clarity.evaluator.haaqi_torch.filterbank import control_power
from clarity.evaluator.haaqi_torch.gammatone import (
    centre_phase,
    control_history_samples,
    control_pole,
    gammatone_response,
)
from clarity.evaluator.haaqi_torch.lengths import lengths_on
from clarity.evaluator.haaqi_torch.resampling import rational_response
from clarity.evaluator.haaqi_torch.shift import shifted

_MIDDLE_EAR_RINGS = 1024  # samples after which the middle ear is at rest
_AUTOCORRELATION_FFT = 16384
_BANDS_AT_ONCE = 8


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
    n_fft = fft.next_fast_len(n + _MIDDLE_EAR_RINGS + control_history_samples(0), real=True)
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
    n_reach = control_history_samples(0)
    power = spectrum.real.square() + spectrum.imag.square()
    correlation = torch.fft.irfft(power, n_fft)
    gap = correlation.new_zeros(correlation.shape[0], _AUTOCORRELATION_FFT + 1 - 2 * n_reach)
    correlation = torch.cat((correlation[:, :n_reach], gap, correlation[:, 1:n_reach].flip(-1)), -1)
    density = torch.fft.rfft(correlation).real
    total = density @ _control_power_response(y.device).mT / _AUTOCORRELATION_FFT
    before_end = lengths_on(y.device, lengths)[:, None] - n_reach
    n_around = 2 * n_reach + _MIDDLE_EAR_RINGS
    around_end = shifted(y[:, None], before_end, n_around)[:, 0]
    behind = []
    for first in range(0, N_BANDS, _BANDS_AT_ONCE):
        n_lead = control_history_samples(first)  # the fewer, the higher the bands
        part = around_end[:, n_reach - n_lead : n_reach + _MIDDLE_EAR_RINGS + n_lead]
        bands = slice(first, first + _BANDS_AT_ONCE)
        behind.append(control_power(part, bands, n_lead).sum(-1))
    return (total - torch.cat(behind, -1)).clamp_min(0.0)


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
