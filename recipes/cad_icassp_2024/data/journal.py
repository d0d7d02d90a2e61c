"""Notes that several processes take in one folder, on one machine or on many.

Each process appends to a file of its own, a line at a time, and reads the files of all: nothing is
locked, nothing is written over, and what a process that was killed has noted stays. To bring the
notes of two folders together, copy the files of one into the other.
"""

from __future__ import annotations

import json
import os
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Journal:
    """The lines of one kind in a folder.

    Parameters
    ----------
    folder : Path
        Where the files are; it is made with the first line.
    kind : str
        How the names of the files begin.
    """

    def __init__(self, folder: Path, kind: str) -> None:
        self._folder = folder
        self._kind = kind
        self._path = self._new_path()
        self._descriptor: int | None = None
        self._begins_line = True
        self._lock = threading.Lock()

    def _new_path(self) -> Path:
        return self._folder / f"{self._kind}-{uuid.uuid4().hex[:16]}.jsonl"

    def lines(self) -> Iterator[Any]:
        """Yield what the lines of all processes hold; pass over lines that were cut off."""
        for path in sorted(self._folder.glob(f"{self._kind}-*.jsonl")):
            *whole, _ = path.read_text(encoding="utf-8", errors="replace").split("\n")
            for line in whole:
                try:
                    yield json.loads(line)
                except (ValueError, RecursionError):
                    continue

    def append(self, *items: Any, durable: bool = False) -> None:
        """Write lines in one piece.

        What is ``durable`` is on the disk when this returns.
        """
        text = "".join(json.dumps(item, separators=(",", ":")) + "\n" for item in items)
        with self._lock:
            descriptor = self._open()
            try:
                self._write(descriptor, text.encode())
                if durable:
                    os.fsync(descriptor)
            except OSError as error:
                error.filename = str(self._path)  # the system names no file for a descriptor
                raise

    def _write(self, descriptor: int, text: bytes) -> None:
        """Write lines; after a failure the next ones begin behind a line feed."""
        data = text if self._begins_line else b"\n" + text
        self._begins_line = False  # unless all of it gets written
        n_written = os.write(descriptor, data)
        while n_written < len(data):  # a full disk takes a part, then raises
            n_written += os.write(descriptor, data[n_written:])
        self._begins_line = True

    def _open(self) -> int:
        if self._descriptor is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
            self._descriptor = os.open(self._path, flags, 0o666)
        return self._descriptor

    def close(self) -> None:
        """Close this process's file; a later line would go into a new one."""
        with self._lock:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None
                self._path = self._new_path()
