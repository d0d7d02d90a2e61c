"""HAAQI of the files of two folders, on all cores, going on where an earlier run stopped."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import soundfile

from clarity._version import __version__
from clarity.evaluator.haaqi.files import EARS, FileScorer
from clarity.evaluator.haaqi.regression import HaaqiResult
from clarity.evaluator.haaqi.table import COLUMNS, Row, ScoreTable
from clarity.utils.audiogram import Audiogram

SAVE_EVERY_S = 5.0

Progress = Callable[[Iterable[Any], int], Iterable[Any]]


@dataclass(frozen=True)
class FilePair:
    """A processed file, the reference it belongs to, and whose ears hear both.

    Attributes
    ----------
    name : str
        Name of the processed file, below its folder.
    reference, processed : Path
    listener : str, optional
        Id of the listener in the name of the processed file.
    """

    name: str
    reference: Path
    processed: Path
    listener: str | None = None


class FilesDoNotMatchError(ValueError):
    """Some files of two folders have no counterpart; the text lists them."""


def match_files(
    reference_folder: Path, processed_folder: Path, listeners: Collection[str] | None = None
) -> list[FilePair]:
    """Pair the audio files of two folders by their names, whatever the suffix.

    With listeners, the id of one of them is a part of each processed file's name between
    characters that are neither letters nor digits (``song_L0066.flac``). Its reference has the same
    name, or the name without the id (``song.wav``), so that one reference serves many listeners.

    Parameters
    ----------
    reference_folder, processed_folder : Path
        Searched with their subfolders; files pair up across equal subfolders.
    listeners : collection of str, optional
        Ids of the listeners.

    Returns
    -------
    list of FilePair
        In the order of the names.

    Raises
    ------
    FilesDoNotMatchError
        When a file has no counterpart or no listener, or two have one name.
    """
    problems: list[str] = []
    references = _by_stem(reference_folder, problems)
    processed = _by_stem(processed_folder, problems)
    pairs = []
    for stem, path in processed.items():
        listener = None if listeners is None else _listener_in(stem, listeners)
        if listeners is not None and listener is None:
            problems.append(f"{path}: no id of a listener in the name, or several")
            continue
        candidates = [stem] if listener is None else [stem, _without(stem, listener)]
        found = [references[name] for name in candidates if name in references]
        if found:
            name = path.relative_to(processed_folder).as_posix()
            pairs.append(FilePair(name, found[0], path, listener))
        else:
            problems.append(f"{path}: no reference {' or '.join(candidates)} in {reference_folder}")
    used = {pair.reference for pair in pairs}
    problems += [
        f"{path}: no processed file of this name in {processed_folder}"
        for path in references.values()
        if path not in used
    ]
    if problems or not pairs:
        reasons = problems or [f"there are no audio files in {processed_folder}"]
        raise FilesDoNotMatchError("the files do not match:\n  " + "\n  ".join(reasons))
    return pairs


def _by_stem(folder: Path, problems: list[str]) -> dict[str, Path]:
    """Audio files of a folder by their path below it, without the suffix."""
    suffixes = {f".{name.lower()}" for name in soundfile.available_formats()} | {".aif"}
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        is_hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if is_hidden or path.suffix.lower() not in suffixes or not path.is_file():
            continue
        stem = path.relative_to(folder).with_suffix("").as_posix()
        if stem in found:
            problems.append(f"{path}: has the same name as {found[stem]}")
        found[stem] = path
    return found


def _listener_in(stem: str, listeners: Collection[str]) -> str | None:
    """Find the one listener whose id is in a name."""
    name = stem.rpartition("/")[2]
    found = [one for one in listeners if re.search(_as_word(one), name)]
    return found[0] if len(found) == 1 else None


def _without(stem: str, listener: str) -> str:
    """Name without the id and the character before it (or behind it, at the start)."""
    folder, slash, name = stem.rpartition("/")
    word = _as_word(listener)
    return folder + slash + re.sub(rf"[\W_]{word}|{word}[\W_]", "", name, count=1)


def _as_word(listener: str) -> str:
    return rf"(?<![^\W_]){re.escape(listener)}(?![^\W_])"


def score_folders(
    pairs: Sequence[FilePair],
    scorer: FileScorer,
    output: Path,
    n_workers: int,
    progress: Progress = lambda items, _: items,
) -> tuple[list[Row], dict[str, Exception]]:
    """Score pairs of files side by side and keep a table of the scores.

    Pairs are left out that the table has already, for files of the same size and time of change
    and the same settings. The table is saved every few seconds.

    Parameters
    ----------
    pairs : sequence of FilePair
    scorer : FileScorer
    output : Path
        See `ScoreTable`.
    n_workers : int
        Pairs scored at the same time.
    progress : callable, optional
        Wraps the finished pairs, such as tqdm; gets them and their number.

    Returns
    -------
    rows : list of dict
        One per ear, in the order of the pairs.
    errors : dict
        Why a pair has no score, by its name.

    Raises
    ------
    ValueError
        When `output` holds something else.
    """
    table = ScoreTable(output)
    order = [pair.name for pair in pairs]
    inputs = {pair.name: _inputs_digest(pair, scorer) for pair in pairs}
    todo = [pair for pair in pairs if not _is_known(table, pair, inputs[pair.name])]
    for pair in todo:
        table.rows.pop(pair.name, None)
    errors: dict[str, Exception] = {}
    saved = time.monotonic()
    with ThreadPoolExecutor(n_workers) as pool:
        try:
            futures = {pool.submit(_score, pair, scorer): pair for pair in todo}
            for future in progress(as_completed(futures), len(todo)):
                pair = futures[future]
                error = future.exception()
                if isinstance(error, Exception):
                    errors[pair.name] = error
                    continue
                results = future.result()
                table.rows[pair.name] = [
                    _row(pair, ear, result, inputs[pair.name]) for ear, result in results.items()
                ]
                if time.monotonic() - saved > SAVE_EVERY_S:
                    table.save(order)
                    saved = time.monotonic()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        finally:
            table.save(order)
    return [row for name in order for row in table.rows.get(name, ())], errors


def _score(pair: FilePair, scorer: FileScorer) -> dict[str, HaaqiResult]:
    return scorer.score(pair.reference, pair.processed, pair.listener)


def _row(pair: FilePair, ear: str, result: HaaqiResult, inputs: str) -> Row:
    values = (pair.name, pair.listener, ear, *asdict(result).values(), inputs)
    return dict(zip(COLUMNS, values, strict=True))


def _is_known(table: ScoreTable, pair: FilePair, inputs: str) -> bool:
    rows = table.rows.get(pair.name, [])
    return bool(rows) and all(row["inputs"] == inputs for row in rows)


def _inputs_digest(pair: FilePair, scorer: FileScorer) -> str:
    """Digest of what a score depends on; files count by size and time of change."""
    files = (pair.reference.stat(), pair.processed.stat())
    states = [(state.st_size, state.st_mtime_ns) for state in files]
    ears = [scorer.audiogram(ear, pair.listener) for ear in EARS]
    settings = (
        scorer.ear,
        scorer.equalisation,
        scorer.level1,
        scorer.reference_level,
        scorer.seed,
        [_thresholds(audiogram) for audiogram in ears],
        __version__,
    )
    text = json.dumps([pair.reference.name, states, settings])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _thresholds(audiogram: Audiogram) -> list[list[float]]:
    return [audiogram.frequencies.tolist(), audiogram.levels.tolist()]
