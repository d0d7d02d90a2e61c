"""Ctrl-C and the SIGTERM of a batch system: one line and an exit code instead of a traceback.

Programs call this, libraries do not. It imports nothing that takes time, so that it can come first.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, NoReturn

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Terminated(KeyboardInterrupt):
    """Raised where SIGTERM asks the program to end, as `KeyboardInterrupt` is for Ctrl-C."""


def exit_code(stopped: KeyboardInterrupt) -> int:
    """Return the exit code that a shell expects of a program that was stopped.

    Parameters
    ----------
    stopped : KeyboardInterrupt

    Returns
    -------
    int
        128 and the signal's number: 130 for Ctrl-C, 143 for SIGTERM.
    """
    return 128 + (signal.SIGTERM if isinstance(stopped, Terminated) else signal.SIGINT)


def end_at_once_when_stopped() -> None:
    """Let Ctrl-C and SIGTERM end the program with one line while it has nothing to lose.

    For the seconds in which a program imports its libraries: an exception there would come out of
    the middle of one of them.
    """
    for number in _SIGNALS:
        signal.signal(number, _end_at_once)


def _end_at_once(number: int, frame: FrameType | None) -> NoReturn:
    os.write(2, b"\nStopped.\n")
    os._exit(128 + number)


@contextmanager
def raised_when_stopped() -> Iterator[None]:
    """Let Ctrl-C raise `KeyboardInterrupt` and SIGTERM `Terminated` in a block of the main thread.

    Raises
    ------
    KeyboardInterrupt
        In the block, when the program is stopped.
    """
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _raise_terminated)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _raise_terminated(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated
