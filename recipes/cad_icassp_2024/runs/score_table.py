"""The scores of a batch while they are made: rows are added, and taken out when they do not hold.

The record of a row and its details are written before the row itself, so that a row that is there
has both.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from clarity.utils.file_io import write_csv
from clarity.utils.results_support import ResultsFile
from recipes.cad_icassp_2024.data.content import digest_of
from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.data.scenes import SONG_FILES, Pair
from recipes.cad_icassp_2024.metric import SCORE_RANGE
from recipes.cad_icassp_2024.runs.experiment import remove_leftovers
from recipes.cad_icassp_2024.runs.records import Records, Result
from recipes.cad_icassp_2024.runs.run import Run
from recipes.cad_icassp_2024.runs.scores import (
    DETAIL_COLUMNS,
    SCORE_COLUMNS,
    START_OVER,
    Key,
    Row,
    details_file,
    doubled_keys,
    implausible,
    pair_key,
    read_rows,
    read_scores,
    row_key,
)
from recipes.cad_icassp_2024.runs.settings import MadeFrom, Settings

log = logging.getLogger(__name__)


def row_name(key: Key) -> str:
    """Return the name under which a row of scores has its record."""
    scene, listener = key
    return f"scores of {scene}_{listener}"


def row_digest(row: Mapping[str, str], columns: Sequence[str] = SCORE_COLUMNS) -> str:
    """Return the digest of a row of scores, or of other columns."""
    return digest_of([row[name] for name in columns])


def _details(details: Row, scores: Row) -> Result:
    """Return a row of details as a result that was made with a row of scores."""
    name, made_with = f"details of {row_name(row_key(details))}", {"scores": row_digest(scores)}
    return Result(name, row_digest(details, DETAIL_COLUMNS), made_with)


def other_details(records: Records, scores: Iterable[Row], details: Iterable[Row]) -> list[Key]:
    """Return which pairs have details that were not written with their scores, by the records.

    Details that have no record at all, as other versions wrote them, are not among them.
    """
    by_key = {row_key(row): row for row in scores}
    known = records.names()
    there = {row_key(row): row for row in details if row_key(row) in by_key}
    results = {key: _details(row, by_key[key]) for key, row in there.items()}
    return [
        key
        for key, result in results.items()
        if result.name in known
        and result.made_from not in records.made_from(result.name, result.output)
    ]


class ScoreTable:
    """``scores.csv`` of a batch and its details, new or as an earlier run left them.

    Parameters
    ----------
    run : Run
    settings : dict
        What scores depend on, see `evaluate_settings`.

    Attributes
    ----------
    path : Path
        The file.

    Raises
    ------
    RecipeError
        When the file holds something else than scores.
    """

    def __init__(self, run: Run, settings: Settings) -> None:
        self.path = run.experiment.scores_file(run.batch)
        self._run = run
        self._made_from_music = MadeFrom(run.dataset, SONG_FILES, settings)
        files = (self.path, details_file(self.path))
        remove_leftovers(files)
        if run.config.overwrite:
            for file in files:
                file.unlink(missing_ok=True)
        self._scores = _open(files[0], SCORE_COLUMNS)
        self._details = _open(files[1], DETAIL_COLUMNS)

    def pending(self, pairs: Sequence[Pair]) -> list[Pair]:
        """Return the pairs that are to be scored; rows that do not hold are taken out and named.

        Parameters
        ----------
        pairs : sequence of Pair
            Those with a signal.
        """
        rows = read_scores(self.path)
        known = {pair_key(pair) for pair in self._run.dataset.pairs}
        self._discard(
            [key for key in map(row_key, rows) if key not in known],
            "rows are of pairs that the data set does not have: taken out",
        )
        batch = self._run.batch
        own = [*self._run.dataset.select(batch.index, batch.count), *self._run.pairs]
        self._discard(
            known - {pair_key(pair) for pair in own}, "rows are of other batches: taken out"
        )
        low, high = SCORE_RANGE
        self._discard(doubled_keys(rows), "pairs are there twice: scored again")
        self._discard(
            [row_key(row) for row in rows if implausible(row)],
            f"rows have scores that are NaN or not between {low:g} and {high:g}: scored again",
        )
        by_key = {row_key(row): row for row in read_scores(self.path)}
        wanted = {pair_key(pair): pair for pair in pairs}
        comparison = self._run.records.compare(
            Result(row_name(key), row_digest(by_key[key]), self._made_from(pair))
            for key, pair in wanted.items()
            if key in by_key
        )
        for line in comparison.changes("scores"):
            log.warning("%s: scored again", line)
        if comparison.unknown:
            text = "%d scores have no record of what they were made from: scored again"
            log.warning(text, len(comparison.unknown))
        details = read_rows(details_file(self.path), DETAIL_COLUMNS)
        current = set(comparison.current)
        sound = (row for key, row in by_key.items() if row_name(key) in current)
        others = other_details(self._run.records, sound, details)
        self._discard(others, "rows have details that were not written with them: scored again")
        current -= set(map(row_name, others))
        todo = [pair for key, pair in wanted.items() if row_name(key) not in current]
        self._discard(list(map(pair_key, todo)), None)
        if not todo:
            log.info("all %d pairs are scored: %s", len(pairs), self.path)
        elif len(todo) < len(pairs):
            n_done = len(pairs) - len(todo)
            log.info("%d of %d pairs are scored, going on", n_done, len(pairs))
        return todo

    def _made_from(self, pair: Pair) -> dict[str, str]:
        return {"signals": self._run.signal_digest(pair), **self._made_from_music(pair)}

    def add(self, pair: Pair, row: Row) -> None:
        """Add the row of a pair, with all columns of scores and details."""
        result = Result(row_name(pair_key(pair)), row_digest(row), self._made_from(pair))
        self._details.add_result(row)
        self._run.records.add(result, _details(row, row))
        self._scores.add_result(row)

    def close(self) -> None:
        """Take out old rows of pairs that have failed now, and bring the rows into order."""
        failed = [pair_key(pair) for pair, _ in self._run.failures.reasons.values()]
        self._discard(failed, "old rows are of pairs that have failed now: taken out")
        order = {pair_key(pair): n for n, pair in enumerate(self._run.dataset.pairs)}
        rows = read_scores(self.path)
        details = read_rows(details_file(self.path), DETAIL_COLUMNS)
        latest = {row_key(row): row for row in details}
        kept = [latest[key] for key in map(row_key, rows) if key in latest]
        for path, columns, there, wanted in (
            (self.path, SCORE_COLUMNS, rows, rows),
            (details_file(self.path), DETAIL_COLUMNS, details, kept),
        ):
            ordered = sorted(wanted, key=lambda row: order.get(row_key(row), len(order)))
            if ordered != there:
                write_csv(path, columns, ordered)

    def _discard(self, keys: Collection[Key], why: str | None) -> None:
        """Take out the rows of pairs, and log how many and why."""
        gone = set(keys)
        rows = read_scores(self.path) if gone else []
        kept = [row for row in rows if row_key(row) not in gone]
        if len(kept) < len(rows):
            if why is not None:
                log.warning("%s: %d %s", self.path, len(gone & {*map(row_key, rows)}), why)
            write_csv(self.path, SCORE_COLUMNS, kept)


def _open(path: Path, columns: Sequence[str]) -> ResultsFile:
    """Open a table to append to; one that cannot be of scores is refused before it is repaired."""
    if path.is_dir():
        raise RecipeError(f"{path}: a folder is in the place of the file; move it away")
    if path.exists() and b"\0" in path.read_bytes():
        raise RecipeError(
            f"{path} is no table of {', '.join(columns)}; move it away, or {START_OVER}"
        )
    try:
        return ResultsFile(path, columns, append_results=path.exists())
    except ValueError as error:
        raise RecipeError(f"{error}; move it away, or {START_OVER}") from error
