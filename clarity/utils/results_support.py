"""Tables of results that grow row by row and survive an interruption."""

from __future__ import annotations

import csv
import errno
import io
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from clarity.utils.atomic_files import atomic_path

logger = logging.getLogger(__name__)


@dataclass
class ResultsFile:
    """A CSV file to which rows are added one at a time.

    Every row reaches the disk whole before `add_result` returns, so a stopped run loses none of
    those it had finished.

    Parameters
    ----------
    file_name : str or Path
        CSV file. Made anew, with a header, unless rows are appended.
    header_columns : sequence of str
        Names of the columns, in order.
    append_results : bool
        Keep the rows that are there and add to them. A last row without its line end gets one when
        it has a value in every column; otherwise an interruption cut it short, and it is removed.

    Raises
    ------
    FileNotFoundError
        When there is no file to append to.
    ValueError
        When the file to append to has other columns.
    """

    file_name: str | Path
    header_columns: Sequence[str]
    append_results: bool = False

    def __post_init__(self) -> None:
        self.file_name = Path(self.file_name)
        if self.append_results:
            self._check_file()
            return
        with atomic_path(self.file_name) as temporary:
            temporary.write_bytes(_line(self.header_columns))

    def _check_file(self) -> None:
        path = Path(self.file_name)
        if not path.is_file():
            raise FileNotFoundError(
                f"{path}: no such file to append results to; set append_results=False to start one"
            )
        content = path.read_bytes()
        header = _values(content.partition(b"\n")[0]) or []
        if header != list(self.header_columns):
            raise ValueError(
                f"{path}: has the columns {header}, cannot append results with "
                f"{list(self.header_columns)}"
            )
        end_of_rows = content.rfind(b"\n") + 1
        last = content[end_of_rows:]
        if not last:
            return
        if self._is_whole(last):
            content = content.rstrip(b"\r") + b"\r\n"
        else:
            logger.warning("%s: removing a last row that was cut short", path)
            content = content[:end_of_rows]
        with atomic_path(path) as temporary:
            temporary.write_bytes(content)

    def _is_whole(self, row: bytes) -> bool:
        """Whether a row without a line end has a value in every column, the last one included."""
        values = _values(row)
        return values is not None and len(values) == len(self.header_columns) and values[-1] != ""

    def add_result(self, row_values: Mapping[str, str | float]) -> None:
        """Add one row.

        Parameters
        ----------
        row_values : mapping
            A value for every column; other keys are passed over.

        Raises
        ------
        KeyError
            When a column has no value; the message names it.
        OSError
            When the row cannot be written; the file is then as it was.
        """
        row = _line(row_values[column] for column in self.header_columns)
        try:
            with Path(self.file_name).open("ab", buffering=0) as file:
                end = file.tell()
                if file.write(row) != len(row):
                    file.truncate(end)
                    raise OSError(errno.ENOSPC, "no space for another row")
                os.fsync(file.fileno())
        except OSError as error:
            error.filename = str(self.file_name)  # Python names no file when the writing fails.
            raise


def _values(line: bytes) -> list[str] | None:
    """Values of one line of a CSV file; None when a quotation mark in it is not closed."""
    try:
        return next(csv.reader([line.decode("utf-8-sig", "replace")], strict=True), [])
    except csv.Error:
        return None


def _line(values: Iterable[object]) -> bytes:
    """One line of a CSV file as RFC 4180 has it."""
    text = io.StringIO(newline="")
    csv.writer(text).writerow(values)
    return text.getvalue().encode("utf-8")
