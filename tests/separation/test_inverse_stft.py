"""What an inverse transform is given does not depend on what a device makes of it."""

from typing import Any

import pytest
import torch

from clarity.separation import inverse_stft
from clarity.separation.inverse_stft import RealInverseStft, _real_istft


@pytest.mark.parametrize("n_fft", [64, 63])
def test_ends_of_spectra_are_real(n_fft: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in between, and the caller's tensor, stay as they are."""
    inverse, seen = torch.istft, []
    z = spectra(n_fft)
    before = z.clone()

    def recorded(spectrum: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        seen.append(spectrum)
        return inverse(spectrum, *args, **kwargs)

    monkeypatch.setattr(torch, "istft", recorded)
    _real_istft(z, n_fft, hop_length=16, window=torch.hann_window(n_fft))
    (spectrum,) = seen
    assert not spectrum[:, 0].imag.any()
    assert spectrum[:, -1].imag.any() == (n_fft % 2 == 1)
    assert torch.equal(spectrum[:, 1:-1], z[:, 1:-1])
    assert torch.equal(spectrum.real, z.real)
    assert torch.equal(z, before)


def test_context_reaches_functions_and_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing else: other functions of torch are called as they are."""
    z, window = spectra(64), torch.hann_window(64)
    expected = torch.istft(z, 64, 16, window=window)
    calls = []
    monkeypatch.setattr(
        inverse_stft, "_real_istft", lambda *args, **kwargs: calls.append((args, kwargs))
    )
    with RealInverseStft():
        torch.istft(z, 64, 16, window=window)
        z.istft(n_fft=64, hop_length=16, window=window)
        assert torch.equal(torch.fft.irfft(z), torch.fft.irfft(z.clone()))
    assert len(calls) == 2
    monkeypatch.undo()
    with RealInverseStft():
        # On a CPU the parts that are left out take no part.
        torch.testing.assert_close(torch.istft(z, 64, 16, window=window), expected)


def spectra(n_fft: int) -> torch.Tensor:
    """Spectra as a network may estimate them."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, n_fft // 2 + 1, 9, dtype=torch.complex64, generator=generator)
