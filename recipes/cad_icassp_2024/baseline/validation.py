"""Exact scores during training: what enhance.py and evaluate.py would give for fixed pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from clarity.separation.base import Mixture, Separator, Stems
from clarity.utils.loudness import integrated_loudness
from clarity.utils.signal_processing import FULL_SCALE_16BIT, Clipping
from recipes.cad_icassp_2024.baseline.enhanced_signals import as_16bit
from recipes.cad_icassp_2024.baseline.evaluate import Scorer
from recipes.cad_icassp_2024.baseline.finetune_config import FinetuneConfig
from recipes.cad_icassp_2024.baseline.hearing_aid import HearingAid
from recipes.cad_icassp_2024.baseline.reference import References
from recipes.cad_icassp_2024.baseline.remix import remix_to_loudness
from recipes.cad_icassp_2024.baseline.songs import Song, group_by_mixture
from recipes.cad_icassp_2024.data.dataset import Dataset
from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.data.paths import DataPaths
from recipes.cad_icassp_2024.data.scenes import MIXTURE, SONG_FILES, Pair, seed_for
from recipes.cad_icassp_2024.runs.config import PathConfig
from recipes.cad_icassp_2024.runs.run import Run


@dataclass(frozen=True)
class Validator:
    """Scores a separator on the same pairs again and again.

    Attributes
    ----------
    scorer : Scorer
        Compares the signals of an ear, as evaluate.py does.
    dataset : Dataset
        Of the split to validate on.
    pairs : sequence of Pair
    seconds : float
        Length that is taken from the middle of each song.
    """

    scorer: Scorer
    dataset: Dataset
    pairs: Sequence[Pair]
    seconds: float

    def scores(self, separator: Separator) -> tuple[float, float]:
        """Separate, remix, amplify and score all pairs.

        Parameters
        ----------
        separator : Separator

        Returns
        -------
        left, right : float
            Mean HAAQI of the left and of the right ears.
        """
        scores = []
        songs = group_by_mixture(self.pairs)
        for song in tqdm(songs, desc="validating", leave=False, disable=None):
            signals = self._excerpts(song)
            mixture = Mixture(signals.pop(MIXTURE), self.scorer.run.config.sample_rate)
            stems = separator.separate(mixture)
            scores += [self._score(pair, mixture, stems, signals) for pair in song.pairs]
        left, right = np.mean(scores, axis=0)
        return float(left), float(right)

    def _excerpts(self, song: Song) -> dict[str, np.ndarray]:
        """Read the middle of a song: the mixture and the true stems."""
        rate = self.scorer.run.config.sample_rate
        signals = {name: self.dataset.read_music(song.scene, name, rate) for name in SONG_FILES}
        n_samples = len(signals[MIXTURE])
        n_kept = min(n_samples, round(self.seconds * rate))
        start = (n_samples - n_kept) // 2
        return {name: signal[start : start + n_kept] for name, signal in signals.items()}

    def _score(
        self, pair: Pair, mixture: Mixture, stems: Stems, true_stems: dict[str, np.ndarray]
    ) -> list[float]:
        """Score both ears of a pair."""
        gains_db, rate = pair.scene.gains_db, mixture.sample_rate
        lufs = integrated_loudness(mixture.signal, rate)
        enhanced = self._as_written(remix_to_loudness(stems.items(), gains_db, lufs, rate), pair)
        reference = remix_to_loudness(true_stems.items(), gains_db, lufs, rate)
        seed = seed_for(pair.scene.id)
        try:
            ears = self.scorer.score_ears(reference, enhanced, pair.listener, seed)
        except RecipeError as error:
            raise RecipeError(
                f"{pair.id}, the middle {len(reference) / rate:g} s of the song: {error}; take "
                "more of it with training.valid_s, or choose other pairs with "
                "training.valid_pairs or training.valid_split"
            ) from error
        return [ear.score for ear in ears]

    def _as_written(self, remix: np.ndarray, pair: Pair) -> np.ndarray:
        """Amplify a remix, and limit and round it as in the file of enhance.py."""
        config = self.scorer.run.config
        amplified = HearingAid.from_config(config).amplify_blocks(remix, pair.listener)
        samples = np.concatenate(list(as_16bit(config, amplified, Clipping())))
        return samples.astype(np.float32) / np.float32(FULL_SCALE_16BIT)


def choose_validator(run: Run, config: FinetuneConfig) -> Validator:
    """Choose the pairs to validate on, spread over their split.

    Raises
    ------
    RecipeError
        When there is no such split, or its music is not usable.
    """
    dataset, training = run.dataset, config.training
    if training.valid_split not in (None, config.path.split):
        dataset = Dataset.load(_validation_paths(config), run.records.contents)
    n_pairs = min(training.valid_pairs, len(dataset.pairs))
    chosen = np.linspace(0, len(dataset.pairs) - 1, n_pairs).round().astype(int)
    pairs = [dataset.pairs[index] for index in chosen]
    problems = dataset.check_audio(pairs, SONG_FILES)
    if problems:
        raise RecipeError("the music to validate on is not usable:\n  " + "\n  ".join(problems))
    scorer = Scorer(run, References(dataset, config.sample_rate), n_threads=run.n_cores)
    return Validator(scorer, dataset, pairs, training.valid_s)


def _validation_paths(config: FinetuneConfig) -> DataPaths:
    """Return the paths of the data with ``training.valid_split`` for ``path.split``."""
    old, new = config.path.split, config.training.valid_split
    renamed = {
        key: name.replace(f".{old}.json", f".{new}.json") for key, name in vars(config.path).items()
    }
    paths = DataPaths.from_config(PathConfig(**{**renamed, "split": new}))
    files = (paths.scenes_file, paths.listeners_file, paths.scene_listeners_file)
    missing = [str(file) for file in files if not file.is_file()]
    if missing:
        raise RecipeError(
            f"training.valid_split={new}: no such file as {', '.join(missing)}; choose a split "
            "whose metadata are there, or put them there"
        )
    return paths
