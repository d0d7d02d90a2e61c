"""Evaluate: score the enhanced signals of scene-listener pairs with HAAQI."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
from omegaconf import DictConfig
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from clarity.enhancer.nalr import NALR
from clarity.evaluator.haaqi import compute_haaqi
from clarity.separation.base import VDBO
from clarity.utils.audiogram import Audiogram
from clarity.utils.file_io import read_signal
from clarity.utils.flac_encoder import read_flac_signal
from clarity.utils.signal_processing import compute_rms, integrated_loudness, resample
from recipes.cad_icassp_2024.baseline.experiment import (
    Batch,
    Experiment,
    Row,
    evaluate_settings,
    open_scores,
    read_scores,
    remove_leftovers,
    require_space,
    write_scores,
)
from recipes.cad_icassp_2024.baseline.failures import Failures, usable_pairs
from recipes.cad_icassp_2024.baseline.hearing_aid import apply_ha
from recipes.cad_icassp_2024.baseline.pipeline import Stop, run_in_order, run_overlapped
from recipes.cad_icassp_2024.baseline.remix import (
    apply_gains,
    level_normalisation,
    remix_stems,
    to_loudness,
)
from recipes.cad_icassp_2024.config import Config, as_config
from recipes.cad_icassp_2024.dataset import (
    DataPaths,
    Dataset,
    Pair,
    Scene,
    set_song_seed,
)
from recipes.cad_icassp_2024.entry import EntryPoint
from recipes.cad_icassp_2024.errors import RecipeError

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

log = logging.getLogger(__name__)

# The level in dB SPL of the music before amplification, for which NAL-R prescribes.
PRESENTATION_LEVEL_DB_SPL = 65.0

# What a row of scores takes on the disk at most, unless names are very long.
ROW_BYTES = 256


def make_scene_listener_list(
    scenes_listeners: Mapping[str, Sequence[str]], small_test: bool = False
) -> list[tuple[str, str]]:
    """Return the scene-listener pairs in the order in which they are scored.

    Parameters
    ----------
    scenes_listeners : mapping of str to sequence of str
        The listeners of each scene.
    small_test : bool
        Only every 15th pair.
    """
    pairs = [(scene, name) for scene, names in scenes_listeners.items() for name in names]
    return pairs[::15] if small_test else pairs


def load_reference_stems(music_dir: str | Path) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Read the true stems and the mixture of a song.

    Parameters
    ----------
    music_dir : str or Path
        The song's folder.

    Returns
    -------
    stems : dict of str to ndarray, shape (samples, 2)
    mixture : ndarray, shape (samples, 2)
    """
    folder = Path(music_dir)
    stems = {name: read_signal(folder / f"{name}.wav") for name in VDBO}
    return stems, read_signal(folder / "mixture.wav")


@dataclass(frozen=True)
class EarSignals:
    """What HAAQI compares for one ear.

    Attributes
    ----------
    reference, processed : ndarray, shape (samples,)
        At the rate of HAAQI.
    audiogram : Audiogram
    level1 : float
        Level in dB SPL of a signal whose RMS is 1.
    """

    reference: np.ndarray
    processed: np.ndarray
    audiogram: Audiogram
    level1: float


@dataclass(frozen=True)
class ReferenceMixture:
    """The remix of the true stems for one scene.

    Attributes
    ----------
    scene_id : str
    signal : ndarray, shape (samples, 2)
    """

    scene_id: str
    signal: np.ndarray


