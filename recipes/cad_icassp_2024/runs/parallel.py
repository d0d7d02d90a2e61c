"""Doing three things at once, in order: read the next, work on this one, finish the last."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Item = TypeVar("Item")
Loaded = TypeVar("Loaded")
Worked = TypeVar("Worked")


# How much music is worked on side by side, if there are cores enough.
MUSIC_SIDE_BY_SIDE_S = 480

LOWEST_PRIORITY = 19  # setpriority(2)


def n_side_by_side(n_cores: int, longest_s: float) -> int:
    """Return how many signals to work on side by side: two whole songs, or more excerpts.

    Parameters
    ----------
    n_cores : int
        How many threads may work.
    longest_s : float
        Length of the longest signal in seconds; it decides how much memory each takes.
    """
    return min(n_cores, max(2, int(MUSIC_SIDE_BY_SIDE_S / longest_s)))


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
    The other threads take what the calling thread leaves of the processor: PyTorch's threads wait
    for each other after every operation, so that one that is held up holds up all.

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
    with _threads(1, stop, _stand_back) as loader, _threads(1, stop, _stand_back) as finisher:
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


def run_side_by_side(
    items: Sequence[Item],
    work: Callable[[Item], Worked],
    finish: Callable[[Item, Worked], None],
    n_workers: int,
    stop: Stop,
) -> None:
    """Work on several items at the same time and finish them in order in the calling thread.

    Parameters
    ----------
    items : sequence
    work : callable
        Runs in threads, for no more than `n_workers` items at a time and as many ahead.
    finish : callable
        Given each item and what `work` returned for it.
    n_workers : int
        How many items at a time.
    stop : Stop
        Set when an exception ends the run.

    Raises
    ------
    Exception
        The first one, in the order of the items.
    """
    with _threads(n_workers, stop) as pool:
        ahead: deque[tuple[Item, Future[Worked]]] = deque()
        for item in items:
            ahead.append((item, pool.submit(work, item)))
            if len(ahead) > n_workers:
                first, future = ahead.popleft()
                finish(first, future.result())
        while ahead:
            first, future = ahead.popleft()
            finish(first, future.result())


@contextlib.contextmanager
def _threads(
    count: int, stop: Stop, begin: Callable[[], None] | None = None
) -> Iterator[ThreadPoolExecutor]:
    """Give a pool of threads that ends with the block, at once on Ctrl-C."""
    pool = ThreadPoolExecutor(count, initializer=begin)
    try:
        yield pool
    except BaseException as error:
        stop.now()
        # Ctrl-C does not wait for work in progress: files are written whole or not at all.
        pool.shutdown(wait=isinstance(error, Exception), cancel_futures=True)
        raise
    pool.shutdown()


def _stand_back() -> None:
    """Take the lowest priority for this thread and those it starts; only Linux has one for each."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)


class Kept(Generic[Worked]):
    """Results that several threads need: each is made once, and the latest few are kept.

    Parameters
    ----------
    count : int
        How many are kept.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._lock = threading.Lock()
        self._results: dict[str, Future[Worked]] = {}

    def get(self, key: str, make: Callable[[], Worked]) -> Worked:
        """Return the result for a key; a second thread that asks for it waits for the first.

        Parameters
        ----------
        key : str
        make : callable
            Makes the result; what it raises is raised to all who wait, and is not kept.
        """
        with self._lock:
            known = self._results.get(key)
            future = known or Future()
            if known is None:
                self._results[key] = future
                for oldest in list(self._results)[: -self._count]:
                    del self._results[oldest]
        if known is None:
            try:
                future.set_result(make())
            except BaseException as error:
                future.set_exception(error)
                with self._lock:
                    self._results.pop(key, None)
        return future.result()
