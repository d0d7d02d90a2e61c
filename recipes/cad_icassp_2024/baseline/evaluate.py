"""Evaluate: score the enhanced signals of scene-listener pairs with HAAQI."""

from __future__ import annotations

if __name__ == "__main__":
    from clarity.utils.stopping import end_at_once_when_stopped

    end_at_once_when_stopped()

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numba
import numpy as np
import soundfile
from omegaconf import DictConfig
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from clarity.enhancer.nalr import NALR
from clarity.evaluator.haaqi import Ear
from clarity.separation.base import VDBO
from clarity.utils.audiogram import Audiogram
from clarity.utils.file_io import read_signal
from clarity.utils.flac_encoder import read_flac_signal
from clarity.utils.loudness import integrated_loudness
from clarity.utils.signal_processing import compute_rms, resample
from recipes.cad_icassp_2024.baseline.hearing_aid import apply_ha
from recipes.cad_icassp_2024.baseline.remix import (
    apply_gains,
    level_normalisation,
    remix_stems,
    remix_to_loudness,
)
from recipes.cad_icassp_2024.data.dataset import (
    Dataset,
    Pair,
    Scene,
    seed_for,
    set_song_seed,
)
from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.runs.config import Config, OnError
from recipes.cad_icassp_2024.runs.disk import require_space
from recipes.cad_icassp_2024.runs.entry import EntryPoint
from recipes.cad_icassp_2024.runs.experiment import (
    Experiment,
    Row,
    evaluate_settings,
    open_scores,
    read_scores,
    remove_leftovers,
    write_scores,
)
from recipes.cad_icassp_2024.runs.failures import Failures, usable_pairs
from recipes.cad_icassp_2024.runs.parallel import Kept, Stop, n_side_by_side, run_side_by_side
from recipes.cad_icassp_2024.runs.run import Run, open_run

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

