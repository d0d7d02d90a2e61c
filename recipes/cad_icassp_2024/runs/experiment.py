"""The experiment folder: where results lie, which settings made them, and who is at work in it."""

from __future__ import annotations

import contextlib
import csv
import errno
import fcntl
import hashlib
import json
import logging
import os
import re
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clarity import __version__
from clarity.utils.file_io import atomic_path, leftovers, read_json, write_json
from clarity.utils.results_support import ResultsFile
from recipes.cad_icassp_2024.data.dataset import DataPaths, Pair
from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.runs.config import Config

log = logging.getLogger(__name__)

SCORE_COLUMNS = ("scene", "song", "listener", "left_score", "right_score", "score")

# The keys on which the enhanced signals depend. Of the separator's, those are left out that change
# how fast it works and where (device, batch_size, cache_dir, checkpoint: the weights have a hash).
SIGNAL_KEYS = (
    "path.split",
    "sample_rate",
    "remix_sample_rate",
    "nalr.nfir",
    "nalr.sample_rate",
    "apply_compressor",
    "soft_clip",
    "separator.model",
    "separator.module",
    "separator.sample_rate",
    "separator.normalise",
    "separator.segment",
    "separator.overlap",
    "separator.mixed_precision",
)
COMPRESSOR_KEYS = tuple(
    f"compressor.{key}"
    for key in ("threshold", "attenuation", "attack", "release", "rms_buffer_size")
)
SCORE_KEYS = (
    "path.split",
    "sample_rate",
    "remix_sample_rate",
    "HAAQI_sample_rate",
    "nalr.nfir",
    "nalr.sample_rate",
    "evaluate.set_random_seed",
)
METADATA_FILES = (
    "gains_file",
    "listeners_file",
    "scenes_file",
    "scene_listeners_file",
    "music_file",
)

# What flock says on network file systems that have no locks.
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}

# Under which the settings of the scores keep a hash of the settings of the signals.
SIGNALS_KEY = "enhanced signals"

Settings = dict[str, Any]
Row = dict[str, str]


@dataclass(frozen=True)
class Batch:
    """One of the batches that the pairs are dealt out to.

    Attributes
    ----------
    index, count : int
        Batch `index`, from 0, of `count`.
    """

    index: int = 0
    count: int = 1

    @property
    def suffix(self) -> str:
        """What file names of this batch end in: nothing for an undivided run."""
        return f"_{self.index + 1}-{self.count}" if self.count > 1 else ""


@dataclass(frozen=True)
class Experiment:
    """An experiment folder.

    Attributes
    ----------
    folder : Path
        ``path.exp_folder``.
    """

    folder: Path

    @property
    def signals(self) -> Path:
        """The folder of the enhanced signals."""
        return self.folder / "enhanced_signals"

    def signal_file(self, pair: Pair) -> Path:
        """Return where the enhanced signal of a pair lies."""
        return self.signals / f"{pair.id}_remix.flac"

    def scores_file(self, batch: Batch) -> Path:
        """Return where the scores of a batch lie."""
        return self.folder / f"scores{batch.suffix}.csv"

    def failures_file(self, batch: Batch) -> Path:
        """Return where the failed pairs of a batch are listed."""
        return self.folder / f"failed{batch.suffix}.csv"

    def record_file(self, step: str) -> Path:
        """Return where the settings of a step (enhance, evaluate) are kept."""
        return self.folder / "settings" / f"{step}.json"

    def record(self, step: str) -> Settings | None:
        """Return the settings that the results of a step were made with, if they are known."""
        path = self.record_file(step)
        if not path.exists():
            return None
        try:
            record = read_json(path)
        except ValueError as error:
            raise RecipeError(f"{error}; start over with overwrite=true") from error
        if not isinstance(record, dict):
            raise RecipeError(f"{path} holds no settings; start over with overwrite=true")
        return record

    @contextlib.contextmanager
    def locked(self, step: str, batch: Batch) -> Iterator[None]:
        """Hold the lock of one step and batch, so that no second process does the same work.

        The operating system drops the lock when its process ends, however it ends.

        Raises
        ------
        RecipeError
            When a live process holds it, or one that deals the pairs out to other batches.
        """
        folder = self.folder / "locks"
        with _lock(folder / f"{step}{batch.suffix}.lock", wait=False):
            _refuse_other_divisions(folder, step, batch)
            remove_leftovers([self.failures_file(batch)])
            yield

    def claim(
        self, step: str, settings: Settings, *, overwrite: bool, stale: Iterable[Path]
    ) -> None:
        """Write down the settings of a step, or check them against those written down before.

        Parameters
        ----------
        step : str
            ``enhance`` or ``evaluate``.
        settings : dict
            What the step's results depend on.
        overwrite : bool
            Whether results of other settings are to go.
        stale : iterable of Path
            All the step's results; they are removed when `overwrite` replaces other settings.

        Raises
        ------
        RecipeError
            When the results were made with other settings; with the differences. Also when there
            are results and nothing tells what they were made with.
        """
        with _lock(self.folder / "locks" / "settings.lock", wait=True):
            remove_leftovers([self.record_file(step)])
            known = self.record(step) if not overwrite else self._record_if_readable(step)
            if known == settings:
                return
            results = [path for path in stale if path.exists()]
            if overwrite:
                for path in results:
                    path.unlink(missing_ok=True)
            elif known is not None and (results or _n_held(self.folder / "locks", step) > 1):
                raise RecipeError(_differences(self.folder, step, known, settings))
            elif results:
                raise RecipeError(
                    f"{results[0]} is there, but nothing says which settings it was made with: "
                    "choose another folder with path.exp_folder=..., or start over with "
                    "overwrite=true"
                )
            write_json(self.record_file(step), settings)

    def require_current_scores(self) -> None:
        """Refuse scores of signals that have since been replaced by others.

        Raises
        ------
        RecipeError
            When the signals there were made with other settings than those that were scored.
        """
        scored = (self.record("evaluate") or {}).get(SIGNALS_KEY)
        if scored is not None and scored != self.signals_digest():
            raise RecipeError(
                f"the scores in {self.folder} are of other signals than lie there now: score "
                "these with evaluate.py overwrite=true"
            )

    def signals_digest(self) -> str:
        """Return a hash of the settings that the signals were made with, if they are known."""
        record = self.record("enhance")
        return "no record" if record is None else _digest(record)

    def _record_if_readable(self, step: str) -> Settings | None:
        try:
            return self.record(step)
        except RecipeError:
            return None


@contextlib.contextmanager
def _lock(path: Path, *, wait: bool) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise RecipeError(
                f"{holder} is at work on the same batch in {path.parent.parent}: wait until it "
                "has finished, or choose another evaluate.batch or path.exp_folder"
            ) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            log.warning(
                "the file system of %s has no locks (%s): see to it that no two processes do the "
                "same work there",
                path.parent.parent,
                error.strerror,
            )
        with contextlib.suppress(OSError):  # the lock holds without it, on a full disk too
            file.truncate(0)
            os.write(file.fileno(), f"process {os.getpid()} on {socket.gethostname()}".encode())
        yield


def _holder(path: Path) -> str | None:
    """Return who holds a lock, or None when no process does."""
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return file.read().strip() or "another process"
        except OSError:
            return None  # a file system without locks, of which _lock has warned
    return None


def _n_held(folder: Path, step: str) -> int:
    """Count the locks of a step that processes hold, this one's among them."""
    return sum(_holder(path) is not None for path in folder.glob(f"{step}*.lock"))


def _refuse_other_divisions(folder: Path, step: str, batch: Batch) -> None:
    """Refuse to work beside a process whose batches overlap with this one."""
    for path in sorted(folder.glob(f"{step}*.lock")):
        match = re.fullmatch(rf"{step}(?:_(\d+)-(\d+))?\.lock", path.name)
        if match is None or int(match[2] or 1) == batch.count:
            continue
        holder = _holder(path)
        if holder is not None:
            held = f"batch {int(match[1]) - 1} of {match[2]}" if match[1] else "all batches"
            raise RecipeError(
                f"{holder} is at work on {held} in {folder.parent}: wait until it has finished, "
                "go on with its evaluate.batch_size, or choose another path.exp_folder"
            )


