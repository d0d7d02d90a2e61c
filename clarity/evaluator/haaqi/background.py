"""HAAQI beside a training loop: submit pairs now, collect their scores later."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, fields
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clarity.evaluator.haaqi.batch import Ear
from clarity.evaluator.haaqi.regression import HaaqiResult
from clarity.utils.audiogram import Audiogram, Listener
from clarity.utils.threads import lower_thread_priority

_Key = tuple[Hashable, Hashable]


class BackgroundScoringError(ValueError):
    """Some of the pairs could not be scored; the text names each with its reason."""


class BackgroundScorer:
    """Score pairs with the exact metric in threads of the lowest priority.

    The kernels of the metric run without the interpreter's lock, so that training goes on beside
    them. Signals are copied when they are submitted, and dropped when they are scored.

    Parameters
    ----------
    n_workers : int
        Pairs scored at the same time; as many cores as training leaves idle.
    max_pending : int
        Pairs that may wait or be in work. One more makes `submit` wait, so that memory is bounded
        by `max_pending` times the size of a pair.

    Examples
    --------
    >>> with BackgroundScorer() as scorer:  # doctest: +SKIP
    ...     for epoch in range(100):
    ...         train(model)
    ...         for name, mixture, reference, listener in validation_pairs:
    ...             enhanced = enhance(model, mixture)
    ...             scorer.submit(enhanced, reference, listener, 44100, name=name, group=epoch)
    ...         if epoch > 0:  # the scores of the epoch before, which are ready by now
    ...             print(scorer.collect(epoch - 1)["score"])
    """

    def __init__(self, n_workers: int = 1, max_pending: int = 64) -> None:
        if n_workers < 1 or max_pending < 1:
            raise ValueError(
                f"n_workers={n_workers} and max_pending={max_pending} must be 1 or more"
            )
        self._pool = ThreadPoolExecutor(n_workers, "haaqi", initializer=lower_thread_priority)
        self._places = threading.BoundedSemaphore(max_pending)
        self._lock = threading.Lock()
        self._closed = False
        self._futures: dict[_Key, Future[list[HaaqiResult]]] = {}

    def __enter__(self) -> BackgroundScorer:
        """Return the scorer."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the scorer."""
        self.close()

    def submit(
        self,
        processed: Any,
        reference: Any,
        hearing: Audiogram | Listener,
        sample_rate: float,
        *,
        equalisation: int = 1,
        level1: float = 65.0,
        seed: int = 0,
        name: Hashable | None = None,
        group: Hashable = None,
        wait: bool = True,
    ) -> bool:
        """Have a pair scored; may be called from any thread.

        Parameters
        ----------
        processed, reference : array_like or Tensor, shape (samples,) or (samples, 2)
            Signals; stereo is left ear, right ear. Copied.
        hearing : Audiogram or Listener
            Hearing loss of the ear, or of both ears. Stereo signals may have one audiogram.
        sample_rate : float
            Rate of both signals in Hz.
        equalisation, level1
            See `evaluate_haaqi`.
        seed : int
            Of the threshold noise; both ears draw from one stream.
        name : hashable, optional
            Of the pair, in messages and `collect_results`. Default: its number in the group.
        group : hashable, optional
            Pairs that are collected together, such as those of an epoch.
        wait : bool
            Whether to wait for a place when `max_pending` pairs are pending.

        Returns
        -------
        bool
            Whether the pair was taken; only with ``wait=False`` may it be False.

        Raises
        ------
        ValueError
            When the shapes or the hearing loss do not fit together, or the name is taken.
        RuntimeError
            When the scorer is closed.
        """
        ears = _ears(
            _as_array(processed), _as_array(reference), hearing, sample_rate, equalisation, level1
        )
        if self._closed:
            raise RuntimeError("the scorer is closed: submit inside its with block")
        if not self._places.acquire(blocking=wait):
            return False
        with self._lock:
            n_in_group = sum(key[0] == group for key in self._futures)
            key = (group, n_in_group if name is None else name)
            if key in self._futures:
                self._places.release()
                raise ValueError(f"a pair {key[1]!r} of group {group!r} is submitted already")
            future = self._pool.submit(_score, ears, seed)
            self._futures[key] = future
        future.add_done_callback(lambda _: self._places.release())
        return True

    def n_pending(self, group: Hashable = None) -> int:
        """Count the pairs of a group that are not scored yet."""
        return sum(not future.done() for future in self._of_group(group).values())

    def collect(self, group: Hashable = None) -> dict[str, float]:
        """Wait for a group and average its scores.

        Parameters
        ----------
        group : hashable, optional
            As given to `submit`.

        Returns
        -------
        dict of str to float
            Means over pairs and ears of ``score`` and of each part (`HaaqiResult`), and the count
            ``n_pairs``. The group is forgotten after that.

        Raises
        ------
        BackgroundScoringError
            When a pair could not be scored; `collect_results` has what could.
        ValueError
            When nothing was submitted.
        """
        results, errors = self._finished(group)
        if errors:
            listed = "\n  ".join(f"{name}: {error}" for name, error in errors.items())
            raise BackgroundScoringError(
                f"{len(errors)} of {len(results) + len(errors)} pairs were not scored:\n  {listed}"
            ) from next(iter(errors.values()))
        self._forget(group)
        ears = [asdict(ear) for pair in results.values() for ear in pair]
        means = {part.name: float(np.mean([ear[part.name] for ear in ears])) for part in _PARTS}
        return {**means, "n_pairs": len(results)}

    def collect_results(
        self, group: Hashable = None
    ) -> tuple[dict[Hashable, list[HaaqiResult]], dict[Hashable, Exception]]:
        """Wait for a group and return all it has; the group is forgotten after that.

        Parameters
        ----------
        group : hashable, optional
            As given to `submit`.

        Returns
        -------
        results : dict
            The results of a pair's ears, by its name.
        errors : dict
            Why a pair was not scored, by its name.

        Raises
        ------
        ValueError
            When nothing was submitted.
        """
        finished = self._finished(group)
        self._forget(group)
        return finished

    def close(self) -> None:
        """Drop what waits, finish what is in work, and end the threads."""
        self._closed = True
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _finished(
        self, group: Hashable
    ) -> tuple[dict[Hashable, list[HaaqiResult]], dict[Hashable, Exception]]:
        """Wait for a group; results and errors by name."""
        futures = self._of_group(group)
        if not futures:
            raise ValueError(f"no pair of group {group!r} was submitted")
        results: dict[Hashable, list[HaaqiResult]] = {}
        errors: dict[Hashable, Exception] = {}
        for name, future in futures.items():
            try:
                results[name] = future.result()
            except Exception as error:  # whatever it was, it belongs to whoever collects
                errors[name] = error
        return results, errors

    def _of_group(self, group: Hashable) -> dict[Hashable, Future[list[HaaqiResult]]]:
        with self._lock:
            return {key[1]: future for key, future in self._futures.items() if key[0] == group}

    def _forget(self, group: Hashable) -> None:
        with self._lock:
            self._futures = {
                key: future for key, future in self._futures.items() if key[0] != group
            }


