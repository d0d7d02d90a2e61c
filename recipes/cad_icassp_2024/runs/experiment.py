"""The experiment folder: where its files are, which settings made them, who is at work in it."""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from clarity.utils.atomic_files import leftovers
from clarity.utils.file_io import read_json, write_json
from clarity.utils.peak_file import peak_file_of, read_peak
from recipes.cad_icassp_2024.data.content import Contents, digest_of
from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.data.scenes import Pair
from recipes.cad_icassp_2024.runs import locks
from recipes.cad_icassp_2024.runs.records import Records
from recipes.cad_icassp_2024.runs.settings import Settings, digest

log = logging.getLogger(__name__)


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

    Raises
    ------
    NotADirectoryError
        When a file is in the place of one of its folders.
    """

    folder: Path
    _parts: dict[str, list[Path]] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse files in the place of folders, which would be taken for folders without files."""
        for path in (self.signals, self.folder / "records", self.folder / "settings"):
            if path.exists() and not path.is_dir():
                raise NotADirectoryError(
                    errno.ENOTDIR, "a file in the place of a folder", str(path)
                )

    def records(self, music_dir: Path, *, verify: bool = False) -> Records:
        """Open the records of its results; what music holds is known where it was generated."""
        return Records(self.folder / "records", music_dir / "records", verify=verify)

    @functools.cached_property
    def signals(self) -> Path:
        """The folder of the enhanced signals."""
        return self.folder / "enhanced_signals"

    def signal_file(self, pair: Pair) -> Path:
        """Return where the enhanced signal of a pair is."""
        return self.signals / f"{pair.id}_remix.flac"

    def signal_digest(self, pair: Pair, contents: Contents) -> str:
        """Return the digest of the enhanced signal of a pair, with the peak beside it if it has."""
        if pair.id not in self._parts:
            self._parts[pair.id] = self._find_parts(pair)
        first, *others = map(contents.digest, self._parts[pair.id])
        return digest_of([first, *others]) if others else first

    @contextlib.contextmanager
    def reading_signal(self, pair: Pair, contents: Contents) -> Iterator[Path]:
        """See to it that the signal that is read in the block is what `signal_digest` tells of.

        Yields its path; raises `RecipeError` when it has changed since it was first met.
        """
        self.signal_digest(pair, contents)
        parts = self._parts[pair.id]
        with contextlib.ExitStack() as unchanged:
            for path in parts:
                unchanged.enter_context(contents.reading(path))
            yield parts[0]
        if self._find_parts(pair) != parts:
            raise RecipeError(
                f"{peak_file_of(parts[0])}: came while this run went on; give the same command "
                "again"
            )

    def _find_parts(self, pair: Pair) -> list[Path]:
        """Find what makes the enhanced signal of a pair: its file, and the peak beside it."""
        path = self.signal_file(pair)
        peak = peak_file_of(path)
        return [path] if read_peak(peak) is None else [path, peak]

    def scores_file(self, batch: Batch) -> Path:
        """Return where the scores of a batch are."""
        return self.folder / f"scores{batch.suffix}.csv"

    def scores_files(self) -> list[Path]:
        """Return the files of scores that are there, of all batches."""
        return [*self.folder.glob("scores.csv"), *self.folder.glob("scores_[0-9]*.csv")]

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
            raise RecipeError(f"{error}; start over with {step}.py overwrite=true") from error
        if not isinstance(record, dict):
            raise RecipeError(f"{path} holds no settings; start over with {step}.py overwrite=true")
        return record

    def signals_digest(self) -> str:
        """Return a hash of the settings that the signals were made with, if they are known."""
        record = self.record("enhance")
        return "no record" if record is None else digest(record)

    @contextlib.contextmanager
    def locked(self, step: str, batch: Batch) -> Iterator[None]:
        """Hold the lock of one step and batch, so that no second process does the same work.

        Raises
        ------
        RecipeError
            When a live process holds it, or one that deals the pairs out to other batches.
        """
        folder = self.folder / "locks"
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(locks.hold(folder / f"{step}{batch.suffix}.lock"))
            except locks.HeldError as other:
                batches = "" if step == "finetune" else "evaluate.batch or "
                raise RecipeError(
                    f"{other} is at work on the same batch in {self.folder}: wait until it has "
                    f"finished, or choose another {batches}path.exp_folder"
                ) from None
            self._refuse_other_divisions(step, batch)
            remove_leftovers([self.failures_file(batch)])
            yield

    def _refuse_other_divisions(self, step: str, batch: Batch) -> None:
        """Refuse to work beside a process whose batches overlap with this one."""
        for path in sorted((self.folder / "locks").glob(f"{step}*.lock")):
            match = re.fullmatch(rf"{step}(?:_(\d+)-(\d+))?\.lock", path.name)
            if match is None or int(match[2] or 1) == batch.count:
                continue
            other = locks.holder(path)
            if other is not None:
                held = f"batch {int(match[1]) - 1} of {match[2]}" if match[1] else "all batches"
                raise RecipeError(
                    f"{other} is at work on {held} in {self.folder}: wait until it has finished, "
                    "go on with its evaluate.batch_size, or choose another path.exp_folder"
                )

    def _is_shared(self, step: str) -> bool:
        """Whether another process is at the same step, besides this one."""
        paths = (self.folder / "locks").glob(f"{step}*.lock")
        return sum(locks.holder(path) is not None for path in paths) > 1

    def check_or_record_settings(
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
        with locks.hold(self.folder / "locks" / "settings.lock", wait=True):
            remove_leftovers([self.record_file(step)])
            try:
                known = self.record(step)
            except RecipeError:
                if not overwrite:
                    raise
                known = None
            if known == settings:
                return
            results = [path for path in stale if path.exists()]
            if overwrite:
                for path in results:
                    path.unlink(missing_ok=True)
            elif known is not None and (results or self._is_shared(step)):
                raise RecipeError(self._differences(step, known, settings))
            elif results:
                raise RecipeError(
                    f"{results[0]} is there, but nothing says which settings it was made with: "
                    "choose another folder with path.exp_folder=..., or start over with "
                    "overwrite=true"
                )
            write_json(self.record_file(step), settings)

    def _differences(self, step: str, known: Settings, wanted: Settings) -> str:
        keys = [key for key in {**known, **wanted} if known.get(key) != wanted.get(key)]
        lines = [
            f"  {key}: {json.dumps(known.get(key))} -> {json.dumps(wanted.get(key))}"
            for key in keys
        ]
        what = {"enhance": "signals", "evaluate": "scores"}.get(step, "weights")
        return (
            f"{self.folder} holds {what} that were made with other settings (there -> now):\n"
            + "\n".join(lines)
            + "\nChoose another folder with path.exp_folder=..., go back to the settings there, "
            "or start over with overwrite=true"
        )


def remove_leftovers(files: Iterable[Path]) -> None:
    """Remove the temporary files that a killed run left beside the files it was writing.

    Parameters
    ----------
    files : iterable of Path
        The files under their final names.
    """
    files = list(files)
    finals = {path.name for path in files}
    for folder in {path.parent for path in files}:
        for path in leftovers(folder):
            if any(path.name.startswith(f".{name}.") for name in finals):
                log.warning("removed %s, left half-written by a run that was stopped", path)
                path.unlink(missing_ok=True)
