"""The scores of several experiments beside what the metadata knows of their pairs."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from clarity.separation.base import VDBO
from clarity.utils.audiogram import Listener
from recipes.cad_icassp_2024.data.dataset import Dataset
from recipes.cad_icassp_2024.data.errors import RecipeError, shortened
from recipes.cad_icassp_2024.data.scenes import Pair
from recipes.cad_icassp_2024.metric import FEATURES, SCORE_RANGE
from recipes.cad_icassp_2024.reporting.audiograms import pure_tone_average
from recipes.cad_icassp_2024.runs.experiment import Batch, Experiment
from recipes.cad_icassp_2024.runs.origins import (
    Origins,
    metric_differences,
    mixture_problems,
    origin_differences,
    origins,
    outdated,
)
from recipes.cad_icassp_2024.runs.records import Records
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
NUMBERS = ("left_score", "right_score", "score")


@dataclass(frozen=True)
class Results:
    """What a report is about.

    Attributes
    ----------
    dataset : Dataset
    experiments : dict of str to Experiment
        By the name of their separator, in the order in which they were given.
    scores : DataFrame
        A row for every separator and pair: ``separator``, ``scene``, ``song``, ``listener``,
        ``left_score``, ``right_score``, ``score``; ``left_pta`` and ``right_pta`` in dB HL,
        ``left_severity`` and ``right_severity``; the requested gain of each stem in dB; the
        `FEATURES` of each ear and ``clipped_share`` where there are details.
    n_left_out : int
        Rows whose scores are none: no number, or outside of `SCORE_RANGE`.
    """

    dataset: Dataset
    experiments: dict[str, Experiment]
    scores: pd.DataFrame
    n_left_out: int = 0

    @property
    def separators(self) -> list[str]:
        """Names of the separators, in order."""
        return list(self.experiments)

    def pair(self, scene: str, listener: str) -> Pair:
        """Return a pair by the ids in its row."""
        return Pair(self.dataset.scenes[scene], self.dataset.listeners[listener])

    def of(self, separator: str) -> pd.DataFrame:
        """Return the rows of one separator."""
        return self.scores[self.scores["separator"] == separator]

    def ears(self) -> pd.DataFrame:
        """Return a row for every separator, pair and ear.

        Returns
        -------
        DataFrame
            ``separator``, ``song``, ``score``, ``pta`` (dB HL), ``severity``; with details the
            `FEATURES` and ``clipped_share``.
        """
        shared = [x for x in ("separator", "song", "clipped_share") if x in self.scores]
        tables = []
        for ear in EARS:
            own = {f"{ear}_{name}": name for name in ("score", "pta", "severity", *FEATURES)}
            found = self.scores[[*shared, *(name for name in own if name in self.scores)]]
            tables.append(found.rename(columns=own))
        return pd.concat(tables, ignore_index=True)


def load_results(dataset: Dataset, folders: Sequence[Path]) -> Results:
    """Read the scores in experiment folders and look their pairs up in the metadata.

    Parameters
    ----------
    dataset : Dataset
    folders : sequence of Path
        Experiment folders.

    Returns
    -------
    Results

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
    old: list[str] = []
    tables = {}
    for name, experiment in experiments.items():
        rows, tables[name] = _read_table(experiment, dataset)
        with Records(experiment.folder / "records") as records:
            _check_origin(experiment, records, rows)
            made_from[str(experiment.folder)] = origins(records, rows)
            found = outdated(records, experiment, dataset, rows)
        old += [f"{experiment.folder}: {line}" for line in found]
    settings = {str(one.folder): one.record("evaluate") or {} for one in experiments.values()}
    differences = [*metric_differences(settings), *origin_differences(made_from)]
    if differences:
        raise RecipeError(
            f"the scores cannot be compared:{shortened(differences)}\nScore them again with "
            "evaluate.py, the same settings and the same data"
        )
    if old:
        raise RecipeError(f"{'; '.join(old)}; score them again with evaluate.py")
    scores = pd.concat(
        [table.assign(separator=name) for name, table in tables.items()], ignore_index=True
    )
    complete = scores[scores[list(NUMBERS)].apply(lambda x: x.between(*SCORE_RANGE)).all(axis=1)]
    n_left_out = len(scores) - len(complete)
    if n_left_out:
        log.warning(
            "%d rows are left out: their scores are no numbers from %g to %g",
            n_left_out,
            *SCORE_RANGE,
        )
    empty = [name for name in experiments if name not in set(complete["separator"])]
    if empty:
        path = experiments[empty[0]].scores_file(Batch())
        raise RecipeError(f"{path} holds no scores: run evaluate.py with this path.exp_folder")
    return Results(dataset, experiments, _with_metadata(complete, dataset), n_left_out)


