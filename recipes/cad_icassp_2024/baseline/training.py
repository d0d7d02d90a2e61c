"""What fine-tuning is made of: random crops of the at-mic music, and the loss behind the chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soundfile
import torch

from clarity.enhancer.nalr import NALR
from clarity.evaluator.haaqi_torch import EarParameters, HaaqiLoss
from clarity.separation.segmented import SegmentedSeparator
from clarity.utils.file_io import read_signal
from recipes.cad_icassp_2024.baseline.differentiable import amplify, integrated_loudness, remix
from recipes.cad_icassp_2024.data.dataset import Dataset
from recipes.cad_icassp_2024.data.scenes import MIXTURE, Pair


@dataclass(frozen=True)
class Crops:
    """Crops of some pairs, ready for the device.

    Attributes
    ----------
    mixture : Tensor, shape (batch, 2, samples)
        Music at the microphones.
    stems : Tensor, shape (batch, sources, 2, samples)
        The true stems, in the separator's order.
    gains_db : Tensor, shape (batch, sources)
        What the scenes ask for.
    filters : Tensor, shape (batch, 2, taps)
        NAL-R of each ear.
    ears : EarParameters
        The ears' hearing loss, for left and right of each pair in turn.
    """

    mixture: torch.Tensor
    stems: torch.Tensor
    gains_db: torch.Tensor
    filters: torch.Tensor
    ears: EarParameters

    def to(self, device: torch.device) -> Crops:
        """Move everything to a device."""
        return Crops(*(part.to(device) for part in vars(self).values()))


@dataclass(frozen=True)
class CropReader:
    """Draw crops from the songs of some pairs.

    Attributes
    ----------
    dataset : Dataset
    pairs : sequence of Pair
        Each is equally likely.
    sources : sequence of str
        Order of the stems.
    sample_rate : int
        Rate of the music in Hz; files must have it.
    n_samples : int
        Length of a crop; a shorter song is taken whole, with silence behind it.
    nalr : NALR
        The hearing aid's prescription.
    """

    dataset: Dataset
    pairs: Sequence[Pair]
    sources: Sequence[str]
    sample_rate: int
    n_samples: int
    nalr: NALR

    def draw(self, n_crops: int, generator: np.random.Generator) -> Crops:
        """Read crops at random places.

        Parameters
        ----------
        n_crops : int
        generator : numpy.random.Generator
            Chooses pairs and places.

        Returns
        -------
        Crops
        """
        pairs = [self.pairs[index] for index in generator.integers(len(self.pairs), size=n_crops)]
        signals = np.stack([self._read(pair, generator) for pair in pairs])
        audiograms = [
            audiogram
            for pair in pairs
            for audiogram in (pair.listener.audiogram_left, pair.listener.audiogram_right)
        ]
        filters = np.stack([self.nalr.build(audiogram)[0] for audiogram in audiograms])
        gains_db = [[pair.scene.gains_db[name] for name in self.sources] for pair in pairs]
        return Crops(
            mixture=torch.from_numpy(signals[:, 0]),
            stems=torch.from_numpy(signals[:, 1:]),
            gains_db=torch.tensor(gains_db),
            filters=torch.from_numpy(filters.astype(np.float32)).unflatten(0, (n_crops, 2)),
            ears=EarParameters.from_audiograms(audiograms),
        )

    def _read(self, pair: Pair, generator: np.random.Generator) -> np.ndarray:
        """Mixture and stems of a crop, shape (1 + sources, 2, samples), float32."""
        files = [self.dataset.music_file(pair.scene, name) for name in (MIXTURE, *self.sources)]
        n_frames = soundfile.info(files[0]).frames
        start = int(generator.integers(max(n_frames - self.n_samples, 0) + 1))
        crop = np.zeros((len(files), 2, self.n_samples), np.float32)
        n_read = min(self.n_samples, n_frames - start)
        for signal, file in zip(crop, files, strict=True):
            signal[:, :n_read] = read_signal(
                file, self.sample_rate, offset=start, n_samples=n_read, offset_is_samples=True
            ).T
        return crop


@dataclass(frozen=True)
class Losses:
    """Losses of a step; scalars with gradients.

    Attributes
    ----------
    l1 : Tensor
        Mean absolute difference of the stems.
    haaqi : Tensor
        1 - HAAQI, mean over pairs and ears.
    """

    l1: torch.Tensor
    haaqi: torch.Tensor


def training_losses(
    separator: SegmentedSeparator,
    crops: Crops,
    haaqi_loss: HaaqiLoss,
    *,
    soft_clip: bool,
    haaqi_gradient: bool = True,
) -> Losses:
    """Separate crops, and compare stems with the true stems, and what listeners hear with both.

    Parameters
    ----------
    separator : SegmentedSeparator
        Its module is called with gradients.
    crops : Crops
        On the device of the module.
    haaqi_loss : HaaqiLoss
        For the rate of the crops and a level of `PRESENTATION_LEVEL_DB_SPL` for an RMS of 1.
    soft_clip : bool
        As in enhance.py.
    haaqi_gradient : bool
        Whether HAAQI has a gradient, which takes more time than its value.

    Returns
    -------
    Losses
    """
    rate = separator.sample_rate
    estimates = separate_crops(separator, crops.mixture)
    lufs = integrated_loudness(crops.mixture, rate)
    heard = estimates if haaqi_gradient else estimates.detach()
    enhanced = amplify(remix(heard, crops.gains_db, lufs, rate), crops.filters)
    enhanced = enhanced.tanh() if soft_clip else enhanced.clamp(-1.0, 1.0)
    wanted = remix(crops.stems, crops.gains_db, lufs, rate)
    reference = amplify(wanted, crops.filters)
    # The level is that of the reference before amplification, as in evaluate.py.
    rms = wanted.square().mean(dim=-1, keepdim=True).sqrt().clamp(min=1e-9)
    return Losses(
        l1=(estimates - crops.stems).abs().mean(),
        haaqi=haaqi_loss(enhanced / rms, reference / rms, crops.ears),
    )


def separate_crops(separator: SegmentedSeparator, mixture: torch.Tensor) -> torch.Tensor:
    """Run the module with gradients, the crops standardised if it wants that.

    Parameters
    ----------
    separator : SegmentedSeparator
    mixture : Tensor, shape (batch, 2, samples)

    Returns
    -------
    Tensor, shape (batch, sources, 2, samples)
    """
    if not separator.normalise:
        return separator.run_module(mixture)
    mono = mixture.mean(dim=1)
    mean = mono.mean(dim=-1)[:, None, None]
    deviation = mono.std(dim=-1, unbiased=False)[:, None, None]
    deviation = torch.where(deviation > 0, deviation, 1.0)
    estimates = separator.run_module((mixture - mean) / deviation)
    return estimates * deviation[:, None] + mean[:, None]
