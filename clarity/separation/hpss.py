"""Harmonic-percussive separation by median filtering, split on into four stems.

A separator without weights: on a spectrogram, drums are vertical lines and everything that has a
pitch is horizontal ones, and a median filter along one axis removes the lines along the other [1]_.
The harmonic part is split into bass (low), vocals (what is in the centre of the stereo image in
the range of the voice, by the similarity of the two channels [2]_) and other (the rest).

References
----------
.. [1] D. FitzGerald, "Harmonic/percussive separation using median filtering", Proc. DAFx-10, 2010.
.. [2] C. Avendano, J.-M. Jot, "A frequency-domain approach to multichannel upmix", J. Audio Eng.
   Soc. 52 (7/8), 740-749, 2004.
"""

from __future__ import annotations

import functools

import torch
from torch.nn import functional

_EPSILON = 1e-12


class HarmonicPercussive(torch.nn.Module):
    """Split stereo music into vocals, drums, bass and other.

    Parameters
    ----------
    sample_rate : int
        Samples per second.
    n_fft : int
        Length of the Hann window of the Fourier transform; neighbours overlap by three quarters.
    n_median : int
        Length of the median filters, in frames and in frequency bins; odd.
    bass_hz : float
        Harmonic sound below this is bass (half of it at this frequency).
    vocals_hz : tuple of float
        The range of the voice, likewise.
    centre_power : float
        The power to which the similarity of the channels is raised: the higher, the narrower is the
        centre of the stereo image.

    Raises
    ------
    ValueError
        If the median filters have no middle.
    """

    window: torch.Tensor
    bass_share: torch.Tensor
    voice_share: torch.Tensor

    def __init__(
        self,
        *,
        sample_rate: int = 44100,
        n_fft: int = 4096,
        n_median: int = 17,
        bass_hz: float = 250.0,
        vocals_hz: tuple[float, float] = (250.0, 8000.0),
        centre_power: float = 8.0,
    ) -> None:
        super().__init__()
        if n_median < 1 or n_median % 2 == 0:
            raise ValueError(f"n_median must be odd, not {n_median}")
        self.n_fft = n_fft
        self.n_median = n_median
        self.centre_power = centre_power
        frequencies = torch.fft.rfftfreq(n_fft, 1 / sample_rate)[:, None]
        low, high = vocals_hz
        bass = _below(frequencies, bass_hz)
        voice = _below(frequencies, high) * (1 - _below(frequencies, low))
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)
        self.register_buffer("bass_share", bass, persistent=False)
        self.register_buffer("voice_share", voice * (1 - bass), persistent=False)

    def forward(self, mixture: torch.Tensor) -> torch.Tensor:
        """Split mixtures.

        Parameters
        ----------
        mixture : Tensor, shape (batch, channels, time)
            Mono or stereo music.

        Returns
        -------
        Tensor, shape (batch, 4, channels, time)
            Vocals, drums, bass, other; their sum is the mixture.
        """
        n_batch, n_channels, n_samples = mixture.shape
        spectrum = self._stft(mixture)
        # One mask for all channels keeps a stem where it is in the stereo image.
        power = spectrum.abs().square().sum(dim=1)
        percussive = self._percussive_share(power.sqrt())
        harmonic = 1 - percussive
        vocals = harmonic * self.voice_share * self._centre_share(spectrum, power)
        masks = torch.stack([vocals, percussive, harmonic * self.bass_share], dim=1)

        estimates = torch.istft(
            (masks[:, :, None] * spectrum[:, None]).flatten(0, 2),
            self.n_fft,
            self.n_fft // 4,
            window=self.window,
            length=n_samples,
        ).view(n_batch, 3, n_channels, n_samples)
        # The masks' rest is other; taking it in the time domain makes the sum exact.
        rest = mixture[:, None] - estimates.sum(dim=1, keepdim=True)
        return torch.cat([estimates, rest], dim=1)

    def _stft(self, signal: torch.Tensor) -> torch.Tensor:
        """Transform (batch, channels, time) to (batch, channels, bins, frames)."""
        spectrum = torch.stft(
            signal.flatten(0, 1),
            self.n_fft,
            self.n_fft // 4,
            window=self.window,
            pad_mode="constant",
            return_complex=True,
        )
        return spectrum.unflatten(0, signal.shape[:2])

    def _percussive_share(self, magnitude: torch.Tensor) -> torch.Tensor:
        """How percussive the bins (batch, bins, frames) are: the mask P²/(H² + P²) of [1]_."""
        harmonic = running_median(magnitude, self.n_median, dim=2).square()
        percussive = running_median(magnitude, self.n_median, dim=1).square()
        return (percussive + _EPSILON) / (harmonic + percussive + 2 * _EPSILON)

    def _centre_share(self, spectrum: torch.Tensor, power: torch.Tensor) -> torch.Tensor:
        """How alike the channels are in each bin, between 0 and 1: 2|LR|/(|L|² + |R|²) of [2]_."""
        if spectrum.shape[1] == 1:
            return torch.ones_like(power)
        left, right = spectrum.unbind(dim=1)
        similarity = (2 * left.abs() * right.abs() + _EPSILON) / (power + _EPSILON)
        return similarity**self.centre_power


def _below(frequencies: torch.Tensor, corner_hz: float) -> torch.Tensor:
    """Fall from 1 to 0 around a corner frequency like a Butterworth power response of order 4."""
    return 1 / (1 + (frequencies / corner_hz) ** 8)


def running_median(signal: torch.Tensor, n_window: int, dim: int) -> torch.Tensor:
    """Filter with a running median; the first and the last value are repeated beyond the ends.

    The windows are sorted all at once: value i of every window is one shifted view of the signal,
    and each exchange of a sorting network is a minimum and a maximum of two such tensors. That is
    several times faster than sorting each window and runs on every device.

    Parameters
    ----------
    signal : Tensor
        Any shape.
    n_window : int
        Length of the window; odd.
    dim : int
        The dimension to filter along.

    Returns
    -------
    Tensor
        The medians, in the shape of the signal.
    """
    n_values = signal.shape[dim]
    half = n_window // 2
    moved = functional.pad(signal.movedim(dim, -1).flatten(0, -2), (half, half), mode="replicate")
    padded = moved.view(*signal.movedim(dim, -1).shape[:-1], -1).movedim(-1, dim)
    values = [padded.narrow(dim, shift, n_values) for shift in range(n_window)]
    for low, high in _median_network(n_window):
        values[low], values[high] = (
            torch.minimum(values[low], values[high]),
            torch.maximum(values[low], values[high]),
        )
    return values[half]


@functools.cache
def _median_network(n_values: int) -> list[tuple[int, int]]:
    """Exchanges that bring the median of a list to its middle.

    Batcher's merge exchange sort (D. E. Knuth, The Art of Computer Programming 3, 5.2.2,
    Algorithm M) without the exchanges that the middle does not depend on.
    """
    exchanges = []
    top = 1 << max(0, (n_values - 1).bit_length() - 1)
    step = top
    while step > 0:
        reach, remainder, distance = top, 0, step
        while True:
            exchanges += [
                (i, i + distance) for i in range(n_values - distance) if i & step == remainder
            ]
            if reach == step:
                break
            distance, reach, remainder = reach - step, reach // 2, step
        step //= 2

    needed = {n_values // 2}
    kept = []
    for exchange in reversed(exchanges):
        if needed & set(exchange):
            needed |= set(exchange)
            kept.append(exchange)
    return kept[::-1]
