"""What files hold, as digests that are known again without reading the files.

A digest is remembered with the file's size and time of modification, as git's index does: while
both are the same, so is the content. A file that was modified no more than moments before it was
read could be modified again within the same tick of the clock, so that such a file, or one from
the future, is read anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.data.journal import Journal

TICK_NS = 2_000_000_000
"""The coarsest clock of a file system: FAT counts in steps of two seconds."""

BUFFER_BYTES = 2**18

DIGEST_LENGTH = 32
"""Hexadecimal digits that are kept of SHA-256: 128 bits."""


def digest_of(value: Any) -> str:
    """Return a digest of what JSON can hold: 32 hexadecimal digits, equal for equal values."""
    text = json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]


def digest_of_file(path: Path) -> str:
    """Return a digest of a file's content, 32 hexadecimal digits, by reading all of it."""
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(BUFFER_BYTES))
    with path.open("rb", buffering=0) as file:
        while n_bytes := file.readinto(buffer):
            digest.update(buffer[:n_bytes])
    return digest.hexdigest()[:DIGEST_LENGTH]


@dataclass(frozen=True)
class _Version:
    """What tells a file from what it was before, as long as nobody sets the time back."""

    size: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path) -> _Version:
        status = path.stat()
        return cls(status.st_size, status.st_mtime_ns)

    def is_settled(self, seen_ns: int) -> bool:
        """Whether a file that had this version at a time cannot have it with other content."""
        return self.mtime_ns + TICK_NS < seen_ns


class Contents:
    """Digests of files; to this object a file has one content for as long as the object is used.

    Parameters
    ----------
    folder : Path, optional
        Where digests are remembered, by this process and others; without it they are forgotten.
    others : Path
        Where others have remembered digests of files that this object may meet.
    verify : bool
        Read every file once, whatever its size and time of modification say.

    Examples
    --------
    >>> contents = Contents(Path("exp/records"))  # doctest: +SKIP
    >>> with contents.reading(path):  # doctest: +SKIP
    ...     signal, rate = soundfile.read(path)
    >>> made_from = {"music": contents.digest(path)}  # doctest: +SKIP
    """

    def __init__(self, folder: Path | None = None, *others: Path, verify: bool = False) -> None:
        self._journal = None if folder is None else Journal(folder, "contents")
        self._base = None if folder is None else folder.parent.absolute()
        self._folders = [*(() if folder is None else (folder,)), *others]
        self.verify = verify
        self._remembered: dict[tuple[str, _Version], tuple[int, str]] | None = None
        self._names: set[str] | None = None
        self._met: dict[Path, tuple[_Version, str]] = {}
        self._written: list[Path] = []
        self._lock = threading.Lock()

    def close(self) -> None:
        """Remember what has been written, and close this process's file."""
        self._remember_written()
        if self._journal is not None:
            self._journal.close()

    def digest(self, path: Path) -> str:
        """Return the digest of what a file held when this object first met it."""
        known = self._met.get(path)
        if known is None:
            known = self._meet(path)
        return known[1]

    def knows(self, path: Path) -> bool:
        """Whether a file of this name has been read before, by this process or another one."""
        return path in self._met or path.absolute().as_posix() in self._known_names()

    @contextlib.contextmanager
    def reading(self, path: Path) -> Iterator[None]:
        """See to it that what is read in this block is what `digest` tells of.

        Raises
        ------
        RecipeError
            When the file has changed since this object first met it.
        """
        with contextlib.suppress(OSError):  # of which whoever reads has more to say
            self.digest(path)
        yield
        met = self._met.get(path)
        if met is None or met[0] != _Version.of(path):
            raise RecipeError(
                f"{path}: was changed while this run went on; give the same command again"
            )

    def note_written(self, path: Path, digest: str) -> None:
        """Take in that this process has just put a file there, whose `digest_of_file` it knows."""
        with self._lock:
            self._met[path] = (_Version.of(path), digest)
            self._written.append(path)
        self._remember_written()

    def _meet(self, path: Path) -> tuple[_Version, str]:
        version = _Version.of(path)
        digest = None if self.verify else self._recall(path, version)
        if digest is None:
            seen_ns = time.time_ns()
            digest = digest_of_file(path)
            after = _Version.of(path)
            if after != version:
                raise RecipeError(f"{path}: is being written; give the same command again later")
            if version.is_settled(seen_ns):
                self._remember({path: (version, digest)}, seen_ns)
        with self._lock:
            return self._met.setdefault(path, (version, digest))

    def _known_names(self) -> set[str]:
        if self._names is None:
            self._names = {name for name, _ in self._recollection()}
        return self._names

    def _recollection(self) -> dict[tuple[str, _Version], tuple[int, str]]:
        with self._lock:
            if self._remembered is None:
                self._remembered = {}
                for folder in self._folders:
                    with contextlib.suppress(OSError):  # what cannot be read is hashed again
                        self._read_journal(folder, self._remembered)
        return self._remembered

    def _recall(self, path: Path, version: _Version) -> str | None:
        name = path.absolute().as_posix()
        seen_ns, digest = self._recollection().get((name, version), (0, None))
        return digest if version.is_settled(seen_ns) else None

    @staticmethod
    def _read_journal(
        folder: Path, remembered: dict[tuple[str, _Version], tuple[int, str]]
    ) -> None:
        """Take in what a folder's journal says of files, by their absolute paths."""
        base = folder.parent.absolute().as_posix().rstrip("/")
        for line in Journal(folder, "contents").lines():
            match line:
                case [str(name), int(size), int(mtime_ns), str(digest), int(seen_ns)]:
                    is_absolute = name[:1] == "/" or name[1:2] == ":"  # or has a drive
                    path = name if is_absolute else f"{base}/{name}"
                    key = (path, _Version(size, mtime_ns))
                    remembered[key] = max(remembered.get(key, (0, "")), (seen_ns, digest))

    def _remember(self, files: dict[Path, tuple[_Version, str]], seen_ns: int) -> None:
        if self._journal is None or not files:
            return
        lines = (
            [self._name(path), version.size, version.mtime_ns, digest, seen_ns]
            for path, (version, digest) in files.items()
        )
        with contextlib.suppress(OSError):  # what a disk does not take is read again next time
            self._journal.append(*lines)

    def _remember_written(self) -> None:
        """Remember the files that were written long enough ago to have settled."""
        now_ns = time.time_ns()
        with self._lock:
            settled = {p for p in self._written if self._met[p][0].is_settled(now_ns)}
            self._written = [p for p in self._written if p not in settled]
        self._remember({path: self._met[path] for path in settled}, now_ns)

    def _name(self, path: Path) -> str:
        """Name of a file in the journal: files of an experiment stay known where it is moved."""
        path = path.absolute()
        if self._base is not None and path.is_relative_to(self._base):
            path = path.relative_to(self._base)
        return path.as_posix()
