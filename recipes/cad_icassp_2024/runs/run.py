"""What enhancement and evaluation begin with: data, folder, lock and failures of one batch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from recipes.cad_icassp_2024.data.dataset import DataPaths, Dataset, Pair
from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.runs.config import Config, as_config
from recipes.cad_icassp_2024.runs.experiment import Batch, Experiment
from recipes.cad_icassp_2024.runs.failures import Failures


@dataclass(frozen=True)
class Run:
    """A step at work on one batch of pairs.

    Attributes
    ----------
    config : Config
    dataset : Dataset
    batch : Batch
    pairs : list of Pair
        Those of the batch.
    experiment : Experiment
        Where results go.
    failures : Failures
        Takes the pairs that fail.
    """

    config: Config
    dataset: Dataset
    batch: Batch
    pairs: list[Pair]
    experiment: Experiment
    failures: Failures


@contextlib.contextmanager
def open_run(step: str, config: DictConfig | Config) -> Iterator[Run]:
    """Read the data set and hold the lock of a step and batch.

    Parameters
    ----------
    step : str
        ``enhance`` or ``evaluate``.
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
    settings: Config = as_config(config)
    batch = Batch(settings.evaluate.batch, settings.evaluate.batch_size)
    experiment = Experiment(Path(settings.path.exp_folder))
    dataset = Dataset.load(DataPaths.from_config(settings.path))
    pairs = dataset.select(batch.index, batch.count, settings.evaluate.small_test)
    if step == "evaluate" and not experiment.signals.is_dir():
        raise RecipeError(
            f"{experiment.signals}: no such folder; run enhance.py with the same path.exp_folder "
            "first, or put the signals there"
        )
    with (
        experiment.locked(step, batch),
        Failures(step, settings.on_error, experiment.failures_file(batch)) as failures,
    ):
        yield Run(settings, dataset, batch, pairs, experiment, failures)