def _differences(folder: Path, step: str, known: Settings, wanted: Settings) -> str:
    keys = [key for key in {**known, **wanted} if known.get(key) != wanted.get(key)]
    lines = [
        f"  {key}: {json.dumps(known.get(key))} -> {json.dumps(wanted.get(key))}" for key in keys
    ]
    what = "signals" if step == "enhance" else "scores"
    return (
        f"{folder} holds {what} that were made with other settings (there -> now):\n"
        + "\n".join(lines)
        + "\nChoose another folder with path.exp_folder=..., go back to the settings there, "
        "or start over with overwrite=true"
    )


def enhance_settings(config: Config, paths: DataPaths, separator_fingerprint: str) -> Settings:
    """Return everything that the enhanced signals depend on.

    Parameters
    ----------
    config : Config
    paths : DataPaths
        The metadata files as found on disk.
    separator_fingerprint : str
        A hash of the separator's weights.
    """
    keys = SIGNAL_KEYS + (COMPRESSOR_KEYS if config.apply_compressor else ())
    return {
        **_pick(config, keys),
        "separator fingerprint": separator_fingerprint,
        **_metadata_hashes(paths),
        "package version": __version__,
    }


def evaluate_settings(config: Config, paths: DataPaths, experiment: Experiment) -> Settings:
    """Return everything that the scores depend on, the settings of the signals included."""
    return {
        **_pick(config, SCORE_KEYS),
        SIGNALS_KEY: experiment.signals_digest(),
        **_metadata_hashes(paths),
        "package version": __version__,
    }


def _pick(config: Config, keys: Sequence[str]) -> Settings:
    settings = {}
    for key in keys:
        value: Any = config
        for name in key.split("."):
            value = getattr(value, name)
        if isinstance(value, dict):  # where weights lie is no difference, what they are has a hash
            value = {name: value[name] for name in value if name != "checkpoint"}
        settings[key] = value
    return settings


def _metadata_hashes(paths: DataPaths) -> Settings:
    files = {name: Path(getattr(paths, name)) for name in METADATA_FILES}
    return {
        f"metadata {name}": _digest(read_json(path))
        for name, path in files.items()
        if path.exists()
    }


def _digest(data: Any) -> str:
    text = json.dumps(data, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def remove_leftovers(files: Iterable[Path]) -> None:
    """Remove the temporary files that a killed run left beside the files it was writing.

    Parameters
    ----------
    files : iterable of Path
        The files under their final names.
    """
    finals = {path.name for path in files}
    folders = {path.parent for path in files}
    for folder in folders:
        for path in leftovers(folder):
            if any(path.name.startswith(f".{name}.") for name in finals):
                log.warning("removed %s, left half-written by a run that was stopped", path)
                path.unlink(missing_ok=True)


def open_scores(path: Path) -> tuple[ResultsFile, dict[tuple[str, str], Row]]:
    """Open a score file to append to, new or as an earlier run left it.

    Parameters
    ----------
    path : Path
        A CSV file with the columns `SCORE_COLUMNS`. A last row that was cut off is removed.

    Returns
    -------
    results : ResultsFile
        To add rows to.
    rows : dict
        The rows that are there, by scene and listener; values as text.

    Raises
    ------
    RecipeError
        When the file is something else than scores.
    """
    try:
        results = ResultsFile(path, SCORE_COLUMNS, append_results=path.exists())
    except ValueError as error:
        raise RecipeError(f"{error}; move it away, or start over with overwrite=true") from error
    return results, {(row["scene"], row["listener"]): row for row in read_scores(path)}


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
        When a row is not one of scores.
    """
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(SCORE_COLUMNS) or not _are_numbers(row[3:]):
            raise RecipeError(
                f"{path}, line {number} is no row of scores: {','.join(row)!r}; remove the line "
                "(its pair is then scored again), or start over with overwrite=true"
            )
    return [dict(zip(SCORE_COLUMNS, row, strict=True)) for row in rows[1:]]


def _are_numbers(values: Sequence[str]) -> bool:
    try:
        return all(isinstance(float(value), float) for value in values)
    except ValueError:
        return False


def write_scores(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """Write a score file whole."""
    with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, SCORE_COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
