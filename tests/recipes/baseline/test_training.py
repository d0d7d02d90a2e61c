"""The losses of fine-tuning are those of the exact chain in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clarity.enhancer.nalr import NALR
from clarity.evaluator.haaqi import evaluate_haaqi
from clarity.evaluator.haaqi_torch import EarParameters, HaaqiLoss
from clarity.separation.mask_network import load_mask_network
from clarity.separation.segmented import SegmentedSeparator
from clarity.utils.audiogram import AUDIOGRAM_MILD, AUDIOGRAM_MODERATE
from clarity.utils.loudness import integrated_loudness
from recipes.cad_icassp_2024.baseline.evaluate import PRESENTATION_LEVEL_DB_SPL
from recipes.cad_icassp_2024.baseline.remix import remix_to_loudness
from recipes.cad_icassp_2024.baseline.training import Crops, separate_crops, training_losses
from tests.recipes.tiny_dataset import make_stems

RATE = 44100
GAINS_DB = {"vocals": 6.0, "drums": 0.0, "bass": -3.0, "other": -10.0}
EARS = (AUDIOGRAM_MILD, AUDIOGRAM_MODERATE)


@pytest.mark.parametrize(
    ("normalise", "soft_clip"),
    [
        *((False, True), (True, False)),
        *(pytest.param(*both, marks=pytest.mark.slow) for both in ((False, False), (True, True))),
    ],
)
def test_losses_are_those_of_the_exact_chain(normalise: bool, soft_clip: bool) -> None:
    stems = {name: 0.8 * signal for name, signal in make_stems(0.5, RATE, 5).items()}
    mixture = sum(stems.values())
    nalr = NALR(220, RATE)
    filters = [nalr.build(audiogram)[0] for audiogram in EARS]
    separator = SegmentedSeparator(
        load_mask_network(), sources=tuple(GAINS_DB), sample_rate=RATE, normalise=normalise
    )
    crops = Crops(
        mixture=torch.tensor(mixture.T[None], dtype=torch.float32),
        stems=torch.tensor(
            np.stack([stems[name].T for name in GAINS_DB])[None], dtype=torch.float32
        ),
        gains_db=torch.tensor([list(GAINS_DB.values())]),
        filters=torch.tensor(np.stack(filters)[None], dtype=torch.float32),
        ears=EarParameters.from_audiograms(EARS),
    )
    noise = torch.Generator().manual_seed(0)
    haaqi_loss = HaaqiLoss(RATE, level1=PRESENTATION_LEVEL_DB_SPL, generator=noise)
    with torch.no_grad():
        estimates = separate_crops(separator, crops.mixture)[0].numpy()
    losses = training_losses(
        separator, crops, haaqi_loss, soft_clip=soft_clip, haaqi_gradient=normalise
    )
    assert losses.l1.requires_grad
    assert losses.haaqi.requires_grad == normalise

    lufs = integrated_loudness(mixture, RATE)
    named = zip(GAINS_DB, (stem.T for stem in estimates), strict=True)
    enhanced = remix_to_loudness(named, GAINS_DB, lufs, RATE)
    wanted = remix_to_loudness(stems.items(), GAINS_DB, lufs, RATE)
    scores = []
    for ear, (fir, audiogram) in enumerate(zip(filters, EARS, strict=True)):
        heard = np.convolve(enhanced[:, ear], fir)
        heard = np.tanh(heard) if soft_clip else np.clip(heard, -1.0, 1.0)
        level1 = 65.0 - 20.0 * np.log10(np.sqrt(np.mean(wanted[:, ear] ** 2)))
        reference = np.convolve(wanted[:, ear], fir)
        result = evaluate_haaqi(
            *(reference, RATE, heard, RATE, audiogram, 2, level1), engine="reference"
        )
        scores.append(result.score)
    differences = [np.abs(estimates[n].T - stems[name]) for n, name in enumerate(GAINS_DB)]
    assert losses.l1.item() == pytest.approx(np.mean(differences), rel=1e-5)
    assert losses.haaqi.item() == pytest.approx(1 - np.mean(scores), abs=1e-4)
