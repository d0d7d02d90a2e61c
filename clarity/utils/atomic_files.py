"""Files and folders that are written whole or not at all."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def temporary_name(path: str | Path) -> Path:
    """Name under which a file or folder is written before it takes its place.

    It is hidden, beside the final one, different for each process, and keeps the suffix, from
    which libraries tell a format. `leftovers` finds such names.
    """
    path = Path(path)
    return path.with_name(f".{path.name}.{os.getpid()}.tmp{path.suffix}")


def leftovers(folder: str | Path, name: str | None = None) -> list[Path]:
    """Temporary files and folders that a killed process left, or that another one is writing.

    Parameters
    ----------
    folder : str or Path
        Where to look.
    name : str, optional
        Only those of the file or folder of this name.

    Returns
    -------
    list of Path
        In the order of their names.
    """
    final = "*" if name is None else glob.escape(name)
    return sorted(Path(folder).glob(f".{final}.*.tmp*"))


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Write a file whole or not at all.

    Gives a temporary name beside the file. When the block ends, what was written there takes the
    file's place in one step; when it fails, the temporary file is removed and an older file at
    `path` stays as it was.

    Parameters
    ----------
    path : str or Path
        File to be written. Its folder is made when it is missing.

    Yields
    ------
    Path
        Name to write to; see `temporary_name`.

    Examples
    --------
    >>> with atomic_path("exp/note.txt") as temporary:  # doctest: +SKIP
    ...     temporary.write_text("all or nothing")
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_name(path)
    try:
        yield temporary
        with temporary.open(
            "rb+"
        ) as file:  # Windows puts only what is open for writing on the disk
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (None, str(temporary)):
            error.filename = str(path)  # Python names no file when it is the writing that fails.
        raise
    _sync_folder(path.parent)


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Make a folder with all its files or not at all.

    Gives a new, empty folder beside it. When the block ends, that takes the final name, unless
    another process has been faster: then its folder stays.

    Parameters
    ----------
    path : str or Path
        Folder to be made.

    Yields
    ------
    Path
        Folder to write into; see `temporary_name`.
    """
    path = Path(path)
    temporary = temporary_name(path)
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        try:
            temporary.rename(path)
        except OSError:
            if not path.is_dir():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _sync_folder(folder: Path) -> None:
    """Have the system put a folder's list of files on the disk, where a system can do that."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
