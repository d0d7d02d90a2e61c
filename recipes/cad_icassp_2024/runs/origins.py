"""Whether scores may be counted together, by the records of what they were made from."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from recipes.cad_icassp_2024.data.content import Contents
from recipes.cad_icassp_2024.data.dataset import Dataset
from recipes.cad_icassp_2024.data.scenes import SONG_FILES
from recipes.cad_icassp_2024.runs.experiment import Experiment
from recipes.cad_icassp_2024.runs.records import Records, Result
from recipes.cad_icassp_2024.runs.run import Run
from recipes.cad_icassp_2024.runs.score_table import row_digest, row_name
from recipes.cad_icassp_2024.runs.scores import Row, pair_key, read_scores, row_key
from recipes.cad_icassp_2024.runs.settings import (
    METRIC_KEYS,
    MadeFrom,
    Settings,
    metadata_digests,
    other_settings,
)

log = logging.getLogger(__name__)

SHARED_WITHIN = {"music": "song", "gains": "scene", "audiograms": "listener"}
"""Dependencies that rows of one song, scene or listener have in common."""

Origins = dict[tuple[str, str], set[str]]
"""Digests of a dependency, by its name and its song, scene or listener."""


def mixture_problems(records: Records, rows: Sequence[Row]) -> list[str]:
    """Return what speaks against counting rows together, by the records of what they are from.

    Rows without any record, as other versions wrote them, may be counted with their like; where
    there are records of the same pairs, they are of other scores and the rows were put there since.
    """
    names = [row_name(row_key(row)) for row in rows]
    outputs = dict(zip(names, map(row_digest, rows), strict=True))
    n_unknown = sum(not records.made_from(*output) for output in outputs.items())
    if n_unknown == len(rows) and records.names().isdisjoint(names):
        return []
    problems = records.mixtures(outputs, ["settings"], "scores")
    for dependency, column in SHARED_WITHIN.items():
        groups = dict(zip(names, (row[column] for row in rows), strict=True))
        problems += records.mixtures(outputs, [dependency], "scores", groups)
    if n_unknown:
        problems.append(
            f"{n_unknown} of {len(rows)} scores have no record of what they were made from: copy "
            "the files in records/ of their folder into that of this one"
        )
    return problems


def outdated(
    records: Records, experiment: Experiment, dataset: Dataset, rows: Sequence[Row]
) -> list[str]:
    """Say how many scores are of a signal, music, gains or audiograms that have since changed.

    Parameters
    ----------
    records : Records
    experiment : Experiment
        Its signals are looked at as far as they are there.
    dataset : Dataset
        As it is now. Its music is looked at as far as it was there when scores were made.
    rows : sequence of dict
        The scores.

    Returns
    -------
    list of str
        "2 of 8 scores were made from signals that have since changed".
    """
    contents = records.contents
    by_key = {pair_key(pair): pair for pair in dataset.pairs}
    maker = MadeFrom(replace(dataset, contents=contents), SONG_FILES, {})
    with_music = {
        name
        for name, scene in dataset.scenes.items()
        if all(_is_there(dataset.music_file(scene, file), contents) for file in SONG_FILES)
    }
    results = []
    for row in rows:
        name, output = row_name(row_key(row)), row_digest(row)
        if row_key(row) not in by_key or not records.made_from(name, output):
            continue
        pair = by_key[row_key(row)]
        now = metadata_digests(pair)
        if experiment.signal_file(pair).is_file():
            now = {"signals": experiment.signal_digest(pair, contents), **now}
        if pair.scene.id in with_music:
            now["music"] = maker.music(pair.scene)
        results.append(Result(name, output, now))
    return records.compare(results, partly=True).changes("scores")


def warn_of_other_settings(run: Run, settings: Settings) -> None:
    """Warn of signals that were made with other values of keys that scores depend on, too."""
    differences = other_settings(run.experiment.record("enhance") or {}, settings)
    if differences:
        log.warning(
            "the signals in %s were made with other settings than they are scored with now "
            "(signals -> scores):\n  %s",
            *(run.experiment.signals, "\n  ".join(differences)),
        )


def warn_of_outdated(run: Run, path: Path) -> None:
    """Warn of scores in a file that this run, of a few pairs, has not looked at and do not hold."""
    for line in outdated(run.records, run.experiment, run.dataset, read_scores(path)):
        log.warning("%s: evaluate.py without evaluate.small_test scores them again", line)


def _is_there(path: Path, contents: Contents) -> bool:
    """Whether a file is there which was there before: others would take long to read."""
    return contents.knows(path) and path.is_file()


def origins(records: Records, rows: Sequence[Row]) -> Origins:
    """Return what rows of scores were made from, as far as other experiments share it."""
    found: Origins = {}
    for row in rows:
        for made_from in records.made_from(row_name(row_key(row)), row_digest(row)):
            for name, column in SHARED_WITHIN.items():
                if name in made_from:
                    found.setdefault((name, row[column]), set()).add(made_from[name])
    return found


def origin_differences(experiments: Mapping[str, Origins]) -> Iterator[str]:
    """Say which experiments were made from other music, gains or audiograms than the first.

    Parameters
    ----------
    experiments : mapping of str to dict
        What `origins` returns, by the name of the experiment.

    Yields
    ------
    str
        "exp/b was scored with other music than exp/a (3 songs, such as Song A)".
    """
    first: dict[tuple[str, str], tuple[str, set[str]]] = {}
    for experiment, found in experiments.items():
        apart: dict[tuple[str, str], list[str]] = {}
        for key, digests in found.items():
            other, known = first.setdefault(key, (experiment, digests))
            if not digests & known:
                apart.setdefault((key[0], other), []).append(key[1])
        for (name, other), owners in apart.items():
            what = SHARED_WITHIN[name] + ("s" if len(owners) > 1 else "")
            yield (
                f"{experiment} was scored with other {name} than {other} ({len(owners)} {what}, "
                f"such as {owners[0]})"
            )


def metric_differences(experiments: Mapping[str, Settings]) -> Iterator[str]:
    """Say which experiments were scored with another setting of the metric than the first.

    Parameters
    ----------
    experiments : mapping of str to dict
        The settings of the scores as far as they are known, by the name of the experiment.

    Yields
    ------
    str
        "exp/b was scored with HAAQI_sample_rate=16000, exp/a with 24000".
    """
    first: dict[str, tuple[str, object]] = {}
    for experiment, settings in experiments.items():
        for key in METRIC_KEYS:
            if key not in settings:
                continue
            other, value = first.setdefault(key, (experiment, settings[key]))
            if settings[key] != value:
                yield f"{experiment} was scored with {key}={settings[key]}, {other} with {value}"
