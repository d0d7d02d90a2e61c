"""Files of scores: their columns, read with care, written whole.

``scores_details.csv`` beside ``scores.csv`` has a row for the same pairs, with the metric's parts
and what the enhanced signal is like.
"""

from __future__ import annotations

import csv
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.data.scenes import Pair
from recipes.cad_icassp_2024.metric import METRIC, PARTS, SCORE_RANGE

log = logging.getLogger(__name__)

PAIR_COLUMNS = ("scene", "song", "listener")
SCORE_COLUMNS = (*PAIR_COLUMNS, "left_score", "right_score", "score")

SIGNAL_COLUMNS = ("clipped_share", "peak", "loudness_lufs")
"""What ``scores_details.csv`` tells of the enhanced signal; `score_row` computes them."""

DETAIL_COLUMNS = (
    *PAIR_COLUMNS,
    *(f"{ear}_{part}" for ear in ("left", "right") for part in PARTS),
    *SIGNAL_COLUMNS,
)

START_OVER = "start over with evaluate.py overwrite=true"
"""What helps when a file of scores is damaged, whichever script has met it."""

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
            raise RecipeError(_no_row(path, number, text, SCORE_COLUMNS)) from None
    return rows


def read_rows(path: Path, columns: Sequence[str]) -> list[Row]:
    """Read a CSV file that has just these columns; RecipeError where it is something else."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header, *rows = list(csv.reader(file)) or [[]]
    except (ValueError, csv.Error) as error:
        raise RecipeError(
            f"{path} is no table of scores ({error}); move it away, or {START_OVER}"
        ) from error
    if header != list(columns):
        raise RecipeError(
            f"{path}: has the columns {header}, not {list(columns)}; move it away, or {START_OVER}"
        )
    for number, row in enumerate(rows, start=2):
        if len(row) != len(columns):
            raise RecipeError(_no_row(path, number, ",".join(row), columns))
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _no_row(path: Path, number: int, text: str, columns: Sequence[str]) -> str:
    again = "evaluate.py then scores its pair again"
    if list(columns) != list(SCORE_COLUMNS):
        again = "the scores do without it"
    return (
        f"{path}, line {number} is no row of scores: {text[:200]!r}; remove the line ({again}), "
        f"or {START_OVER}"
    )


def _numbers(row: Mapping[str, str]) -> list[float]:
    return [float(row[name]) for name in ("left_score", "right_score", "score")]


def doubled_keys(rows: Iterable[Mapping[str, str]]) -> list[Key]:
    """Return which pairs have more than one row."""
    return [key for key, times in Counter(map(row_key, rows)).items() if times > 1]


def implausible(row: Mapping[str, str]) -> bool:
    """Whether a row's scores are NaN or outside of `SCORE_RANGE`."""
    low, high = SCORE_RANGE
    return not all(low <= value <= high for value in _numbers(row))


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
    lines = [f"{path}: {METRIC} of {len(rows)} pairs", "          mean  median     min     max"]
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
