"""What fine-tuning is made of: random crops of the at-mic music, losses behind the chain, steps."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import soundfile
import torch
from torch.nn.utils import clip_grad_norm_
from tqdm import trange

from clarity.evaluator.haaqi_torch import EarParameters, HaaqiLoss
from clarity.separation.segmented import SegmentedSeparator
from clarity.utils.file_io import read_signal
from recipes.cad_icassp_2024.baseline.differentiable import amplify, integrated_loudness, remix
from recipes.cad_icassp_2024.baseline.evaluate import PRESENTATION_LEVEL_DB_SPL
from recipes.cad_icassp_2024.baseline.finetune_config import FinetuneConfig
from recipes.cad_icassp_2024.baseline.validation import Validator
from recipes.cad_icassp_2024.data.dataset import Dataset
from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.data.scenes import MIXTURE, Pair
from recipes.cad_icassp_2024.runs.training_folder import HistoryRow, TrainingFolder, mean_score

log = logging.getLogger(__name__)


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
    config : FinetuneConfig
        Length and rate of the crops; a shorter song is taken whole, with silence behind it.
    dataset : Dataset
    pairs : sequence of Pair
        Each is equally likely.
    sources : sequence of str
        Order of the stems.
    """

    config: FinetuneConfig
    dataset: Dataset
    pairs: Sequence[Pair]
    sources: Sequence[str]

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
        nalr = self.config.nalr.make()
        filters = np.stack([nalr.build(audiogram)[0] for audiogram in audiograms])
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
        rate, names = self.config.sample_rate, (MIXTURE, *self.sources)
        n_samples = round(self.config.training.crop_s * rate)
        files = [self.dataset.music_file(pair.scene, name) for name in names]
        crop = np.zeros((len(files), 2, n_samples), np.float32)
        with self.dataset.reading(pair.scene, names):
            header = soundfile.info(files[0])
            n_read = min(math.ceil(n_samples * header.samplerate / rate), header.frames)
            start = int(generator.integers(header.frames - n_read + 1))
            for signal, file in zip(crop, files, strict=True):
                read = read_signal(file, rate, start, n_read, offset_is_samples=True)[:n_samples]
                signal[:, : len(read)] = read.T
        return crop


class Losses(NamedTuple):
    """Mean absolute error of the stems, and 1 - HAAQI, mean over pairs and ears; scalars."""

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
        Whether HAAQI has a gradient, for which it keeps gigabytes.

    Returns
    -------
    Losses
    """
    rate = separator.sample_rate
    loudness_lufs = integrated_loudness(crops.mixture, rate)
    estimates = separate_crops(separator, crops.mixture)

    heard = estimates if haaqi_gradient else estimates.detach()
    enhanced = amplify(remix(heard, crops.gains_db, loudness_lufs, rate), crops.filters)
    enhanced = enhanced.tanh() if soft_clip else enhanced.clamp(-1.0, 1.0)

    wanted = remix(crops.stems, crops.gains_db, loudness_lufs, rate)
    reference = amplify(wanted, crops.filters)

    # The level is that of the reference before amplification, as in evaluate.py.
    rms = wanted.square().mean(dim=-1, keepdim=True).sqrt().clamp(min=1e-9)
    l1 = (estimates - crops.stems).abs().mean()
    return Losses(l1, haaqi_loss(enhanced / rms, reference / rms, crops.ears))


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


def train_epoch(
    epoch: int,
    config: FinetuneConfig,
    separator: SegmentedSeparator,
    optimiser: torch.optim.Optimizer,
    reader: CropReader,
) -> HistoryRow:
    """Do the steps of an epoch; what is random in it depends on its number alone.

    Returns
    -------
    dict of str to float
        Means over the steps: ``l1``, ``1 - haaqi`` and ``gradient_norm``.
    """
    training, module, device = config.training, separator.module, separator.device
    seed = int(np.random.SeedSequence((training.seed, epoch)).generate_state(1)[0])
    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    haaqi_loss = HaaqiLoss(
        config.sample_rate,
        level1=PRESENTATION_LEVEL_DB_SPL,
        checkpoint=training.checkpointing,
        generator=torch.Generator(device).manual_seed(seed),
    )
    steps = []
    module.train()
    for _ in trange(training.steps_per_epoch, desc=f"epoch {epoch}", leave=False, disable=None):
        crops = reader.draw(training.batch_size, generator).to(device)
        losses = training_losses(
            *(separator, crops, haaqi_loss),
            soft_clip=config.soft_clip,
            haaqi_gradient=training.haaqi_weight > 0,
        )
        weighted = (training.l1_weight, losses.l1), (training.haaqi_weight, losses.haaqi)
        # A loss of no weight is left out, for it may be NaN.
        total = torch.stack([weight * loss for weight, loss in weighted if weight > 0]).sum()
        optimiser.zero_grad()
        total.backward()
        norm = clip_grad_norm_(module.parameters(), training.max_gradient_norm)
        if torch.isfinite(norm):
            optimiser.step()
        # Where no crop of a batch has a HAAQI, as in silence, the loss is 0 and is no measurement.
        steps.append([losses.l1.item(), losses.haaqi.item() or np.nan, norm.item()])
    n_left_out = sum(not np.isfinite(norm) for _, _, norm in steps)
    if n_left_out:
        log.warning(
            "epoch %d: %d of %d steps were left out because their gradient was not finite",
            *(epoch, n_left_out, len(steps)),
        )
    means = np.ma.masked_invalid(steps).mean(axis=0).filled(np.nan)
    return dict(zip(("l1", "1 - haaqi", "gradient_norm"), map(float, means), strict=True))


def train(
    config: FinetuneConfig,
    separator: SegmentedSeparator,
    reader: CropReader,
    validator: Validator,
    folder: TrainingFolder,
) -> None:
    """Train epoch by epoch from where the folder stands; epoch 0 validates the start."""
    module = separator.module
    parameters = [p for p in module.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(parameters, lr=config.training.learning_rate)
    folder.restore(module, optimiser)
    for epoch in range(folder.next_epoch, config.training.epochs + 1):
        row: HistoryRow = {"epoch": epoch}
        if epoch > 0:
            row |= train_epoch(epoch, config, separator, optimiser, reader)
        try:
            row["left_score"], row["right_score"] = validator.scores(separator)
        except ValueError as error:  # from the module
            advice = (
                "; the best weights before are kept: start again with a lower "
                "training.learning_rate in another path.exp_folder"
            )
            raise RecipeError(f"epoch {epoch}: {error}{advice if epoch > 0 else ''}") from error
        is_best = folder.note(row, module, optimiser)
        log.info("%s%s", _text(row), ", the best so far" if is_best else "")


def _text(row: HistoryRow) -> str:
    """Say in a line how an epoch went."""
    losses = [f"{name} {row[name]:.4f}" for name in ("l1", "1 - haaqi") if name in row]
    score = f"exact HAAQI {mean_score(row):.4f} (left {row['left_score']:.4f}, right"
    return f"epoch {row['epoch']:g}: {', '.join([*losses, score])} {row['right_score']:.4f})"
