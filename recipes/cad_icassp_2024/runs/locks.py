"""Locks between processes; the system drops them when their holder ends, however it ends.

A lock ``name.lock`` has ``name.holder`` beside it, which says who took it last; it is a file of its
own because Windows lets nobody read a locked one.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

log = logging.getLogger(__name__)

# What a system says of file systems that have no locks, as some network file systems.
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}

# Longer than another process needs to look whether a lock is held.
_PATIENCE_S = 0.5


class HeldError(Exception):
    """Another process holds the lock; the message says which."""


@contextlib.contextmanager
def hold(path: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold a lock, with a warning where the file system has none.

    Parameters
    ----------
    path : Path
        ``name.lock``; its folder is made.
    wait : bool
        Whether to wait until it is free.

    Raises
    ------
    HeldError
        When another process holds it, unless told to wait.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, timeout=-1 if wait else _PATIENCE_S)
    try:
        lock.acquire()
    except Timeout:
        raise HeldError(_last_holder(path)) from None
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
            raise
        log.warning(
            "the file system of %s has no locks (%s): see to it that no two processes do the "
            "same work there",
            path.parent.parent,
            error,
        )
    try:
        with contextlib.suppress(OSError):  # the lock holds without it, on a full disk too
            path.with_suffix(".holder").write_text(
                f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8"
            )
        yield
    finally:
        lock.release()


def holder(path: Path) -> str | None:
    """Return who holds a lock, or None when no process does."""
    try:
        with FileLock(path, timeout=0):
            return None
    except Timeout:
        return _last_holder(path)
    except (OSError, NotImplementedError):
        return None  # a file system without locks, of which `hold` has warned


def _last_holder(path: Path) -> str:
    with contextlib.suppress(OSError, ValueError):
        return path.with_suffix(".holder").read_text(encoding="utf-8") or "another process"
    return "another process"
