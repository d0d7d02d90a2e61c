"""A step at work on a batch of pairs: what enhancement and evaluation begin with and go on with."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from omegaconf import DictConfig

from recipes.cad_icassp_2024.data.dataset import Dataset
from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.data.paths import DataPaths
from recipes.cad_icassp_2024.data.scenes import Pair
from recipes.cad_icassp_2024.runs.config import Config, OnError, as_config
from recipes.cad_icassp_2024.runs.disk import require_space
from recipes.cad_icassp_2024.runs.experiment import Batch, Experiment
from recipes.cad_icassp_2024.runs.failures import Failures
from recipes.cad_icassp_2024.runs.parallel import CancelToken, ordered_parallel_map
from recipes.cad_icassp_2024.runs.records import Records
from recipes.cad_icassp_2024.runs.settings import Settings, metadata_settings

log = logging.getLogger(__name__)

Result = TypeVar("Result")


def _n_threads() -> int:
    import numba  # noqa: PLC0415 - so that complaints of the data do not wait for it

    return numba.get_num_threads()


@dataclass(frozen=True)
class Run:
    """A step at work on one batch of pairs.

    Attributes
    ----------
    step : str
        ``enhance``, ``evaluate`` or ``finetune``.
    config : Config
    dataset : Dataset
    batch : Batch
    pairs : list of Pair
        Those of the batch.
    experiment : Experiment
        Where results go.
    failures : Failures
        Takes the pairs that fail.
    records : Records
        What each result was made from.
    n_cores : int
        How many threads may work.
    cancel : CancelToken
        Ends the work between two pairs.
    """

    step: str
    config: Config
    dataset: Dataset
    batch: Batch
    pairs: list[Pair]
    experiment: Experiment
    failures: Failures
    records: Records
    n_cores: int = field(default_factory=_n_threads)
    cancel: CancelToken = field(default_factory=CancelToken)

    def check_settings(self, settings: Settings, stale: Iterable[Path]) -> None:
        """Check settings and metadata against those that the results were made with, or note them.

        Parameters
        ----------
        settings : dict
            What the results depend on.
        stale : iterable of Path
            All results of the step; with ``overwrite=true`` they are removed if they differ.

        Raises
        ------
        RecipeError
            See `Experiment.check_or_record_settings`.
        """
        self.experiment.check_or_record_settings(
            self.step,
            settings | metadata_settings(self.dataset.paths),
            overwrite=self.config.overwrite,
            stale=stale,
        )

    def signal_digest(self, pair: Pair) -> str:
        """Return the digest of the enhanced signal of a pair."""
        return self.experiment.signal_digest(pair, self.records.contents)

    def require_space(self, n_bytes: int, what: str) -> None:
        """Refuse to begin when the experiment folder has no room, see `disk.require_space`."""
        remedy = "choose another path.exp_folder"
        require_space(self.experiment.folder, n_bytes, what, remedy)

    def with_music(self, pairs: Sequence[Pair], names: Sequence[str]) -> list[Pair]:
        """Check the headers of all audio files that pairs need, before any work is done.

        Parameters
        ----------
        pairs : sequence of Pair
        names : sequence of str
            Which files of each song: ``mixture`` and stems.

        Returns
        -------
        list of Pair
            Those whose songs have no problem; the others have failed.

        Raises
        ------
        RecipeError
            With ``on_error=stop``: a list of everything that is wrong.
        """
        problems = self.dataset.check_audio(pairs, names)
        if not problems:
            return list(pairs)
        if self.config.on_error is OnError.stop:
            music = self.dataset.paths.music_dir
            raise RecipeError(f"the music in {music} is not usable:\n  " + "\n  ".join(problems))
        songs = {pair.scene.mixture_id: pair for pair in pairs}
        faults = {
            song: "; ".join(self.dataset.check_audio([pair], names)) for song, pair in songs.items()
        }
        found = {pair.id: faults[pair.scene.mixture_id] for pair in pairs}
        return self.without({name: fault for name, fault in found.items() if fault}, pairs)

    def without(self, problems: dict[str, str], pairs: Sequence[Pair]) -> list[Pair]:
        """Return the pairs whose ids have no problem; note the others as failed."""
        if problems:
            self.failures.take((pair, problems[pair.id]) for pair in pairs if pair.id in problems)
        return [pair for pair in pairs if pair.id not in problems]

    def for_each(
        self,
        pairs: Sequence[Pair],
        work: Callable[[Pair], Result],
        done: Callable[[Pair, Result | None], None],
        n_workers: int,
    ) -> None:
        """Work on several pairs at a time; a pair that fails does not concern the others.

        Parameters
        ----------
        pairs : sequence of Pair
        work : callable
            Runs in threads.
        done : callable
            Given each pair, in order, and what `work` returned for it: None when it failed.
        n_workers : int
            How many at a time.
        """

        def attributed(pair: Pair) -> Result | None:
            self.cancel.check()
            with self.failures.attributed_to([pair]):
                return work(pair)
            return None

        ordered_parallel_map(pairs, attributed, done, n_workers, self.cancel)


@contextlib.contextmanager
def open_run(step: str, config: DictConfig | Config) -> Iterator[Run]:
    """Read the data set and hold the lock of a step and batch.

    Parameters
    ----------
    step : str
        ``enhance``, ``evaluate`` or ``finetune``.
    config : Config, or what Hydra composed

    Yields
    ------
    Run

    Raises
    ------
    RecipeError
        When the configuration or the metadata is not usable, there are no signals to evaluate,
        another process does the same work, or pairs have failed.
    """
    settings = as_config(config)
    batch = Batch(settings.evaluate.batch, settings.evaluate.batch_size)
    experiment = Experiment(Path(settings.path.exp_folder))
    paths = DataPaths.from_config(settings.path)
    records = experiment.records(paths.music_dir, verify=settings.verify)
    dataset = Dataset.load(paths, records.contents)
    pairs = dataset.select(batch.index, batch.count, settings.evaluate.small_test)
    if step == "evaluate" and not experiment.signals.is_dir():
        raise RecipeError(
            f"{experiment.signals}: no such folder; run enhance.py with the same path.exp_folder "
            "first, or put the signals there"
        )
    with (
        experiment.locked(step, batch),
        records,
        Failures(step, settings.on_error, experiment.failures_file(batch)) as failures,
    ):
        yield Run(step, settings, dataset, batch, pairs, experiment, failures, records)
