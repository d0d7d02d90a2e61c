"""Evaluate: score the enhanced signals of scene-listener pairs with HAAQI."""

from __future__ import annotations

if __name__ == "__main__":
    from clarity.utils.stopping import end_at_once_when_stopped

    end_at_once_when_stopped()

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import hydra
import numpy as np
from omegaconf import DictConfig

from clarity.utils.audiogram import Audiogram, Listener
from clarity.utils.flac_encoder import read_flac_signal
from clarity.utils.signal_processing import compute_rms, resample
from recipes.cad_icassp_2024.baseline.enhanced_signals import mixture_durations_s, with_signals
from recipes.cad_icassp_2024.baseline.hearing_aid import HearingAid
from recipes.cad_icassp_2024.baseline.reference import References
from recipes.cad_icassp_2024.baseline.score_rows import score_row, scores_text
from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.data.scenes import SONG_FILES, Pair, seed_for
from recipes.cad_icassp_2024.metric import EarScore, score_ear
from recipes.cad_icassp_2024.pyclarity import (
    apply_gains,
    apply_ha,
    level_normalisation,
    load_reference_stems,
    make_scene_listener_list,
    remix_stems,
    set_song_seed,
)
from recipes.cad_icassp_2024.runs.command_line import command_line
from recipes.cad_icassp_2024.runs.composition import CONFIG_DIR
from recipes.cad_icassp_2024.runs.config import Config
from recipes.cad_icassp_2024.runs.job import job
from recipes.cad_icassp_2024.runs.origins import warn_of_other_settings, warn_of_outdated
from recipes.cad_icassp_2024.runs.parallel import n_side_by_side
from recipes.cad_icassp_2024.runs.progress import progress
from recipes.cad_icassp_2024.runs.run import Run, open_run
from recipes.cad_icassp_2024.runs.score_table import ScoreTable
from recipes.cad_icassp_2024.runs.scores import Row, log_summary
from recipes.cad_icassp_2024.runs.settings import evaluate_settings

__all__ = [
    "apply_gains",
    "apply_ha",
    "level_normalisation",
    "load_reference_stems",
    "make_scene_listener_list",
    "remix_stems",
    "run_calculate_aq",
    "set_song_seed",
]

# The level in dB SPL of the music before amplification, for which NAL-R prescribes.
PRESENTATION_LEVEL_DB_SPL = 65.0

# What a row of scores, its details and its record take on the disk at most, unless names are long.
ROW_BYTES = 1024


@dataclass(frozen=True)
class Scorer:
    """What turns enhanced signals into rows of scores.

    Attributes
    ----------
    run : Run
        The data, the experiment folder and the machinery.
    references : References
        The remixes of the true stems.
    n_threads : int
        How many threads the metric may use.
    """

    run: Run
    references: References
    n_threads: int = 1

    def chain(self, pair: Pair) -> Row:
        """Score the enhanced signal of a pair: reference, signal, two ears, row of scores."""
        config = self.run.config
        reference = self.references.remix(pair.scene)
        with self.run.experiment.reading_signal(pair, self.run.records.contents) as path:
            enhanced, _ = read_flac_signal(path)
        seed = seed_for(pair.scene.id) if config.evaluate.set_random_seed else None
        left, right = self.score_ears(reference, enhanced, pair.listener, seed)
        return score_row(pair, left, right, enhanced, config.remix_sample_rate)

    def score_ears(
        self, reference: np.ndarray, enhanced: np.ndarray, listener: Listener, seed: int | None
    ) -> list[EarScore]:
        """Score left and right ear; without a seed they draw from NumPy's global generator."""
        stream = None if seed is None else np.random.RandomState(seed)
        audiograms = (listener.audiogram_left, listener.audiogram_right)
        return [
            self.score_ear(reference[:, ear], enhanced[:, ear], audiogram, stream)
            for ear, audiogram in enumerate(audiograms)
        ]

    def score_ear(
        self,
        reference: np.ndarray,
        enhanced: np.ndarray,
        audiogram: Audiogram,
        stream: np.random.RandomState | None,
    ) -> EarScore:
        """Amplify the reference of one ear, resample both signals, and compare them."""
        config, rate = self.run.config, self.run.config.HAAQI_sample_rate
        rms = compute_rms(reference)
        if rms == 0:
            raise RecipeError("the reference is silent, so that no quality can be given")
        amplified = HearingAid(config.nalr.make()).amplify_ear(reference, audiogram)
        return score_ear(
            resample(amplified, config.sample_rate, rate),
            resample(enhanced, config.remix_sample_rate, rate),
            rate,
            audiogram,
            PRESENTATION_LEVEL_DB_SPL - 20 * float(np.log10(rms)),
            stream,
            self.n_threads,
        )


def score_pairs(run: Run, pairs: Sequence[Pair], done: Callable[[Pair, Row | None], None]) -> None:
    """Score pairs, as many at a time as there are cores and memory for; rows stay in order.

    Every pair has a random stream of its own, so that its score is the same whatever else is
    scored. Without a seed for each pair all draw from one stream, one after the other.
    """
    n_workers = 1
    if run.config.evaluate.set_random_seed and pairs:
        longest_s = max(mixture_durations_s(run.dataset, pairs).values())
        n_workers = n_side_by_side(run.n_cores, longest_s)
    references = References(run.dataset, run.config.sample_rate, n_kept=n_workers)
    scorer = Scorer(run, references, n_threads=max(1, run.n_cores // n_workers))
    run.for_each(pairs, scorer.chain, done, n_workers)


def run_calculate_aq(config: DictConfig | Config) -> None:
    """Score the pairs of a batch, and go on where an earlier run stopped.

    Parameters
    ----------
    config : Config, or what Hydra composed

    Raises
    ------
    RecipeError
        When the data, the settings or the disk do not allow it, or when pairs failed.
    """
    with open_run("evaluate", config) as run:
        usable = with_signals(run, run.with_music(run.pairs, SONG_FILES))
        run.require_space(len(usable) * ROW_BYTES, f"the scores of {len(usable)} pairs")
        settings = evaluate_settings(run.config, run.experiment.signals_digest())
        run.check_settings(settings, run.experiment.scores_files())
        warn_of_other_settings(run, settings)
        scores = ScoreTable(run, settings)
        todo = scores.pending(usable)
        with contextlib.closing(scores), progress("evaluate", todo, scores_text) as shown:

            def done(pair: Pair, row: Row | None) -> None:
                if row is not None:
                    scores.add(pair, row)
                shown.done(pair, row)

            score_pairs(run, todo, done)
        log_summary(scores.path)
        if run.config.evaluate.small_test:
            warn_of_outdated(run, scores.path)


@command_line(
    "evaluate",
    "score the enhanced signals with HAAQI",
    "python evaluate.py path.root=cadenza_data",
    "python evaluate.py path.root=cadenza_data path.exp_folder=exp/mine separator=hpss",
    "python evaluate.py -m path.root=cadenza_data 'evaluate.batch=range(0,4)' "
    "evaluate.batch_size=4",
)
@hydra.main(version_base="1.3", config_path=str(CONFIG_DIR), config_name="config")
def main(cfg: DictConfig) -> None:
    """Run the script."""
    with job("evaluate", cfg) as config:
        run_calculate_aq(config)


if __name__ == "__main__":
    main()
