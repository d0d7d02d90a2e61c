"""The table of HAAQI's scores of files, as CSV or JSON."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from clarity.evaluator.haaqi.regression import HaaqiResult
from clarity.utils.file_io import write_csv, write_json

PARTS = tuple(part.name for part in fields(HaaqiResult))
COLUMNS = ("file", "listener", "ear", *PARTS, "inputs")
"""Columns of the table; ``inputs`` is a digest of the files' state and the settings."""

Row = dict[str, Any]


@dataclass
class ScoreTable:
    """The table of scores: CSV or JSON by its suffix, always whole on the disk.

    Attributes
    ----------
    path : Path
        ``.csv`` or ``.json``.

    Raises
    ------
    ValueError
        When the suffix is another, or the file is there and holds something else.
    """

    path: Path
    rows: dict[str, list[Row]] = field(init=False)

    def __post_init__(self) -> None:
        """Read the rows that an earlier run left."""
        if self.path.suffix not in (".csv", ".json"):
            raise ValueError(f"--output {self.path}: must end in .csv or .json")
        self.rows = {}
        try:
            for row in self._read() if self.path.exists() else ():
                self.rows.setdefault(row["file"], []).append(row)
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise ValueError(
                f"--output {self.path}: is there and is no table of these scores; move it away or "
                "give another name"
            ) from error

    def _read(self) -> list[Row]:
        if self.path.suffix == ".json":
            rows = json.loads(self.path.read_text(encoding="utf-8"))
        else:
            with self.path.open(newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
        for row in rows:
            if tuple(row) != COLUMNS:
                raise ValueError("other columns")
            row.update({part: float(row[part]) for part in PARTS})
            row["listener"] = row["listener"] or None
        return rows

    def save(self, order: Sequence[str]) -> None:
        """Write the rows of files in an order; those of other files are dropped."""
        rows = [row for name in order for row in self.rows.get(name, ())]
        if self.path.suffix == ".json":
            write_json(self.path, rows, indent=2)
        else:
            write_csv(self.path, COLUMNS, rows)
