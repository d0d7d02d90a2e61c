"""Merge: join the scores of all batches in the order of the undivided run."""

from __future__ import annotations

if __name__ == "__main__":
    from clarity.utils.stopping import end_at_once_when_stopped

    end_at_once_when_stopped()

import logging
import re
from collections.abc import Sequence
from pathlib import Path

import hydra
from omegaconf import DictConfig

from clarity.utils.file_io import write_csv
from recipes.cad_icassp_2024.data.dataset import Dataset
from recipes.cad_icassp_2024.data.errors import RecipeError, shortened
from recipes.cad_icassp_2024.data.paths import DataPaths
from recipes.cad_icassp_2024.metric import SCORE_RANGE
from recipes.cad_icassp_2024.runs.command_line import command_line
from recipes.cad_icassp_2024.runs.composition import CONFIG_DIR
from recipes.cad_icassp_2024.runs.config import Config, as_config
from recipes.cad_icassp_2024.runs.experiment import Batch, Experiment
from recipes.cad_icassp_2024.runs.job import job
from recipes.cad_icassp_2024.runs.origins import ScoreRecords
from recipes.cad_icassp_2024.runs.scores import (
    DETAIL_COLUMNS,
    SCORE_COLUMNS,
    Key,
    Row,
    details_file,
    doubled_keys,
    implausible,
    log_summary,
    pair_key,
    read_rows,
    read_scores,
    row_key,
)

log = logging.getLogger(__name__)


def merge_batches(config: DictConfig | Config) -> None:
    """Join ``scores_1-N.csv`` ... ``scores_N-N.csv`` and their details into ``scores.csv``.

    Parameters
    ----------
    config : Config, or what Hydra composed
        ``evaluate.batch_size`` gives N; without it N is read off the files, if they agree.

    Raises
    ------
    RecipeError
        When a batch is missing, short, doubled, holds pairs of another batch or was made from
        something else than the others; the first two are let pass with ``allow_missing=true``.
    """
    settings = as_config(config)
    experiment = Experiment(Path(settings.path.exp_folder))
    dataset = Dataset.load(DataPaths.from_config(settings.path))
    count = settings.evaluate.batch_size
    if count == 1:
        count = _count_on_disk(experiment.folder)
    merged: dict[Key, Row] = {}
    details: dict[Key, Row] = {}
    problems: list[str] = []
    gaps: list[str] = []
    for index in range(count):
        path = experiment.scores_file(Batch(index, count))
        pairs = dataset.select(index, count, settings.evaluate.small_test)
        if not path.exists():
            gaps.append(f"{path.name}: is missing ({len(pairs)} pairs)")
            continue
        rows = read_scores(path)
        wanted = set(map(pair_key, pairs))
        problems += _misfits(path, rows, wanted)
        n_missing = len(wanted.difference(map(row_key, rows)))
        if n_missing:
            gaps.append(f"{path.name}: is short of {n_missing} of {len(pairs)} pairs")
        merged |= {row_key(row): row for row in rows}
        if details_file(path).exists():
            found = read_rows(details_file(path), DETAIL_COLUMNS)
            details |= {row_key(row): row for row in found}
    with experiment.records(dataset.paths.music_dir, verify=settings.verify) as records:
        scores = ScoreRecords(records, list(merged.values()), list(details.values()))
        problems += scores.mixture_problems()
        outdated = scores.outdated(experiment, dataset)
        problems += outdated.lines
    if gaps and settings.allow_missing:
        log.warning("merging what is there:%s", shortened(gaps))
        gaps = []
    if problems or gaps:
        hint = "run evaluate.py for them again, or merge what is there with allow_missing=true"
        if problems:
            hint = "score the wrong ones again with evaluate.py, or remove their files"
        if outdated.lines:
            hint = f"{outdated.steps}, for all batches, then merge again"
        raise RecipeError(
            f"the batches in {experiment.folder} cannot be merged:"
            f"{shortened([*problems, *gaps])}\n{hint}"
        )
    in_order = map(pair_key, dataset.select(small_test=settings.evaluate.small_test))
    keys = [key for key in in_order if key in merged]
    target = experiment.scores_file(Batch())
    found = [details[key] for key in keys if key in details]
    write_csv(details_file(target), DETAIL_COLUMNS, found)
    write_csv(target, SCORE_COLUMNS, [merged[key] for key in keys])
    log_summary(target)


def _count_on_disk(folder: Path) -> int:
    """Return the number of batches that the files in a folder are of."""
    names = [re.fullmatch(r"scores_\d+-(\d+)\.csv", path.name) for path in folder.glob("scores_*")]
    counts = sorted({int(match[1]) for match in names if match})
    if not counts:
        raise RecipeError(
            f"{folder} holds no scores of batches (scores_1-N.csv ...): run evaluate.py with "
            "evaluate.batch_size=N for each evaluate.batch first, or give path.exp_folder"
        )
    if len(counts) > 1:
        raise RecipeError(
            f"{folder} holds scores of runs in {' and in '.join(map(str, counts))} batches: say "
            "which are to be merged with evaluate.batch_size=N"
        )
    return counts[0]


def _misfits(path: Path, rows: Sequence[Row], wanted: set[Key]) -> list[str]:
    """Return what is wrong with a batch other than that rows are missing."""
    low, high = SCORE_RANGE
    strangers = [key for key in map(row_key, rows) if key not in wanted]
    faults = {
        "pairs are there twice": doubled_keys(rows),
        "pairs do not belong to this batch": strangers,
        f"scores are NaN or not between {low:g} and {high:g}": [
            row_key(row) for row in rows if implausible(row)
        ],
    }
    return [
        f"{path.name}: {len(keys)} {fault}, such as {keys[0]}"
        for fault, keys in faults.items()
        if keys
    ]


@command_line(
    "merge_batches_results",
    f"join the scores of all batches into scores.csv ({', '.join(SCORE_COLUMNS)})",
    "python merge_batches_results.py path.root=cadenza_data path.exp_folder=exp/demucs",
    "python merge_batches_results.py path.root=cadenza_data evaluate.batch_size=4",
    "python merge_batches_results.py path.root=cadenza_data allow_missing=true",
)
@hydra.main(version_base="1.3", config_path=str(CONFIG_DIR), config_name="config")
def main(cfg: DictConfig) -> None:
    """Run the script."""
    with job("merge_batches_results", cfg) as config:
        merge_batches(config)


def join_batches(config: DictConfig | None = None) -> None:
    """Do what pyClarity has under this name: `merge_batches`, or `main` without a configuration."""
    if config is None:
        main()
    else:
        merge_batches(config)


if __name__ == "__main__":
    main()
