"""Doing three things at once, in order: read the next, work on this one, finish the last."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Loaded = TypeVar("Loaded")
Worked = TypeVar("Worked")


class Interrupted(Exception):  # noqa: N818 - not an error: the work was called off
    """Raised in a worker thread when the run has been stopped."""


class Stop:
    """Tells worker threads between two pieces of work that the run has been called off."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def now(self) -> None:
        """Call the run off."""
        self._event.set()

    def check(self) -> None:
        """Raise `Interrupted` when the run has been called off."""
        if self._event.is_set():
            raise Interrupted


def run_in_order(
    items: Sequence[Item],
    load: Callable[[Item], Loaded],
    work: Callable[[Item, Loaded], Worked],
    finish: Callable[[Item, Worked], None],
) -> None:
    """Load, work on and finish items one after the other.

    Parameters
    ----------
    items : sequence
    load, work, finish : callable
        The three steps; each is given the item and what the step before it returned.
    """
    for item in items:
        finish(item, work(item, load(item)))


def run_overlapped(
    items: Sequence[Item],
    load: Callable[[Item], Loaded],
    work: Callable[[Item, Loaded], Worked],
    finish: Callable[[Item, Worked], None],
    stop: Stop,
) -> None:
    """Do what `run_in_order` does, with loading and finishing in threads of their own.

    While an item is worked on in the calling thread, the next one is loaded and the last one is
    finished. No more than that is in memory: an item is finished before the next but one is begun.

    Parameters
    ----------
    items : sequence
    load, work, finish : callable
        As for `run_in_order`; each step sees the items in order, so that results are the same.
    stop : Stop
        Set when an exception ends the run, so that long steps can end early.

    Raises
    ------
    Exception
        The first one that a step raised.
    """
    if not items:
        return
    with (
        ThreadPoolExecutor(1, "load") as loader,
        ThreadPoolExecutor(1, "finish") as finisher,
    ):
        try:
            finishing: Future[None] | None = None
            loading = loader.submit(load, items[0])
            for index, item in enumerate(items):
                loaded = loading.result()
                if index + 1 < len(items):
                    loading = loader.submit(load, items[index + 1])
                worked = work(item, loaded)
                del loaded
                if finishing is not None:
                    finishing.result()
                finishing = finisher.submit(finish, item, worked)
                del worked
            if finishing is not None:
                finishing.result()
        except BaseException:
            stop.now()
            loader.shutdown(wait=False, cancel_futures=True)
            finisher.shutdown(wait=False, cancel_futures=True)
            raise