def _named(experiments: Sequence[Experiment]) -> dict[str, Experiment]:
    """Name experiments after their separators, and after their folders where two have one name."""
    labels = []
    for experiment in experiments:
        settings = experiment.record("enhance") or {}
        model = str(settings.get("separator.model", experiment.folder.resolve().name))
        labels.append(
            (model, f"{model} ({experiment.folder.name})", f"{model} ({experiment.folder})")
        )
    count = Counter(name for names in labels for name in set(names))
    named: dict[str, Experiment] = {}
    for experiment, names in zip(experiments, labels, strict=True):
        name = next((name for name in names if count[name] == 1), None)
        if name is None:
            raise RecipeError(f"{experiment.folder} is given twice: correct report.folders")
        named[name] = experiment
    return named


def _read_table(experiment: Experiment, dataset: Dataset) -> tuple[list[Row], pd.DataFrame]:
    """Read the scores of an experiment, and make a table of them and their details."""
    path = experiment.scores_file(Batch())
    if not path.is_file():
        raise RecipeError(_no_scores(experiment.folder, path))
    rows = read_scores(path)
    _check_pairs(path, rows, dataset)
    table = pd.DataFrame(rows, columns=list(SCORE_COLUMNS))
    table[list(NUMBERS)] = table[list(NUMBERS)].astype(float)
    if not details_file(path).is_file():
        return rows, table
    found = pd.DataFrame(read_rows(details_file(path), DETAIL_COLUMNS), columns=DETAIL_COLUMNS)
    found = found.drop_duplicates(["scene", "listener"], keep="last").drop(columns="song")
    for name in found.columns.difference(["scene", "listener"]):
        found[name] = pd.to_numeric(found[name], errors="coerce")
    return rows, table.merge(found, "left", ["scene", "listener"])


def _no_scores(folder: Path, path: Path) -> str:
    if not folder.is_dir():
        return (
            f"{folder}: no such folder; name experiment folders with "
            "'report.folders=[exp/hpss,exp/oracle]', or one with path.exp_folder=FOLDER"
        )
    batches = sorted(file.name for file in folder.glob("scores_*-*.csv"))
    if batches:
        return (
            f"{path}: no such file, but there is {batches[0]}: join the batches with "
            f"merge_batches_results.py path.exp_folder={folder} first"
        )
    return (
        f"{path}: no such file; run evaluate.py with path.exp_folder={folder} first, or name "
        "experiment folders with 'report.folders=[exp/hpss,exp/oracle]'"
    )


def _check_pairs(path: Path, rows: Sequence[Row], dataset: Dataset) -> None:
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


def _check_origin(experiment: Experiment, records: Records, rows: Sequence[Row]) -> None:
    """Refuse scores that were made from different things, as far as there are records of it."""
    experiment.require_current_scores()
    problems = mixture_problems(records, rows)
    if problems:
        raise RecipeError(
            f"{experiment.scores_file(Batch())} mixes scores of different origin: "
            f"{'; '.join(problems)}; score them again with evaluate.py and the same path.exp_folder"
        )


def _with_metadata(scores: pd.DataFrame, dataset: Dataset) -> pd.DataFrame:
    scenes = pd.DataFrame.from_dict(
        {
            name: {"song": scene.song, "head_position": scene.head_position, **scene.gains_db}
            for name, scene in dataset.scenes.items()
        },
        orient="index",
        columns=["song", "head_position", *VDBO],
    )
    listeners = pd.DataFrame.from_dict(
        {name: _hearing(listener) for name, listener in dataset.listeners.items()}, orient="index"
    )
    return (
        scores.drop(columns="song")
        .join(scenes, on="scene")
        .join(listeners, on="listener")
        .reset_index(drop=True)
    )


def _hearing(listener: Listener) -> dict[str, object]:
    ears = dict(zip(EARS, (listener.audiogram_left, listener.audiogram_right), strict=True))
    return {
        **{f"{ear}_pta": pure_tone_average(audiogram) for ear, audiogram in ears.items()},
        **{f"{ear}_severity": audiogram.severity for ear, audiogram in ears.items()},
    }