@dataclass
class Scorer:
    """The chain from an enhanced signal to its scores.

    Attributes
    ----------
    config : Config
    dataset : Dataset
    experiment : Experiment
    failures : Failures
        Takes the pairs that fail, or raises.
    done : callable
        Called with each row of scores.
    stop : Stop
        Ends the work between two pairs.
    """

    config: Config
    dataset: Dataset
    experiment: Experiment
    failures: Failures
    done: Callable[[Row], None] = lambda row: None
    stop: Stop = field(default_factory=Stop)
    _reference: ReferenceMixture | None = None
    _loudness: tuple[str, float] | None = None

    def run(self, pairs: Sequence[Pair], *, overlap: bool = True) -> None:
        """Score pairs in order.

        Parameters
        ----------
        pairs : sequence of Pair
        overlap : bool
            Whether the signals of the next pair are made ready beside HAAQI.
        """
        if overlap:
            run_overlapped(pairs, self._load, self._score, self._finish, self.stop)
        else:
            run_in_order(pairs, self._load, self._score, self._finish)

    def _load(self, pair: Pair) -> list[EarSignals] | None:
        self.stop.check()
        with self.failures.of([pair]):
            reference = self._reference_mixture(pair.scene)
            processed, _ = read_flac_signal(self.experiment.signal_file(pair))
            audiograms = (pair.listener.audiogram_left, pair.listener.audiogram_right)
            return [
                self._ear(reference[:, ear], processed[:, ear], audiogram)
                for ear, audiogram in enumerate(audiograms)
            ]
        return None

    def _reference_mixture(self, scene: Scene) -> np.ndarray:
        """Remix the true stems, once for all listeners of a scene."""
        if self._reference is None or self._reference.scene_id != scene.id:
            rate = self.config.sample_rate
            loudness_lufs = self._mixture_loudness(scene)
            total: np.ndarray | None = None
            for name in VDBO:
                stem = self.dataset.read_music(scene, name, rate)
                stem *= 10 ** (scene.gains_db[name] / 20)
                total = stem if total is None else np.add(total, stem, out=total)
            assert total is not None
            self._reference = ReferenceMixture(scene.id, to_loudness(total, loudness_lufs, rate))
        return self._reference.signal

    def _mixture_loudness(self, scene: Scene) -> float:
        """Measure the mixture, once for all scenes of a song that follow each other."""
        if self._loudness is None or self._loudness[0] != scene.mixture_id:
            rate = self.config.sample_rate
            mixture = self.dataset.read_music(scene, "mixture", rate)
            self._loudness = (scene.mixture_id, integrated_loudness(mixture, rate))
        return self._loudness[1]

    def _ear(
        self, reference: np.ndarray, processed: np.ndarray, audiogram: Audiogram
    ) -> EarSignals:
        config = self.config
        rms = compute_rms(reference)
        if rms == 0:
            raise RecipeError("the reference is silent, so that no quality can be given")
        nalr = NALR(config.nalr.nfir, config.nalr.sample_rate)
        amplified = apply_ha(nalr, None, reference, audiogram)
        return EarSignals(
            resample(amplified, config.sample_rate, config.HAAQI_sample_rate),
            resample(processed, config.remix_sample_rate, config.HAAQI_sample_rate),
            audiogram,
            PRESENTATION_LEVEL_DB_SPL - 20 * float(np.log10(rms)),
        )

    def _score(self, pair: Pair, ears: list[EarSignals] | None) -> Row | None:
        if ears is None:
            return None
        with self.failures.of([pair]):
            if self.config.evaluate.set_random_seed:
                set_song_seed(pair.scene.id)
            left, right = (self._haaqi(ear) for ear in ears)
            values = (left, right, float(np.mean([left, right])))
            return {
                "scene": pair.scene.id,
                "song": pair.scene.mixture_id,
                "listener": pair.listener.id,
                **dict(zip(("left_score", "right_score", "score"), map(repr, values), strict=True)),
            }
        return None

    def _haaqi(self, ear: EarSignals) -> float:
        rate = self.config.HAAQI_sample_rate
        return float(
            compute_haaqi(
                processed_signal=ear.processed,
                reference_signal=ear.reference,
                processed_sample_rate=rate,
                reference_sample_rate=rate,
                audiogram=ear.audiogram,
                equalisation=2,
                level1=ear.level1,
            )
        )

    def _finish(self, pair: Pair, row: Row | None) -> None:
        del pair
        if row is not None:
            self.done(row)


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
    settings: Config = as_config(config)
    batch = Batch(settings.evaluate.batch, settings.evaluate.batch_size)
    experiment = Experiment(Path(settings.path.exp_folder))
    dataset = Dataset.load(DataPaths.from_config(settings.path))
    pairs = dataset.select(batch.index, batch.count, settings.evaluate.small_test)
    with (
        experiment.locked("evaluate", batch),
        Failures("evaluate", settings.on_error, experiment.failures_file(batch)) as failures,
    ):
        usable = usable_pairs(dataset, pairs, ("mixture", *VDBO), failures)
        usable = _with_signals(experiment, usable, settings.remix_sample_rate, failures)
        require_space(
            experiment.folder, len(usable) * ROW_BYTES, f"the scores of {len(usable)} pairs"
        )
        experiment.claim(
            "evaluate",
            evaluate_settings(settings, dataset.paths, experiment),
            overwrite=settings.overwrite,
            stale=experiment.folder.glob("scores*.csv"),
        )
        _score_pairs(settings, dataset, experiment, failures, usable)