# How far the length of an enhanced signal may be from that of its mixture: filters have tails.
LENGTH_TOLERANCE_S = 0.25


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
        Called with each row of scores, in the order of the pairs.
    n_cores : int
        How many threads may work.
    stop : Stop
        Ends the work between two pairs.
    """

    config: Config
    dataset: Dataset
    experiment: Experiment
    failures: Failures
    done: Callable[[Row], None] = lambda row: None
    n_cores: int = 1
    stop: Stop = field(default_factory=Stop)
    _n_threads: int = field(init=False, repr=False)
    _references: Kept[np.ndarray] = field(init=False, repr=False)
    _loudnesses: Kept[float] = field(init=False, repr=False)

    def run(self, pairs: Sequence[Pair]) -> None:
        """Score pairs, as many at a time as there are cores and memory for; rows stay in order.

        Every pair has a random stream of its own, so that its score is the same whatever else is
        scored. Without a seed for each pair all draw from one stream, one after the other.
        """
        if not pairs:
            return
        n_workers = 1
        if self.config.evaluate.set_random_seed:
            files = {self.dataset.music_file(pair.scene, "mixture") for pair in pairs}
            longest_s = max(soundfile.info(file).duration for file in files)
            n_workers = n_side_by_side(self.n_cores, longest_s)
        self._n_threads = max(1, self.n_cores // n_workers)
        self._references = Kept(n_workers)
        self._loudnesses = Kept(n_workers)
        run_side_by_side(pairs, self._score, self._finish, n_workers, self.stop)

    def _score(self, pair: Pair) -> Row | None:
        self.stop.check()
        with self.failures.of([pair]):
            stream = None
            if self.config.evaluate.set_random_seed:
                stream = np.random.RandomState(seed_for(pair.scene.id))
            left, right = (ear.evaluate(stream, self._n_threads).score for ear in self._ears(pair))
            values = (left, right, float(np.mean([left, right])))
            columns = ("left_score", "right_score", "score")
            return {
                "scene": pair.scene.id,
                "song": pair.scene.mixture_id,
                "listener": pair.listener.id,
                **dict(zip(columns, map(repr, values), strict=True)),
            }
        return None

    def _ears(self, pair: Pair) -> list[Ear]:
        """Read and amplify what the ears of a pair are to compare."""
        scene = pair.scene
        reference = self._references.get(scene.id, lambda: self._reference_mixture(scene))
        processed, _ = read_flac_signal(self.experiment.signal_file(pair))
        audiograms = (pair.listener.audiogram_left, pair.listener.audiogram_right)
        return [
            self._ear(reference[:, ear], processed[:, ear], audiogram)
            for ear, audiogram in enumerate(audiograms)
        ]

    def _reference_mixture(self, scene: Scene) -> np.ndarray:
        """Remix the true stems, once for all listeners of a scene."""
        rate = self.config.sample_rate
        loudness_lufs = self._loudnesses.get(
            scene.mixture_id,
            lambda: integrated_loudness(self.dataset.read_music(scene, "mixture", rate), rate),
        )
        stems = ((name, self.dataset.read_music(scene, name, rate)) for name in VDBO)
        return remix_to_loudness(stems, scene.gains_db, loudness_lufs, rate)

    def _ear(self, reference: np.ndarray, processed: np.ndarray, audiogram: Audiogram) -> Ear:
        """Amplify the reference for one ear, and bring both signals to HAAQI's rate."""
        config = self.config
        rms = compute_rms(reference)
        if rms == 0:
            raise RecipeError("the reference is silent, so that no quality can be given")
        nalr = NALR(config.nalr.nfir, config.nalr.sample_rate)
        amplified = apply_ha(nalr, None, reference, audiogram)
        rate = config.HAAQI_sample_rate
        return Ear(
            resample(amplified, config.sample_rate, rate),
            rate,
            resample(processed, config.remix_sample_rate, rate),
            rate,
            audiogram,
            equalisation=2,  # the reference has its NAL-R already
            level1=PRESENTATION_LEVEL_DB_SPL - 20 * float(np.log10(rms)),
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
    with open_run("evaluate", config) as run:
        usable = usable_pairs(run.dataset, run.pairs, ("mixture", *VDBO), run.failures)
        usable = _with_signals(run, usable)
        require_space(
            run.experiment.folder,
            len(usable) * ROW_BYTES,
            f"the scores of {len(usable)} pairs",
            "choose another path.exp_folder",
        )
        run.experiment.claim(
            "evaluate",
            evaluate_settings(run.config, run.dataset.paths, run.experiment),
            overwrite=run.config.overwrite,
            stale=run.experiment.folder.glob("scores*.csv"),
        )
        _score_pairs(run, usable)


def _with_signals(run: Run, pairs: Sequence[Pair]) -> list[Pair]:
    """Return the pairs whose enhanced signals are there and readable; list all that are not."""
    problems = {}
    for pair in pairs:
        file = run.experiment.signal_file(pair)
        mixture = run.dataset.music_file(pair.scene, "mixture")
        problem = _signal_problem(file, mixture, run.config.remix_sample_rate)
        if problem:
            problems[pair.id] = problem
    if problems and run.config.on_error is OnError.stop:
        raise RecipeError(
            f"{len(problems)} of {len(pairs)} enhanced signals are not usable:\n  "
            + "\n  ".join(list(problems.values())[:20])
            + ("\n  ..." if len(problems) > 20 else "")
            + "\nRun enhance.py with the same path.exp_folder first, or put the signals there"
        )
    for pair in pairs:
        if pair.id in problems:
            run.failures.take([pair], problems[pair.id])
    return [pair for pair in pairs if pair.id not in problems]


def _signal_problem(path: Path, mixture: Path, sample_rate: int) -> str | None:
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
    wanted_s = soundfile.info(mixture).duration
    if abs(header.duration - wanted_s) > LENGTH_TOLERANCE_S:
        return f"{path}: lasts {header.duration:.2f} s, but its mixture {wanted_s:.2f} s"
    return None


def _score_pairs(run: Run, pairs: Sequence[Pair]) -> None:
    path = run.experiment.scores_file(run.batch)
    remove_leftovers([path])
    if run.config.overwrite:
        path.unlink(missing_ok=True)
    _forget_changed_signals(run, path, pairs)
    results, known = open_scores(path)
    todo = [pair for pair in pairs if (pair.scene.id, pair.listener.id) not in known]
    if not todo:
        log.info("all %d pairs are scored: %s", len(pairs), path)
    elif len(todo) < len(pairs):
        log.info("%d of %d pairs are scored, going on", len(pairs) - len(todo), len(pairs))
    if todo:
        log.info(
            "scoring %d pairs (a machine's very first score waits half a minute for compilation)",
            len(todo),
        )
    try:
        with (
            logging_redirect_tqdm(),
            tqdm(total=len(todo), unit="pair", desc="evaluate", disable=None) as bar,
        ):

            def done(row: Row) -> None:
                results.add_result(row)
                bar.update()
                log.info("%s_%s: %.4f", row["scene"], row["listener"], float(row["score"]))

            Scorer(
                run.config,
                run.dataset,
                run.experiment,
                run.failures,
                done,
                numba.get_num_threads(),
            ).run(todo)
    finally:
        _put_in_order(path, run.dataset)
    log_summary(path)


def _forget_changed_signals(run: Run, path: Path, pairs: Sequence[Pair]) -> None:
    """Take out the scores of signals that were written after them."""
    if not path.exists():
        return
    _, known = open_scores(path)
    scored_at = path.stat().st_mtime_ns
    changed = {
        (pair.scene.id, pair.listener.id)
        for pair in pairs
        if run.experiment.signal_file(pair).stat().st_mtime_ns > scored_at
    } & set(known)
    if changed:
        log.warning("%d signals are newer than their scores and are scored again", len(changed))
        write_scores(path, [row for key, row in known.items() if key not in changed])


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
