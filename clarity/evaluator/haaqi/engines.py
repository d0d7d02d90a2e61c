"""The two ways to compute the ear: as the model is defined, and by compiled kernels.

Both give the same numbers. `ReferenceEngine` runs the functions of `ear_model`; `CompiledEngine` is
some twenty times faster on two cores, needs little memory for long signals, and computes what HAAQI
prescribes only: both signals heard with one loss, in segments of 16 ms.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numba
import numpy as np
from numpy.typing import NDArray

from clarity.evaluator.ear_model.alignment import align_and_prune
from clarity.evaluator.ear_model.constants import N_BANDS
from clarity.evaluator.ear_model.covariance import SEGMENT
from clarity.evaluator.ear_model.hearing_loss import HearingLoss
from clarity.evaluator.ear_model.model import Comparison, compare_signals
from clarity.evaluator.ear_model.threshold_noise import RandomStream
from clarity.evaluator.engine.alignment import bulk_delay
from clarity.evaluator.engine.comparison import CochlearComparison
from clarity.evaluator.engine.middle_ear import middle_ear
from clarity.evaluator.engine.noise import StreamStates, restore_state, scan_stream_states
from clarity.evaluator.haaqi.inputs import checked_engine


@dataclass(frozen=True)
class EarSettings:
    """The ear that hears both signals.

    Attributes
    ----------
    losses : tuple of two HearingLoss
        Loss with which it hears the reference and the processed signal.
    level1 : float
        Level in dB SPL of a signal with an RMS of 1.
    threshold_db : float
        Level in dB SL that a segment must exceed to be compared.
    segment : int
        Samples in a segment of the covariance.
    """

    losses: tuple[HearingLoss, HearingLoss]
    level1: float
    threshold_db: float
    segment: int

    @property
    def is_prescribed(self) -> bool:
        """Whether HAAQI hears like this: with one loss, in segments of 16 ms."""
        return self.losses[0] is self.losses[1] and self.segment == SEGMENT


class Engine(Protocol):
    """What HAAQI asks of an engine: first to align, then to compare."""

    def align(
        self, reference: NDArray[np.float64], processed: NDArray[np.float64], span: slice
    ) -> list[NDArray[np.float64]]:
        """Align two signals and cut them to a span, see `ear_model.alignment.align_and_prune`."""

    def compare(self, signals: list[NDArray[np.float64]]) -> Comparison:
        """Run both signals through the ear, see `ear_model.model.compare_signals`.

        The list may be left empty, so that a long piece is not kept longer than needed.
        """


class ReferenceEngine:
    """The functions of `ear_model`, one after the other."""

    def __init__(self, ear: EarSettings, stream: RandomStream) -> None:
        self.ear = ear
        self.stream = stream

    def align(
        self, reference: NDArray[np.float64], processed: NDArray[np.float64], span: slice
    ) -> list[NDArray[np.float64]]:
        """Align two signals and cut them to a span."""
        return list(align_and_prune(reference, processed, span))

    def compare(self, signals: list[NDArray[np.float64]]) -> Comparison:
        """Run both signals through the ear."""
        ear = self.ear
        reference, processed = signals
        return compare_signals(
            (reference, processed), ear.losses, ear.level1, self.stream, ear.segment
        )


class CompiledEngine:
    """Kernels of `engine`, the bands shared among threads.

    Where the noise of each band begins in the random stream depends on the length of the signals
    alone, so one thread looks for it while the others align.
    """

    def __init__(
        self, ear: EarSettings, stream: RandomStream, pool: ThreadPoolExecutor, n_threads: int
    ) -> None:
        self.ear = ear
        self.stream = stream
        self.pool = pool
        self.n_threads = n_threads

    def align(
        self, reference: NDArray[np.float64], processed: NDArray[np.float64], span: slice
    ) -> list[NDArray[np.float64]]:
        """Align two signals and cut them to a span."""
        n_samples = span.stop - span.start
        self.noise: Future[StreamStates] = self.pool.submit(
            scan_stream_states, self.stream, n_samples, 2 * N_BANDS
        )
        find_delay = partial(bulk_delay, n_threads=max(self.n_threads - 1, 1))
        return list(align_and_prune(reference, processed, span, find_delay))

    def compare(self, signals: list[NDArray[np.float64]]) -> Comparison:
        """Run both signals through the ear."""
        ear = self.ear
        model = CochlearComparison(ear.losses[0], ear.level1, ear.threshold_db, self.pool)
        reference, processed = self.pool.map(middle_ear, signals)
        signals.clear()
        comparison = model.compare(reference, processed, self.noise)
        restore_state(self.stream, self.noise.result(), 2 * N_BANDS)
        return comparison


@contextmanager
def open_engine(
    name: str, ear: EarSettings, stream: RandomStream, n_threads: int | None
) -> Iterator[Engine]:
    """Engine for one comparison.

    Parameters
    ----------
    name : str
        One of `inputs.ENGINES`. For an ear that HAAQI does not prescribe it is the reference in
        any case.
    ear : EarSettings
        How it is to hear.
    stream : numpy.random.RandomState
        Where the threshold noise is drawn from; advanced.
    n_threads : int, optional
        Threads of the compiled engine. Default: ``NUMBA_NUM_THREADS``.

    Yields
    ------
    Engine
        To be used inside the block, which ends its threads.

    Raises
    ------
    ValueError
        When there is no engine of that name.
    """
    if checked_engine(name) == "reference" or not ear.is_prescribed:
        yield ReferenceEngine(ear, stream)
        return
    n_threads = n_threads or numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
    with ThreadPoolExecutor(n_threads) as pool:
        yield CompiledEngine(ear, stream, pool, n_threads)


def skip_normals(stream: RandomStream, n_draws: int) -> None:
    """Leave a random stream where drawing so many standard normals would leave it."""
    restore_state(stream, scan_stream_states(stream, n_draws, 1), 1)