def _with_signals(
    experiment: Experiment, pairs: Iterable[Pair], sample_rate: int, failures: Failures
) -> list[Pair]:
    """Return the pairs whose enhanced signals are there and readable; list all that are not."""
    problems = {}
    pairs = list(pairs)
    for pair in pairs:
        problem = _signal_problem(experiment.signal_file(pair), sample_rate)
        if problem:
            problems[pair.id] = problem
    if problems and failures.on_error.value == "stop":
        raise RecipeError(
            f"{len(problems)} of {len(pairs)} enhanced signals are not usable:\n  "
            + "\n  ".join(list(problems.values())[:20])
            + ("\n  ..." if len(problems) > 20 else "")
            + "\nRun enhance.py with the same path.exp_folder first, or put the signals there"
        )
    for pair in pairs:
        if pair.id in problems:
            failures.take([pair], problems[pair.id])
    return [pair for pair in pairs if pair.id not in problems]


def _signal_problem(path: Path, sample_rate: int) -> str | None:
    if not path.is_file():
        return f"{path}: no such file"
    try:
        header = soundfile.info(path)
    except soundfile.SoundFileError as error:
        return f"{path}: cannot be read as audio ({error})"
    if header.channels != 2:
        return f"{path}: has {header.channels} channel(s), but must be stereo"
    if header.samplerate != sample_rate:
        return (
            f"{path}: has {header.samplerate} Hz, but remix_sample_rate is {sample_rate}; "
            f"give remix_sample_rate={header.samplerate} if that is meant"
        )
    return None


def _score_pairs(
    config: Config,
    dataset: Dataset,
    experiment: Experiment,
    failures: Failures,
    pairs: Sequence[Pair],
) -> None:
    path = experiment.scores_file(Batch(config.evaluate.batch, config.evaluate.batch_size))
    remove_leftovers([path])
    if config.overwrite:
        path.unlink(missing_ok=True)
    results, known = open_scores(path)
    todo = [pair for pair in pairs if (pair.scene.id, pair.listener.id) not in known]
    if len(todo) < len(pairs):
        log.info("%d of %d pairs are scored, going on", len(pairs) - len(todo), len(pairs))
    try:
        with (
            logging_redirect_tqdm(),
            tqdm(total=len(todo), unit="pair", desc="evaluate", disable=None) as bar,
        ):

            def done(row: Row) -> None:
                results.add_result(row)
                bar.update()
                log.info("%s_%s: %.4f", row["scene"], row["listener"], float(row["score"]))

            Scorer(config, dataset, experiment, failures, done).run(todo)
    finally:
        _put_in_order(path, dataset)
    log_summary(path)


def _put_in_order(path: Path, dataset: Dataset) -> None:
    """Bring the rows into the order of the pairs, where pairs were tried again later."""
    rows = read_scores(path)
    order = {(p.scene.id, p.listener.id): number for number, p in enumerate(dataset.pairs)}
    ordered = sorted(rows, key=lambda row: order.get((row["scene"], row["listener"]), len(order)))
    if ordered != rows:
        write_scores(path, ordered)


def log_summary(path: Path) -> None:
    """Log the mean, the median and the extremes of a score file.

    Parameters
    ----------
    path : Path
        A file of scores.
    """
    rows = read_scores(path)
    if not rows:
        log.info("%s: no scores", path)
        return
    lines = [f"{path}: HAAQI of {len(rows)} pairs", "          mean  median     min     max"]
    for name in ("left_score", "right_score", "score"):
        values = np.array([float(row[name]) for row in rows])
        label = name.removesuffix("_score").replace("score", "both")
        lines.append(
            f"  {label:<6}{values.mean():>6.4f}  {np.median(values):>6.4f}  "
            f"{values.min():>6.4f}  {values.max():>6.4f}"
        )
    worst = min(rows, key=lambda row: float(row["score"]))
    lines.append(f"  lowest: {worst['scene']} {worst['listener']} ({worst['song']})")
    log.info("%s", "\n".join(lines))


def main() -> None:
    """Run the script."""
    EntryPoint(
        "evaluate",
        run_calculate_aq,
        "score the enhanced signals with HAAQI",
        (
            "python evaluate.py path.root=cadenza_data",
            "python evaluate.py path.root=cadenza_data path.exp_folder=exp/mine separator=hpss",
            "python evaluate.py -m path.root=cadenza_data 'evaluate.batch=range(0,4)' "
            "evaluate.batch_size=4",
        ),
    ).run()


if __name__ == "__main__":
    main()
