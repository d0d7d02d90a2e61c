"""Threads: stages of successive items that overlap, items worked on side by side, shared results.

Each function gives what a plain loop gives, in the same order; only the waiting is taken out.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from clarity.utils.threads import lower_thread_priority

Item = TypeVar("Item")
Result = TypeVar("Result")

# How much music is worked on side by side, if there are cores enough.
MUSIC_SIDE_BY_SIDE_S = 480


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


class CancelToken:
    """Tells worker threads between two pieces of work that the run has been called off."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Call the run off."""
        self._event.set()

    def check(self) -> None:
        """Raise `Interrupted` when the run has been called off."""
        if self._event.is_set():
            raise Interrupted


def overlap_stages(
    items: Sequence[Item], chain: Callable[[Item], Iterator[None]], cancel: CancelToken
) -> None:
    """Run a chain of three stages on items: the next is read while this one is worked on.

    The middle stage runs in the calling thread, beside the first one of the next item and the last
    one of the item before. No more than that is in memory: an item is finished before the next but
    one enters the middle stage. The other two threads take what the calling thread leaves of the
    processor: PyTorch's threads wait for each other after every operation, so that one that is
    held up holds up all.

    Parameters
    ----------
    items : sequence
    chain : callable
        Returns a generator for an item; its two ``yield`` are the ends of the first and the second
        stage. One that ends earlier has no more to do.
    cancel : CancelToken
        Cancelled when an exception ends the run, so that long stages can end early.

    Raises
    ------
    Exception
        The first one that a stage raised.
    """
    if not items:
        return
    with (
        _threads(1, cancel, lower_thread_priority) as reader,
        _threads(1, cancel, lower_thread_priority) as last,
    ):
        finishing: Future[None] | None = None
        following = chain(items[0])
        reading = reader.submit(next, following, None)
        for number in range(1, len(items) + 1):
            reading.result()
            current = following
            if number < len(items):
                following = chain(items[number])
                reading = reader.submit(next, following, None)
            next(current, None)
            if finishing is not None:
                finishing.result()
            finishing = last.submit(next, current, None)
        if finishing is not None:
            finishing.result()


def ordered_parallel_map(
    items: Sequence[Item],
    work: Callable[[Item], Result],
    finish: Callable[[Item, Result], None],
    n_workers: int,
    cancel: CancelToken,
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
    cancel : CancelToken
        Cancelled when an exception ends the run.

    Raises
    ------
    Exception
        The first one, in the order of the items.
    """
    with _threads(n_workers, cancel) as pool:
        ahead: deque[tuple[Item, Future[Result]]] = deque()
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
    count: int, cancel: CancelToken, begin: Callable[[], None] | None = None
) -> Iterator[ThreadPoolExecutor]:
    """Give a pool of threads that ends with the block, at once on Ctrl-C."""
    pool = ThreadPoolExecutor(count, initializer=begin)
    try:
        yield pool
    except BaseException as error:
        cancel.cancel()
        # Ctrl-C does not wait for work in progress: files are written whole or not at all.
        pool.shutdown(wait=isinstance(error, Exception), cancel_futures=True)
        raise
    pool.shutdown()


class SharedCache(Generic[Result]):
    """Results that several threads need: each is made once, and the latest few are kept.

    Parameters
    ----------
    count : int
        How many are kept.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._lock = threading.Lock()
        self._results: dict[str, Future[Result]] = {}

    def get(self, key: str, make: Callable[[], Result]) -> Result:
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
