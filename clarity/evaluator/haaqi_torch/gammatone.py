"""The gammatone filters and their responses.

The low-pass of a band has a four-fold pole at 1 - a of about 0.01, which a recursion in float32
does not survive; its response has died away after some thousand samples, so a product of spectra
gives the same and is stable. With q = exp(-j (w - theta)) at the frequency w, theta being that of
the band, and r = 1/(1 - a q), the response is

    H = 2 K^2,  K = (1 - a)^2 / (1 + 2 a) (3 r^2 - 2 r),

which is the one of `ear_model.gammatone`, shifted to the band. It is not 0 at negative frequencies:
the output is the low-pass output shifted back, its magnitude the envelope and its real part the
motion of the basilar membrane.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clarity.evaluator.ear_model.gammatone import (
    centre_frequencies_hz,
    gammatone_filters,
    phase_per_sample,
)
from clarity.evaluator.ear_model.hearing_loss import max_bandwidth

_NEPERS_FORGOTTEN = 54.0  # a^n n^3 is below 1e-17 of its peak after so many time constants

COMPLEX = {torch.float32: torch.complex64, torch.float64: torch.complex128}
"""Complex type of each real type."""


@lru_cache(maxsize=8)
def centre_phase(device: torch.device) -> Tensor:
    """Phase advance a sample of a carrier at each centre frequency, shape (32,)."""
    return _constant(phase_per_sample(centre_frequencies_hz()), device)


@lru_cache(maxsize=8)
def widest_bandwidth(device: torch.device) -> Tensor:
    """Bandwidth of each control filter relative to normal hearing, shape (32,)."""
    return _constant(max_bandwidth(), device)


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
    return _samples_to_forget(np.ones_like(centre_frequencies_hz()), lowest_band)


@lru_cache(maxsize=64)
def control_history_samples(lowest_band: int) -> int:
    """Count samples until the control filters from this band on have forgotten their input."""
    return _samples_to_forget(max_bandwidth(), lowest_band)


def _samples_to_forget(bandwidth: NDArray[np.float64], band: int) -> int:
    """Count samples until a filter of these has forgotten its input."""
    filters = gammatone_filters(bandwidth, centre_frequencies_hz())
    return math.ceil(-_NEPERS_FORGOTTEN / math.log(filters.pole[band]))


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


@lru_cache(maxsize=16)
def _unit_circle(n_fft: int, device: torch.device) -> Tensor:
    """exp(-j w) at every bin."""
    return _complex_constant(np.exp(-2j * np.pi * np.arange(n_fft) / n_fft), device)


def _complex_constant(values: np.ndarray, device: torch.device) -> Tensor:
    with torch.inference_mode(False):
        return torch.as_tensor(values).to(device)


@lru_cache(maxsize=16)
def control_response(
    bands: tuple[int, int], n_fft: int, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """Response of the control filters, the same for all ears."""
    with torch.inference_mode(False), torch.no_grad():
        part = slice(*bands)
        response = gammatone_response(
            control_pole(device)[None, part], centre_phase(device)[part], n_fft
        )
        return response.to(dtype)


def response_and_slope(pole: Tensor, phase: Tensor, n_fft: int) -> tuple[Tensor, Tensor]:
    """Compute the response, and its derivative with respect to the pole."""
    r, scale = _resolvent(pole, phase, n_fft)
    a = pole[..., None]
    k = (r * (3.0 * r - 2.0)).mul_(scale)
    log_slope = -2.0 / (1.0 - a) - 2.0 / (1.0 + 2.0 * a)
    slope = (r * r).sub_(r).mul_(r.mul_(6.0).sub_(2.0)).mul_(scale / a)
    slope.add_(k * log_slope).mul_(k).mul_(4.0)
    return k.square_().mul_(2.0), slope
