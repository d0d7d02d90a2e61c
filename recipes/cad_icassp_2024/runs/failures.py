"""What becomes of a pair that fails: it ends the run, or it is listed and tried again next time."""

from __future__ import annotations

import contextlib
import csv
import errno
import logging
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType

from clarity.utils.file_io import write_csv
from recipes.cad_icassp_2024.data.errors import RecipeError, shortened
from recipes.cad_icassp_2024.data.scenes import Pair
from recipes.cad_icassp_2024.runs.config import OnError
from recipes.cad_icassp_2024.runs.parallel import Interrupted

log = logging.getLogger(__name__)

COLUMNS = ("step", "scene", "listener", "reason")

# Errors of the disk concern every pair: going on with the next would only repeat them.
_NOT_OF_ONE_PAIR = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}


class PairFailedError(RecipeError):
    """A pair failed and ``on_error=stop`` ends the run."""


class Failures:
    """Collects the pairs that failed in a run and lists them in a file at its end.

    Parameters
    ----------
    step : str
        ``enhance`` or ``evaluate``.
    on_error : OnError
        Whether a failure ends the run at once.
    file : Path
        ``failed.csv``; removed when nothing in it is left.

    Examples
    --------
    >>> with Failures("enhance", OnError.skip, Path("failed.csv")) as failures:  # doctest: +SKIP
    ...     for pair in pairs:
    ...         with failures.attributed_to([pair]):
    ...             work_on(pair)
    """

    def __init__(self, step: str, on_error: OnError, file: Path) -> None:
        self.step = step
        self.on_error = on_error
        self.file = file
        self.reasons: dict[str, tuple[Pair, str]] = {}  # by the id of the pair
        self._tried: set[tuple[str, str]] = set()
        self._shown = False
        self._lock = threading.Lock()

    def __enter__(self) -> Failures:
        """Return the collection."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write the list; raise `RecipeError` when there are failures and nothing else did."""
        self._write()
        if kind is None and self.reasons:
            listed = [f"{name}: {reason}" for name, (_, reason) in self.reasons.items()]
            raise RecipeError(
                f"{len(listed)} pairs failed; they are in {self.file}, and the same command tries "
                f"just those again:{shortened(listed)}"
            )

    @contextlib.contextmanager
    def attributed_to(self, pairs: Iterable[Pair]) -> Iterator[None]:
        """Attribute what goes wrong inside to some pairs.

        Raises
        ------
        RecipeError
            With ``on_error=stop``: which pair failed and why.
        """
        pairs = list(pairs)
        with self._lock:
            self._tried |= {(pair.scene.id, pair.listener.id) for pair in pairs}
        try:
            yield
        except (Interrupted, PairFailedError, MemoryError):
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno in _NOT_OF_ONE_PAIR:
                raise
            self._take(pairs, error)

    def take(self, found: Iterable[tuple[Pair, str]]) -> None:
        """Note pairs that cannot be worked on, and why; found before any work, told at once."""
        reasons = {pair.id: (pair, " ".join(reason.split())) for pair, reason in found}
        listed = [f"{name}: {reason}" for name, (_, reason) in reasons.items()]
        log.warning("%d pairs skipped:%s", len(listed), shortened(listed))
        with self._lock:
            self._tried |= {(pair.scene.id, pair.listener.id) for pair, _ in reasons.values()}
            self.reasons |= reasons

    def _take(self, pairs: list[Pair], error: Exception) -> None:
        reason = str(error) or type(error).__name__
        names = ", ".join(pair.id for pair in pairs)
        expected = isinstance(error, RecipeError | ValueError | OSError)
        level = logging.DEBUG if expected or self._shown else logging.ERROR
        self._shown = self._shown or not expected  # one traceback is enough to find a fault by
        log.log(level, "%s failed", names, exc_info=error)
        if self.on_error is OnError.stop:
            raise PairFailedError(
                f"{names} failed: {reason}\n(on_error=skip goes on with the other pairs)"
            ) from error
        log.warning("%s skipped: %s", names, reason)
        with self._lock:
            self.reasons |= {pair.id: (pair, " ".join(reason.split())) for pair in pairs}

    def _write(self) -> None:
        """List the failures of this run, and keep what the file says of pairs it did not try."""
        rows = [
            dict(zip(COLUMNS, (self.step, pair.scene.id, pair.listener.id, reason), strict=True))
            for pair, reason in self.reasons.values()
        ]
        rows = [row for row in self._known() if self._stands(row)] + rows
        if not rows:
            self.file.unlink(missing_ok=True)
            return
        write_csv(self.file, COLUMNS, rows)

    def _known(self) -> list[dict[str, str]]:
        """Return the rows of the file; one that is damaged is made anew, for it only informs."""
        if not self.file.exists():
            return []
        try:
            with self.file.open(newline="", encoding="utf-8") as file:
                return [row for row in csv.DictReader(file) if set(COLUMNS) <= row.keys()]
        except (ValueError, csv.Error) as error:
            log.warning("%s was damaged (%s) and is made anew", self.file, error)
            return []

    def _stands(self, row: dict[str, str]) -> bool:
        return row["step"] != self.step or (row["scene"], row["listener"]) not in self._tried
