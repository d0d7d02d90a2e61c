"""The scores of several experiments beside what the metadata knows of their pairs."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from recipes.cad_icassp_2024.data.dataset import Dataset
from recipes.cad_icassp_2024.data.errors import RecipeError, shortened
from recipes.cad_icassp_2024.metric import PARTS, SCORE_RANGE
from recipes.cad_icassp_2024.reporting.audiograms import pure_tone_average
from recipes.cad_icassp_2024.runs.experiment import Batch, Experiment
from recipes.cad_icassp_2024.runs.origins import (
    Origins,
    Outdated,
    ScoreRecords,
    metric_differences,
    origin_differences,
)
from recipes.cad_icassp_2024.runs.scores import (
    DETAIL_COLUMNS,
    SCORE_COLUMNS,
    Row,
    details_file,
    doubled_keys,
    pair_key,
    read_rows,
    read_scores,
    row_key,
)

log = logging.getLogger(__name__)

EARS = ("left", "right")
NUMBERS = ["left_score", "right_score", "score"]


@dataclass(frozen=True)
class Results:
    """What a report is about: experiments by the name of their separator, in the order given.

    `scores` has a row for every separator and pair: ``separator``, ``scene``, ``song``,
    ``listener``, ``left_score``, ``right_score``, ``score``; ``left_pta`` and ``right_pta`` in
    dB HL, ``left_severity`` and ``right_severity``; the requested gain of each stem in dB; the
    `PARTS` of each ear and ``clipped_share`` where there are details.
    """

    dataset: Dataset
    experiments: dict[str, Experiment]
    scores: pd.DataFrame
    n_left_out: int = 0  # rows whose scores are no numbers, or outside of `SCORE_RANGE`

    @property
    def separators(self) -> list[str]:
        """Names of the separators, in order."""
        return list(self.experiments)

    def of(self, separator: str) -> pd.DataFrame:
        """Return the rows of one separator."""
        return self.scores[self.scores["separator"] == separator]

    def ears(self) -> pd.DataFrame:
        """Return a row for every separator, pair and ear: ``score``, not ``left_score``."""
        scores = self.scores.drop(columns="score")
        own = ("score", "pta", "severity", *PARTS)
        ears = [scores.rename(columns={f"{ear}_{name}": name for name in own}) for ear in EARS]
        return pd.concat(ears, join="inner", ignore_index=True)


def load_results(dataset: Dataset, folders: Sequence[Path]) -> Results:
    """Read the scores in experiment folders and look their pairs up in the metadata.

    Raises
    ------
    RecipeError
        When a folder has no scores, or its scores are of pairs that are not in the data set, of
        one pair twice, made from different things or from what has since changed; or when two
        folders were made from different music, gains or audiograms, or scored with other settings
        of the metric.
    """
    experiments = _named([Experiment(folder) for folder in folders])
    made_from: dict[str, Origins] = {}
    outdated: dict[str, Outdated] = {}
    tables = []
    for name, experiment in experiments.items():
        rows = _read_rows(experiment, dataset)
        details = _read_details(experiment)
        tables.append(_table(rows, details).assign(separator=name))
        with experiment.records(dataset.paths.music_dir, verify=dataset.contents.verify) as records:
            scores = ScoreRecords(records, rows, details)
            problems = scores.mixture_problems()
            if problems:
                raise RecipeError(
                    f"{experiment.scores_file(Batch())} mixes scores of different origin: "
                    f"{'; '.join(problems)}; score them again with evaluate.py and the same "
                    "path.exp_folder"
                )
            made_from[str(experiment.folder)] = scores.origins()
            outdated[str(experiment.folder)] = scores.outdated(experiment, dataset)
    settings = {str(one.folder): one.record("evaluate") or {} for one in experiments.values()}
    _refuse([*metric_differences(settings), *origin_differences(made_from)], outdated)
    table = pd.concat(tables, ignore_index=True)
    low, high = SCORE_RANGE
    complete = table[((table[NUMBERS] >= low) & (table[NUMBERS] <= high)).all(axis=1)]
    n_left_out = len(table) - len(complete)
    if n_left_out:
        message = "%d rows are left out: their scores are no numbers from %g to %g"
        log.warning(message, n_left_out, low, high)
    shown = set(complete["separator"])
    for experiment in (experiments[name] for name in experiments if name not in shown):
        path = experiment.scores_file(Batch())
        raise RecipeError(f"{path} holds no scores: run evaluate.py with this path.exp_folder")
    return Results(dataset, experiments, _with_metadata(complete, dataset), n_left_out)


def _named(experiments: Sequence[Experiment]) -> dict[str, Experiment]:
    """Name experiments after their separators, and after their folders where two have one name."""
    labels = []
    for experiment in experiments:
        folder = experiment.folder
        settings = experiment.record("enhance") or {}
        model = str(settings.get("separator.model", folder.resolve().name))
        labels.append((model, f"{model} ({folder.name})", f"{model} ({folder})"))
    count = Counter(name for names in labels for name in set(names))
    named = {}
    for experiment, names in zip(experiments, labels, strict=True):
        unique = [name for name in names if count[name] == 1]
        if not unique:
            raise RecipeError(f"{experiment.folder} is given twice: correct report.folders")
        named[unique[0]] = experiment
    return named


def _read_rows(experiment: Experiment, dataset: Dataset) -> list[Row]:
    """Read the scores of an experiment, each of a pair of the data set and none twice."""
    path = experiment.scores_file(Batch())
    if not path.is_file():
        raise RecipeError(_no_scores(experiment.folder, path))
    rows = read_scores(path)
    for scene, listener in doubled_keys(rows):
        raise RecipeError(
            f"{path} has {scene} with {listener} more than once; remove one of the lines"
        )
    known = {pair_key(pair) for pair in dataset.pairs}
    for scene, listener in (row_key(row) for row in rows if row_key(row) not in known):
        what = f"{scene} with {listener}"
        if scene not in dataset.scenes:
            what = f"scene {scene}"
        elif listener not in dataset.listeners:
            what = f"listener {listener}"
        raise RecipeError(
            f"{path}: {what} is not in the metadata of split '{dataset.paths.split}' in "
            f"{dataset.paths.metadata_dir}; give the path.root and path.split that the scores "
            "were made with"
        )
    return rows


def _no_scores(folder: Path, path: Path) -> str:
    """Say what to do about an experiment without scores."""
    hint = "name experiment folders with 'report.folders=[exp/hpss,exp/oracle]'"
    if not folder.is_dir():
        return f"{folder}: no such folder; {hint}, or one with path.exp_folder=FOLDER"
    batches = sorted(file.name for file in folder.glob("scores_*-*.csv"))
    if batches:
        return (
            f"{path}: no such file, but there is {batches[0]}: join the batches with "
            f"merge_batches_results.py path.exp_folder={folder} first"
        )
    return f"{path}: no such file; run evaluate.py with path.exp_folder={folder} first, or {hint}"


def _read_details(experiment: Experiment) -> list[Row] | None:
    """Read the details of an experiment's scores, if there are any."""
    path = details_file(experiment.scores_file(Batch()))
    return read_rows(path, DETAIL_COLUMNS) if path.is_file() else None


