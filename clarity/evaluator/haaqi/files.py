"""HAAQI of audio files: which channel is which ear, and how loud they play."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clarity.evaluator.haaqi.regression import HaaqiResult
from clarity.utils.audiogram import Audiogram, Listener
from clarity.utils.file_io import open_audio

logger = logging.getLogger(__name__)

EARS = ("left", "right")

_DURATION_TOLERANCE_S = 0.25


@dataclass(frozen=True)
class FileScorer:
    """Score audio files against references, for one audiogram or for listeners.

    Attributes
    ----------
    hearing : Audiogram or mapping of str to Listener
        Hearing loss of all ears, or listeners by their id.
    ear : str, optional
        ``left`` or ``right``: score this ear only; needed for mono files of listeners.
    equalisation : int
        See `evaluate_haaqi`.
    level1 : float
        Level in dB SPL of a signal with an RMS of 1.
    reference_level : float, optional
        Level in dB SPL of each channel of the reference, instead of `level1`.
    seed : int
        Of the threshold noise of each pair of files.
    engine : str
        See `evaluate_haaqi`.
    n_threads : int, optional
        Threads for one ear.

    Raises
    ------
    ValueError
        When a level or the seed is out of range.
    """

    hearing: Audiogram | Mapping[str, Listener]
    ear: str | None = None
    equalisation: int = 1
    level1: float = 65.0
    reference_level: float | None = None
    seed: int = 0
    engine: str = "compiled"
    n_threads: int | None = None

    def __post_init__(self) -> None:
        """Check the levels."""
        for name in ("level1", "reference_level"):
            value = getattr(self, name)
            if value is not None and not -100 <= value <= 200:
                raise ValueError(
                    f"--{name.replace('_', '-')} {value}: must be from -100 to 200 dB SPL"
                )
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"--seed {self.seed}: must be from 0 to {2**32 - 1}")

    def score(
        self, reference_file: Path, processed_file: Path, listener: str | None = None
    ) -> dict[str, HaaqiResult]:
        """Score each ear.

        Parameters
        ----------
        reference_file, processed_file : Path
            Mono or stereo, left ear first.
        listener : str, optional
            Id of the listener, when `hearing` has listeners.

        Returns
        -------
        dict
            Result by ear; the key is ``mono`` for one channel and one audiogram.

        Raises
        ------
        FileNotFoundError
            When a file is missing.
        ValueError
            When the files, the listener and the ear do not fit together or cannot be scored.
        """
        reference, reference_rate = _read(reference_file)
        processed, processed_rate = _read(processed_file)
        if reference.shape[1] != processed.shape[1]:
            raise ValueError(
                f"{reference_file} has {_channels(reference)} but {processed_file} has "
                f"{_channels(processed)}; both must be mono or both stereo"
            )
        durations_s = len(reference) / reference_rate, len(processed) / processed_rate
        if abs(durations_s[0] - durations_s[1]) > _DURATION_TOLERANCE_S:
            logger.warning(
                "%s lasts %.2f s, %s %.2f s; only what both have is scored",
                *(reference_file, durations_s[0], processed_file, durations_s[1]),
            )
        # Imported here, so that --help and complaints of the files do not wait for numba.
        from clarity.evaluator.haaqi.haaqi import evaluate_haaqi  # noqa: PLC0415

        stream = np.random.RandomState(self.seed)
        results = {}
        for ear, channel in self._channels(reference.shape[1]).items():
            audiogram = self.audiogram(ear, listener)
            x, y = reference[:, channel], processed[:, channel]
            try:
                results[ear] = evaluate_haaqi(
                    *(x, reference_rate, y, processed_rate, audiogram),
                    self.equalisation,
                    self._level1(x),
                    random_state=stream,
                    n_threads=self.n_threads,
                    engine=self.engine,
                )
            except ValueError as error:
                where = f" ({ear} ear)" if ear in EARS else ""
                raise ValueError(f"{error}{where}") from error
        return results

    def audiogram(self, ear: str, listener: str | None) -> Audiogram:
        """Audiogram of an ear; raises ValueError when there is no such listener."""
        if isinstance(self.hearing, Audiogram):
            return self.hearing
        if listener is None or listener not in self.hearing:
            wanted = f"no listener {listener}" if listener else "no --listener ID given"
            some = ", ".join(list(self.hearing)[:5])
            raise ValueError(f"{wanted}: there are {len(self.hearing)}, such as {some}")
        found = self.hearing[listener]
        return found.audiogram_left if ear == EARS[0] else found.audiogram_right

    def _channels(self, n_channels: int) -> dict[str, int]:
        """Which channel each result comes from."""
        if n_channels == len(EARS):
            return {ear: i for i, ear in enumerate(EARS) if self.ear in (None, ear)}
        if self.ear is None and not isinstance(self.hearing, Audiogram):
            raise ValueError(
                "the files are mono: say with --ear left or --ear right whose ear it is"
            )
        return {self.ear or "mono": 0}

    def _level1(self, reference: NDArray[np.float64]) -> float:
        """Level in dB SPL of an RMS of 1; silence, which has none, is an error later on."""
        rms = np.sqrt(np.mean(reference**2)) if reference.size else 0.0
        if self.reference_level is None or rms == 0.0:
            return self.level1
        return self.reference_level - 20.0 * float(np.log10(rms))


def _channels(samples: NDArray[np.float64]) -> str:
    """Say how many channels there are."""
    return "1 channel" if samples.shape[1] == 1 else f"{samples.shape[1]} channels"


def _read(path: Path) -> tuple[NDArray[np.float64], int]:
    """Read a file as (samples, channels) and its rate."""
    with open_audio(path) as file:
        samples, rate = file.read(dtype="float64", always_2d=True), file.samplerate
    if samples.shape[1] > len(EARS):
        raise ValueError(f"{path} has {samples.shape[1]} channels; one or two can be scored")
    return samples, rate
