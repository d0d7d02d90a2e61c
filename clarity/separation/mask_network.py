"""A small separator to start from: spectral masks from a convolutional network.

It is no rival of Hybrid Demucs. It is small enough to be trained on a laptop in minutes, so that a
loss or a training recipe can be tried end to end before a GPU is booked.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn
from torchaudio.functional import melscale_fbanks

from clarity.separation.base import VDBO
from clarity.separation.weights import load_weights

N_FFT = 2048
N_HOP = 512
N_BANDS = 80
N_CHANNELS = 96
DILATIONS = (1, 2, 4, 8)
"""Frames between the taps of the residual blocks; together they see 0.36 s."""

_QUIET = 1e-4
_SEED = 2024


class MaskNetwork(nn.Module):
    """Share every time-frequency bin of a mixture out among the stems.

    The magnitudes of the short-time Fourier transform, both channels together and pooled to mel
    bands, pass through dilated convolutions over time. A softmax over the stems gives each band's
    share, which multiplies the complex spectra of both channels; the stems add up to the mixture.

    Parameters
    ----------
    n_sources : int
        How many stems.
    sample_rate : int
        Rate of the signals in Hz.
    """

    window: torch.Tensor
    bands: torch.Tensor

    def __init__(self, n_sources: int = len(VDBO), sample_rate: int = 44100) -> None:
        super().__init__()
        self.n_sources = n_sources
        self.sample_rate = sample_rate
        bands = melscale_fbanks(N_FFT // 2 + 1, 0.0, sample_rate / 2, N_BANDS, sample_rate)
        self.register_buffer("window", torch.hann_window(N_FFT), persistent=False)
        self.register_buffer("bands", bands, persistent=False)
        self.entry = nn.Conv1d(N_BANDS, N_CHANNELS, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Conv1d(N_CHANNELS, N_CHANNELS, 5, padding=2 * step, dilation=step)
            for step in DILATIONS
        )
        self.exit = nn.Conv1d(N_CHANNELS, n_sources * N_BANDS, 1)

    def forward(self, mixture: torch.Tensor) -> torch.Tensor:
        """Separate.

        Parameters
        ----------
        mixture : Tensor, shape (batch, channels, time)
            The mixture, full scale 1.

        Returns
        -------
        Tensor, shape (batch, sources, channels, time)
            The stems; their sum is the mixture.
        """
        n_batch, n_channels, n_samples = mixture.shape
        spectra = torch.stft(
            mixture.reshape(-1, n_samples),
            N_FFT,
            N_HOP,
            window=self.window,
            return_complex=True,
            pad_mode="constant",
        ).unflatten(0, (n_batch, n_channels))
        shares = self._shares(spectra.abs().mean(dim=1))
        stems = spectra[:, None] * shares[:, :, None]
        signals = torch.istft(
            stems.flatten(0, 2), N_FFT, N_HOP, window=self.window, length=n_samples
        )
        return signals.reshape(n_batch, self.n_sources, n_channels, n_samples)

    def _shares(self, magnitudes: torch.Tensor) -> torch.Tensor:
        """Share of each stem in each bin, (batch, sources, bins, frames), from magnitudes."""
        levels = torch.log(self.bands.T @ magnitudes + _QUIET)
        hidden = torch.relu(self.entry(levels))
        for block in self.blocks:
            hidden = hidden + torch.relu(block(hidden))
        scores = self.exit(hidden).unflatten(1, (self.n_sources, N_BANDS))
        # A bin between two mel bands takes both bands' scores; those below the first band take
        # equal shares, because none of their columns is above 0.
        return torch.softmax(self.bands @ scores, dim=1)


def load_mask_network(
    checkpoint: str | Path | None = None,
    sources: Sequence[str] = VDBO,
    sample_rate: int = 44100,
) -> MaskNetwork:
    """Build a `MaskNetwork`.

    Parameters
    ----------
    checkpoint : str, Path or None
        A file with its state dict, as `finetune.py` writes it. None starts from random weights,
        always the same.
    sources : sequence of str
        The stems.
    sample_rate : int
        Rate of the signals in Hz.

    Returns
    -------
    MaskNetwork
        Maps (batch, channels, time) to (batch, sources, channels, time).

    Raises
    ------
    clarity.separation.weights.WeightsError
        If the checkpoint cannot be read or belongs to another model.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        module = MaskNetwork(len(sources), sample_rate)
    if checkpoint is not None:
        load_weights(module, Path(checkpoint).expanduser())
    return module.eval()