def _table(rows: Sequence[Row], detail_rows: Sequence[Row] | None) -> pd.DataFrame:
    """Make a table of an experiment's scores and their details."""
    table = pd.DataFrame(rows, columns=list(SCORE_COLUMNS)).astype(dict.fromkeys(NUMBERS, float))
    if detail_rows is None:
        return table
    details = pd.DataFrame(detail_rows, columns=list(DETAIL_COLUMNS))
    details = details.drop(columns="song").set_index(["scene", "listener"])
    details = details.apply(pd.to_numeric, errors="coerce")
    details = details[~details.index.duplicated(keep="last")]
    return table.join(details, on=["scene", "listener"])


def _refuse(differences: Sequence[str], outdated: Mapping[str, Outdated]) -> None:
    """Refuse experiments that differ, or are of what has since changed; with the way out."""
    old = {folder: found for folder, found in outdated.items() if found.lines}
    lines = [f"{folder}: {line}" for folder, found in old.items() for line in found.lines]
    if not (differences or old):
        return
    what = "cannot be compared" if differences else "are not of what is there now"
    steps = [f"For {folder}, {found.steps}" for folder, found in old.items()]
    if not old:
        steps = ["Score them again with evaluate.py, the same settings and the same data"]
    raise RecipeError("\n".join([f"the scores {what}:{shortened([*differences, *lines])}", *steps]))


def _with_metadata(scores: pd.DataFrame, dataset: Dataset) -> pd.DataFrame:
    """Add what the metadata knows of scenes and listeners."""
    scenes = {
        name: {"song": scene.song, "head_position": scene.head_position, **scene.gains_db}
        for name, scene in dataset.scenes.items()
    }
    listeners = {}
    for name, listener in dataset.listeners.items():
        left, right = listener.audiogram_left, listener.audiogram_right
        listeners[name] = {
            "left_pta": pure_tone_average(left),
            "right_pta": pure_tone_average(right),
            "left_severity": left.severity,
            "right_severity": right.severity,
        }
    return (
        scores.drop(columns="song")
        .join(pd.DataFrame.from_dict(scenes, orient="index"), on="scene")
        .join(pd.DataFrame.from_dict(listeners, orient="index"), on="listener")
        .reset_index(drop=True)
    )
