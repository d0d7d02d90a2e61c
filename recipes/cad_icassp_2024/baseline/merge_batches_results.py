"""Merge: join the scores of all batches in the order of the undivided run."""

from __future__ import annotations

if __name__ == "__main__":
    from clarity.utils.stopping import end_at_once_when_stopped

    end_at_once_when_stopped()

import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from omegaconf import DictConfig

from recipes.cad_icassp_2024.baseline.evaluate import log_summary
from recipes.cad_icassp_2024.data.dataset import DataPaths, Dataset, Pair
from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.runs.config import Config, as_config
from recipes.cad_icassp_2024.runs.entry import EntryPoint
from recipes.cad_icassp_2024.runs.experiment import (
    SCORE_COLUMNS,
    Batch,
    Experiment,
    Row,
    read_scores,
    write_scores,
)

log = logging.getLogger(__name__)


def merge_batches(config: DictConfig | Config) -> None:
    """Join ``scores_1-N.csv`` ... ``scores_N-N.csv`` into ``scores.csv``.

    Parameters
    ----------
    config : Config, or what Hydra composed
        ``evaluate.batch_size`` gives N; without it N is read off the files, if they agree.

    Raises
    ------
    RecipeError
        When a batch is missing, short, doubled or holds pairs of another batch; the first two
        are let pass with ``allow_missing=true``.
    """
    settings: Config = as_config(config)
    experiment = Experiment(Path(settings.path.exp_folder))
    dataset = Dataset.load(DataPaths.from_config(settings.path))
    count = settings.evaluate.batch_size
    if count == 1:
        count = _count_on_disk(experiment.folder)
    merged: dict[tuple[str, str], Row] = {}
    problems: list[str] = []
    gaps: list[str] = []
    for index in range(count):
        path = experiment.scores_file(Batch(index, count))
        wanted = dataset.select(index, count, settings.evaluate.small_test)
        if not path.exists():
            gaps.append(f"{path.name}: is missing ({len(wanted)} pairs)")
            continue
        rows = read_scores(path)
        problems += _misfits(path, rows, wanted)
        n_missing = len({_key(pair) for pair in wanted} - {_row_key(row) for row in rows})
        if n_missing:
            gaps.append(f"{path.name}: is short of {n_missing} of {len(wanted)} pairs")
        merged |= {_row_key(row): row for row in rows}
    _refuse(experiment.folder, problems, gaps, settings.allow_missing)
    order = dataset.select(small_test=settings.evaluate.small_test)
    target = experiment.scores_file(Batch())
    write_scores(target, [merged[_key(pair)] for pair in order if _key(pair) in merged])
    log_summary(target)


def _key(pair: Pair) -> tuple[str, str]:
    return pair.scene.id, pair.listener.id


def _row_key(row: Mapping[str, str]) -> tuple[str, str]:
    return row["scene"], row["listener"]


def _count_on_disk(folder: Path) -> int:
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


def _misfits(path: Path, rows: Sequence[Row], wanted: Sequence[Pair]) -> list[str]:
    """Return what is wrong with a batch other than that rows are missing."""
    keys = [_row_key(row) for row in rows]
    expected = {_key(pair) for pair in wanted}
    doubled = [key for key, times in Counter(keys).items() if times > 1]
    foreign = [key for key in keys if key not in expected]
    problems = []
    if doubled:
        problems.append(f"{path.name}: {len(doubled)} pairs are there twice, such as {doubled[0]}")
    if foreign:
        problems.append(
            f"{path.name}: {len(foreign)} pairs do not belong to this batch, such as {foreign[0]}"
        )
    return problems


def _refuse(folder: Path, problems: list[str], gaps: list[str], allow_missing: bool) -> None:
    for gap in gaps if allow_missing else []:
        log.warning("%s", gap)
    faults = problems + ([] if allow_missing else gaps)
    if faults:
        hint = "run evaluate.py for them again, or merge what is there with allow_missing=true"
        raise RecipeError(
            f"the batches in {folder} cannot be merged:\n  "
            + "\n  ".join(faults)
            + (f"\n{hint}" if not problems else "\nremove the wrong files and score them again")
        )


def main() -> None:
    """Run the script."""
    EntryPoint(
        "merge_batches_results",
        merge_batches,
        f"join the scores of all batches into scores.csv ({', '.join(SCORE_COLUMNS)})",
        (
            "python merge_batches_results.py path.root=cadenza_data path.exp_folder=exp/demucs",
            "python merge_batches_results.py path.root=cadenza_data evaluate.batch_size=4",
            "python merge_batches_results.py path.root=cadenza_data allow_missing=true",
        ),
    ).run()


if __name__ == "__main__":
    main()
