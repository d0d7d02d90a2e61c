"""Whether scores may be counted together, by the records of what they were made from."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from clarity import __version__
from recipes.cad_icassp_2024.data.content import Contents
from recipes.cad_icassp_2024.data.dataset import Dataset
from recipes.cad_icassp_2024.data.paths import DataPaths
from recipes.cad_icassp_2024.data.scenes import MIXTURE, SONG_FILES, Pair
from recipes.cad_icassp_2024.runs.experiment import Experiment
from recipes.cad_icassp_2024.runs.records import Comparison, Records, Result
from recipes.cad_icassp_2024.runs.run import Run
from recipes.cad_icassp_2024.runs.score_table import other_details, row_digest, row_name
from recipes.cad_icassp_2024.runs.scores import Row, pair_key, read_scores, row_key
from recipes.cad_icassp_2024.runs.settings import (
    METADATA_PREFIX,
    METRIC_KEYS,
    SIGNALS_KEY,
    MadeFrom,
    Settings,
    metadata_settings,
    other_settings,
    settings_digest,
)

log = logging.getLogger(__name__)

SHARED_WITHIN = {"music": "song", "gains": "scene", "audiograms": "listener"}
"""Dependencies that rows of one song, scene or listener have in common."""

Origins = dict[tuple[str, str], set[str]]
"""Digests of a dependency, by its name and its song, scene or listener."""


@dataclass(frozen=True)
class Outdated:
    """What in an experiment is of something else than is there now.

    Attributes
    ----------
    lines : tuple of str
        "2 of 8 scores were made from signals that have since changed"; none when all is well.
    steps : str
        What makes it again: "run enhance.py, then evaluate.py".
    """

    lines: tuple[str, ...]
    steps: str


class ScoreRecords:
    """Rows of scores, and of their details, beside the records of what they were made from."""

    def __init__(
        self, records: Records, rows: Sequence[Row], details: Sequence[Row] | None = None
    ) -> None:
        self._records = records
        self._rows = rows
        self._details = details or ()
        self._names = [row_name(row_key(row)) for row in rows]
        self._outputs = dict(zip(self._names, map(row_digest, rows), strict=True))

    def mixture_problems(self) -> list[str]:
        """Return what speaks against counting the rows together, by what they were made from.

        Rows without any record, as other versions wrote them, may be counted with their like; where
        there are records of the same pairs, the rows were put there since.
        """
        records, outputs = self._records, self._outputs
        known = [
            row
            for row, output in zip(self._rows, outputs.items(), strict=True)
            if records.made_from(*output)
        ]
        n_unknown = len(self._rows) - len(known)
        if n_unknown == len(self._rows) and records.names().isdisjoint(self._names):
            if self._rows:
                log.warning(
                    "no score has a record of what it was made from; they count as they are"
                )
            return []
        problems = records.mixtures(outputs, ["settings"], "scores")
        for dependency, column in SHARED_WITHIN.items():
            groups = dict(zip(self._names, (row[column] for row in self._rows), strict=True))
            problems += records.mixtures(outputs, [dependency], "scores", groups)
        if n_unknown:
            problems.append(
                f"{n_unknown} of {len(self._rows)} scores have no record of what they were made "
                "from: rows that come from another folder need its records, copy the files in "
                "records/ there into records/ here; rows that were changed since, as by a "
                "spreadsheet, which rounds numbers, must be put back as they were"
            )
        n_others = len(other_details(records, known, self._details))
        if n_others:
            problems.append(
                f"{n_others} of {len(self._details)} rows of details were not written with their "
                "scores, or changed since: put them back as they were, or remove them (the scores "
                "do without)"
            )
        return problems

    def origins(self) -> Origins:
        """Return what the rows were made from, as far as other experiments share it."""
        found: Origins = {}
        for row, output in zip(self._rows, self._outputs.items(), strict=True):
            for made_from in self._records.made_from(*output):
                for name, column in SHARED_WITHIN.items():
                    if name in made_from:
                        found.setdefault((name, row[column]), set()).add(made_from[name])
        return found

    def outdated(self, experiment: Experiment, dataset: Dataset) -> Outdated:
        """Say how many signals and scores are of music, gains and so on that have since changed.

        Signals are looked at as far as they are there, music as far as it was there when scores
        were made.
        """
        contents = self._records.contents
        dataset = replace(dataset, contents=contents)
        by_name = {row_name(pair_key(pair)): pair for pair in dataset.pairs}
        maker = MadeFrom(dataset, SONG_FILES, {})
        with_music = {
            name
            for name, scene in dataset.scenes.items()
            if all(_is_there(dataset.music_file(scene, file), contents) for file in SONG_FILES)
        }
        results, with_signal = [], []
        for name, output in self._outputs.items():
            if name not in by_name or not self._records.made_from(name, output):
                continue
            pair = by_name[name]
            now = maker.metadata(pair)
            if experiment.signal_file(pair).is_file():
                with_signal.append(pair)
                now = {"signals": experiment.signal_digest(pair, contents), **now}
            if pair.scene.id in with_music:
                now["music"] = maker.music(pair.scene)
            results.append(Result(name, output, now))
        signals = old_signals(self._records, experiment, dataset, with_signal, with_music)
        scores = self._records.compare(results, partly=True)
        lines = [*signals.changes("signals"), *scores.changes("scores")]
        if _are_of_other_signals(experiment):
            lines.append(f"the scores in {experiment.folder} are of other signals than are there")
        old_or_gone = bool(signals.changed) or len(with_signal) < len(results)
        steps = steps_again(experiment, dataset.paths, signals=old_or_gone)
        return Outdated(tuple(lines), steps)


def old_signals(
    records: Records,
    experiment: Experiment,
    dataset: Dataset,
    pairs: Sequence[Pair],
    with_music: Collection[str],
) -> Comparison:
    """Compare the signals of pairs that were made here with what they would be made from now.

    Signals of another system, which no record names, count as current. `dataset` has the `contents`
    of the records; the music of the scenes `with_music` is looked at.
    """
    made_with = experiment.record("enhance")
    settings = {} if made_with is None else {"settings": settings_digest(made_with)}
    makers = [MadeFrom(dataset, files, {}) for files in ((MIXTURE,), SONG_FILES)]
    made_here = records.names()
    results = []
    for pair in pairs:
        if pair.id not in made_here:
            continue
        output = experiment.signal_digest(pair, records.contents)
        now = {**makers[0].metadata(pair), **settings}
        if pair.scene.id in with_music:  # the separator got the mixture, or the stems as well
            choices = [maker.music(pair.scene) for maker in makers]
            known = {made_from.get("music") for made_from in records.made_from(pair.id, output)}
            now = {"music": next((x for x in choices if x in known), choices[0]), **now}
        results.append(Result(pair.id, output, now))
    found = records.compare(results, partly=True)
    others = (pair.id for pair in pairs if pair.id not in made_here)
    return replace(found, current=(*found.current, *others))


def steps_again(experiment: Experiment, paths: DataPaths, *, signals: bool) -> str:
    """Say which scripts make the scores, and the signals before them, again; in their order."""
    now = {"package version": __version__, **metadata_settings(paths)}

    def refuses(step: str) -> bool:
        """Whether a step would refuse to go on with its results."""
        record = experiment.record(step) or {}
        then = {key: record[key] for key in record if key.startswith(METADATA_PREFIX)}
        return now != {"package version": record.get("package version"), **then}

    others = signals and refuses("enhance")
    commands = ["enhance.py" + others * " overwrite=true"] * signals
    others = others or refuses("evaluate") or _are_of_other_signals(experiment)
    commands.append("evaluate.py" + others * " overwrite=true")
    return f"run {', then '.join(commands)}, with the same keys as before"


def _are_of_other_signals(experiment: Experiment) -> bool:
    """Whether the signals there were made with other settings than those that were scored."""
    scored = (experiment.record("evaluate") or {}).get(SIGNALS_KEY)
    return scored is not None and scored != experiment.signals_digest()


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
    scores = ScoreRecords(run.records, read_scores(path))
    for line in scores.outdated(run.experiment, run.dataset).lines:
        log.warning("%s: evaluate.py without evaluate.small_test scores them again", line)


def _is_there(path: Path, contents: Contents) -> bool:
    """Whether a file is there which was there before: others would take long to read."""
    return contents.knows(path) and path.is_file()


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
