"""Files of scores: rows added one by one, kept in the order of the pairs, checked when read.

``scores_details.csv`` beside ``scores.csv`` has a row for the same pairs, with the parts of HAAQI
and what the enhanced signal is like. A row of scores is written after its details.
"""

from __future__ import annotations

import csv
import logging
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from clarity.utils.file_io import atomic_path
from clarity.utils.results_support import ResultsFile
from recipes.cad_icassp_2024.data.dataset import Pair
from recipes.cad_icassp_2024.data.errors import RecipeError

log = logging.getLogger(__name__)

PAIR_COLUMNS = ("scene", "song", "listener")
SCORE_COLUMNS = (*PAIR_COLUMNS, "left_score", "right_score", "score")

HAAQI_PARTS = ("CepHigh", "BMsync5", "Dloud", "Dnorm", "nonlinear", "linear")
SIGNAL_COLUMNS = ("clipped_share", "peak", "loudness_lufs")
DETAIL_COLUMNS = (
    *PAIR_COLUMNS,
    *(f"{ear}_{part}" for ear in ("left", "right") for part in HAAQI_PARTS),
    *SIGNAL_COLUMNS,
)

SCORE_RANGE = (-1.0, 1.1)
"""HAAQI's regression leaves 0 to 1 by no more than this; what is beyond is no score."""

Key = tuple[str, str]
Row = dict[str, str]


def pair_key(pair: Pair) -> Key:
    """Return what names a pair in files of scores: scene and listener."""
    return pair.scene.id, pair.listener.id


def row_key(row: Mapping[str, str]) -> Key:
    """Return the scene and the listener of a row."""
    return row["scene"], row["listener"]


def details_file(scores: Path) -> Path:
    """Return where the details of a file of scores are."""
    return scores.with_name(scores.name.replace("scores", "scores_details", 1))


class Scores:
    """The scores of a batch and their details, new or as an earlier run left them.

    Parameters
    ----------
    path : Path
        ``scores.csv``. A last row that was cut off is removed.

    Attributes
    ----------
    rows : dict
        The rows of scores by scene and listener, values as text.

    Raises
    ------
    RecipeError
        When the file holds something else than scores.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._scores = _open(path, SCORE_COLUMNS)
        self._details = _open(details_file(path), DETAIL_COLUMNS)
        rows = read_scores(path)
        self.rows = {row_key(row): row for row in rows}
        doubled = [key for key, times in Counter(map(row_key, rows)).items() if times > 1]
        self.discard(doubled, "rows of pairs that are there twice are taken out")

    def add(self, row: Mapping[str, str]) -> None:
        """Add the row of a pair, with all columns of scores and details."""
        self._details.add_result(row)
        self._scores.add_result(row)
        self.rows[row_key(row)] = {name: row[name] for name in SCORE_COLUMNS}

    def discard(self, keys: Collection[Key], why: str) -> None:
        """Take out the rows of pairs, and log how many and why."""
        gone = set(keys) & self.rows.keys()
        if not gone:
            return
        log.warning("%s: %d %s", self.path, len(gone), why)
        self.rows = {key: row for key, row in self.rows.items() if key not in gone}
        write_rows(self.path, SCORE_COLUMNS, self.rows.values())

    def put_in_order(self, pairs: Sequence[Pair]) -> None:
        """Bring the rows into the order of the pairs, where pairs were tried again later."""
        order = {pair_key(pair): number for number, pair in enumerate(pairs)}
        for path, columns in (
            (self.path, SCORE_COLUMNS),
            (details_file(self.path), DETAIL_COLUMNS),
        ):
            rows = read_rows(path, columns)
            latest = {row_key(row): row for row in rows if row_key(row) in self.rows}
            ordered = sorted(latest.values(), key=lambda row: order[row_key(row)])
            if ordered != rows:
                write_rows(path, columns, ordered)


def _open(path: Path, columns: Sequence[str]) -> ResultsFile:
    try:
        return ResultsFile(path, columns, append_results=path.exists())
    except (ValueError, csv.Error) as error:
        raise RecipeError(f"{error}; move it away, or start over with overwrite=true") from error


def read_scores(path: Path) -> list[Row]:
    """Read the rows of a score file.

    Parameters
    ----------
    path : Path
        A CSV file with the columns `SCORE_COLUMNS`.

    Returns
    -------
    list of dict
        The rows, values as text.

    Raises
    ------
    RecipeError
        When the file is something else, or a row is not one of scores.
    """
    rows = read_rows(path, SCORE_COLUMNS)
    for number, row in enumerate(rows, start=2):
        try:
            _numbers(row)
        except ValueError:
            text = ",".join(row.values())
            raise RecipeError(_no_row(path, number, text)) from None
    return rows


def read_rows(path: Path, columns: Sequence[str]) -> list[Row]:
    """Read a CSV file that has just these columns; RecipeError where it is something else."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header, *rows = list(csv.reader(file)) or [[]]
    except (ValueError, csv.Error) as error:
        raise RecipeError(
            f"{path} is no table of scores ({error}); move it away, or start over with "
            "overwrite=true"
        ) from error
    if header != list(columns):
        raise RecipeError(
            f"{path}: has the columns {header}, not {list(columns)}; move it away, or start over "
            "with overwrite=true"
        )
    for number, row in enumerate(rows, start=2):
        if len(row) != len(columns):
            raise RecipeError(_no_row(path, number, ",".join(row)))
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _no_row(path: Path, number: int, text: str) -> str:
    return (
        f"{path}, line {number} is no row of scores: {text[:200]!r}; remove the line (its pair is "
        "then scored again), or start over with overwrite=true"
    )


def _numbers(row: Mapping[str, str]) -> list[float]:
    return [float(row[name]) for name in ("left_score", "right_score", "score")]


def implausible(row: Mapping[str, str]) -> bool:
    """Whether a row's scores are NaN or outside of `SCORE_RANGE`."""
    low, high = SCORE_RANGE
    return not all(low <= value <= high for value in _numbers(row))


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    """Write a CSV file whole."""
    with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def write_scores(path: Path, rows: Iterable[Mapping[str, str]]) -> None:
    """Write a score file whole."""
    write_rows(path, SCORE_COLUMNS, rows)


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
