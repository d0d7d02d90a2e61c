"""HAAQI of many ears on all cores."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import ArrayLike

from clarity.evaluator.ear_model.threshold_noise import RandomStream
from clarity.evaluator.haaqi.haaqi import evaluate_haaqi
from clarity.evaluator.haaqi.inputs import checked_threads
from clarity.evaluator.haaqi.regression import HaaqiResult
from clarity.utils.audiogram import Audiogram


@dataclass(frozen=True, eq=False)
class Ear:
    """What one ear is given to compare.

    Attributes
    ----------
    reference, processed : array_like, shape (samples,)
        Signals.
    reference_sample_rate, processed_sample_rate : float
        Their sampling rates in Hz.
    audiogram : Audiogram
        Hearing loss of the ear.
    equalisation : int
        1 when NAL-R is still to be applied to the reference, 2 when it was.
    level1 : float
        Level in dB SPL of a signal with an RMS of 1.
    """

    reference: ArrayLike
    reference_sample_rate: float
    processed: ArrayLike
    processed_sample_rate: float
    audiogram: Audiogram
    equalisation: int = 1
    level1: float = 65.0

    def evaluate(
        self, random_state: RandomStream | None = None, n_threads: int | None = None
    ) -> HaaqiResult:
        """HAAQI of this ear, see `evaluate_haaqi`."""
        return evaluate_haaqi(
            self.reference,
            self.reference_sample_rate,
            self.processed,
            self.processed_sample_rate,
            self.audiogram,
            self.equalisation,
            self.level1,
            random_state=random_state,
            n_threads=n_threads,
        )


def evaluate_listeners(
    listeners: Iterable[Sequence[Ear]], seeds: Iterable[int], n_threads: int | None = None
) -> list[list[HaaqiResult]]:
    """HAAQI of the ears of several listeners, one listener to a thread.

    The ears of a listener share one random stream, in their order; the result is that of seeding
    NumPy with the listener's seed and scoring the ears one after the other, bit for bit.

    Parameters
    ----------
    listeners : iterable of sequences of Ear
        The ears of each listener, such as (left, right).
    seeds : iterable of int
        Seed of each listener.
    n_threads : int, optional
        Threads to use. Default: ``NUMBA_NUM_THREADS``.

    Returns
    -------
    list of lists of HaaqiResult
        Results in the order of the input.

    Raises
    ------
    ValueError
        When an ear cannot be scored, or there are not as many seeds as listeners.
    """
    n_threads = checked_threads(n_threads) or numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
    with ThreadPoolExecutor(n_threads) as pool:
        futures = [
            pool.submit(_evaluate_listener, ears, seed)
            for ears, seed in zip(listeners, seeds, strict=True)
        ]
        return [future.result() for future in futures]


def _evaluate_listener(ears: Sequence[Ear], seed: int) -> list[HaaqiResult]:
    """Score the ears of one listener in turn."""
    stream = np.random.RandomState(seed)
    return [ear.evaluate(stream, n_threads=1) for ear in ears]
