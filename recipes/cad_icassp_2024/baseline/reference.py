"""The true remix: what a listener would hear if separation were perfect, before amplification."""

from __future__ import annotations

import numpy as np

from clarity.separation.base import VDBO
from clarity.utils.loudness import integrated_loudness
from recipes.cad_icassp_2024.baseline.hearing_aid import HearingAid
from recipes.cad_icassp_2024.baseline.remix import remix_to_loudness
from recipes.cad_icassp_2024.data.dataset import Dataset
from recipes.cad_icassp_2024.data.scenes import MIXTURE, Pair, Scene
from recipes.cad_icassp_2024.runs.config import Config
from recipes.cad_icassp_2024.runs.parallel import SharedCache


class References:
    """The remixes of the true stems, each made once for all listeners of its scene.

    Parameters
    ----------
    dataset : Dataset
    sample_rate : int
        In Hz.
    n_kept : int
        How many are kept for others who ask; threads may ask at the same time.
    """

    def __init__(self, dataset: Dataset, sample_rate: int, n_kept: int = 1) -> None:
        self._dataset = dataset
        self._sample_rate = sample_rate
        self._remixes: SharedCache[np.ndarray] = SharedCache(n_kept)
        self._loudnesses: SharedCache[float] = SharedCache(n_kept)

    def remix(self, scene: Scene) -> np.ndarray:
        """Return the true stems with the scene's gains, as loud as the mixture.

        Parameters
        ----------
        scene : Scene

        Returns
        -------
        ndarray, shape (samples, 2)

        Raises
        ------
        RecipeError
            When music is missing or cannot be read.
        """
        return self._remixes.get(scene.id, lambda: self._make(scene))

    def _make(self, scene: Scene) -> np.ndarray:
        rate = self._sample_rate
        lufs = self._loudnesses.get(
            scene.mixture_id,
            lambda: integrated_loudness(self._dataset.read_music(scene, MIXTURE, rate), rate),
        )
        stems = ((name, self._dataset.read_music(scene, name, rate)) for name in VDBO)
        return remix_to_loudness(stems, scene.gains_db, lufs, rate)


def reference_for_listener(config: Config, dataset: Dataset, pair: Pair) -> np.ndarray:
    """Return what the enhanced signal is compared with: the true remix, amplified.

    Parameters
    ----------
    config : Config
    dataset : Dataset
    pair : Pair

    Returns
    -------
    ndarray, shape (samples + nalr.nfir, 2)
        Left ear, right ear, at ``sample_rate``.
    """
    remix = References(dataset, config.sample_rate).remix(pair.scene)
    return HearingAid(config.nalr.make()).amplify(remix, pair.listener)