_PARTS = fields(HaaqiResult)


def _score(ears: Sequence[Ear], seed: int) -> list[HaaqiResult]:
    """Score the ears of a pair in turn, on one thread."""
    stream = np.random.RandomState(seed)
    return [ear.evaluate(stream, n_threads=1) for ear in ears]


def _as_array(signal: Any) -> NDArray[np.floating]:
    """Copy an array or a tensor from any device."""
    if hasattr(signal, "detach"):
        signal = signal.detach().cpu().numpy()
    return np.array(signal)


def _ears(
    processed: NDArray[np.floating],
    reference: NDArray[np.floating],
    hearing: Audiogram | Listener,
    sample_rate: float,
    equalisation: int,
    level1: float,
) -> list[Ear]:
    """Ears of a pair, left first."""
    stereo = reference.ndim == 2
    if reference.shape[1:] not in ((), (2,)) or processed.shape[1:] != reference.shape[1:]:
        raise ValueError(
            "both signals must have the shape (samples,) or (samples, 2), got "
            f"{processed.shape} processed and {reference.shape} reference"
        )
    if isinstance(hearing, Listener) and not stereo:
        raise ValueError("a listener has two ears: give one audiogram for a mono signal")
    if isinstance(hearing, Listener):
        audiograms = [hearing.audiogram_left, hearing.audiogram_right]
    else:
        audiograms = [hearing] * (2 if stereo else 1)
    return [
        Ear(
            np.ascontiguousarray(reference[:, channel] if stereo else reference),
            sample_rate,
            np.ascontiguousarray(processed[:, channel] if stereo else processed),
            sample_rate,
            audiogram,
            equalisation,
            level1,
        )
        for channel, audiogram in enumerate(audiograms)
    ]
