"""The audiogram: hearing thresholds of one ear."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

DEFAULT_CLARITY_AUDIOGRAM_FREQUENCIES: Final = np.array(
    [250.0, 500.0, 1000.0, 2000.0, 3000.0, 4000.0, 6000.0, 8000.0]
)
"""Frequencies in Hz at which the Clarity and Cadenza listeners were measured."""

FULL_STANDARD_AUDIOGRAM_FREQUENCIES: Final = np.array(
    [
        *(125.0, 250.0, 500.0, 750.0, 1000.0, 1500.0, 2000.0, 3000.0),
        *(4000.0, 6000.0, 8000.0, 10000.0, 12000.0, 14000.0, 16000.0),
    ]
)
"""Frequencies in Hz of an audiogram that takes in the extended high frequencies."""

SEVERITY_RANGE_HZ: Final = (2000.0, 8000.0)
SEVERITY_LIMITS_DB: Final = (("NOTHING", 15.0), ("MILD", 35.0), ("MODERATE", 56.0))


class AudiogramTypeError(ValueError, TypeError):
    """What was given as levels, frequencies or an audiogram is something else."""


@dataclass(eq=False)
class Audiogram:
    """Hearing thresholds of one ear.

    Parameters
    ----------
    levels : array_like, shape (n_frequencies,)
        Thresholds in dB HL; positive is a loss. None or NaN where none was measured.
    frequencies : array_like, shape (n_frequencies,)
        Frequencies in Hz, ascending. Default: `DEFAULT_CLARITY_AUDIOGRAM_FREQUENCIES`.

    Raises
    ------
    ValueError
        When this cannot be an audiogram: nothing in it, unequal lengths, frequencies that repeat,
        do not ascend or are not above 0 Hz, infinite levels. An `AudiogramTypeError`, which is a
        `TypeError` too, when it is no list of numbers.

    Notes
    -----
    Levels and frequencies are kept as float64 copies. What is assigned to them later is checked in
    the same way, and single levels that were written to are checked when they are used. For other
    frequencies in another number, make another audiogram.

    Examples
    --------
    >>> sloping = Audiogram(levels=[10, 20, 40], frequencies=[500, 1000, 4000])
    >>> sloping.levels += 5
    >>> sloping.resample([500, 2000, 8000]).levels
    array([15., 35., 45.])
    """

    levels: npt.NDArray[np.float64]
    frequencies: npt.NDArray[np.float64] = field(
        default_factory=DEFAULT_CLARITY_AUDIOGRAM_FREQUENCIES.copy
    )

    def __setattr__(self, name: str, value: Any) -> None:
        """Check what is assigned, and keep a copy."""
        if name == "levels":
            value = _as_levels(value)
        elif name == "frequencies":
            value = _as_frequencies(value)
        kept = {**vars(self), name: value}
        if {"levels", "frequencies"} <= kept.keys():
            _require_equal_sizes(kept["levels"], kept["frequencies"])
        super().__setattr__(name, value)

    def _check(self) -> None:
        """Check again, because single levels and frequencies can be written to."""
        _as_levels(self.levels)
        _as_frequencies(self.frequencies)

    def __eq__(self, other: object) -> bool:
        """Two audiograms are equal when their levels and frequencies are."""
        if not isinstance(other, Audiogram):
            return NotImplemented
        return np.array_equal(self.levels, other.levels, equal_nan=True) and np.array_equal(
            self.frequencies, other.frequencies
        )

    __hash__ = None  # type: ignore[assignment]  # it can change

    @property
    def severity(self) -> str:
        """Class of the loss: NOTHING, MILD, MODERATE or SEVERE.

        The mean of the levels measured from 2 to 8 kHz decides: up to 15, up to 35, up to 56 and
        above 56 dB HL. Without any of these it is NOTHING.
        """
        self._check()
        lowest_hz, highest_hz = SEVERITY_RANGE_HZ
        counted = (self.frequencies >= lowest_hz) & (self.frequencies <= highest_hz)
        measured = self.levels[counted & ~np.isnan(self.levels)]
        mean_level_db = measured.mean() if measured.size else 0.0
        for severity, limit_db in SEVERITY_LIMITS_DB:
            if mean_level_db <= limit_db:
                return severity
        return "SEVERE"

    def has_frequencies(self, frequencies: npt.ArrayLike) -> bool:
        """Whether every one of some frequencies in Hz was measured."""
        return bool(np.all(np.isin(np.asarray(frequencies, dtype=float), self.frequencies)))

    def resample(self, new_frequencies: npt.ArrayLike, linear_frequency: bool = False) -> Audiogram:
        """Levels at other frequencies.

        Interpolates linearly between neighbouring levels in dB; outside the measured range the
        level at its end is held. Next to a level that was not measured there is none (NaN).

        Parameters
        ----------
        new_frequencies : array_like, shape (n_new,)
            Frequencies in Hz, ascending.
        linear_frequency : bool
            Interpolate over frequency in Hz instead of its logarithm.

        Returns
        -------
        Audiogram
            Audiogram at `new_frequencies`.

        Raises
        ------
        ValueError
            When `new_frequencies` cannot be those of an audiogram.
        """
        self._check()
        wanted_hz = _as_frequencies(new_frequencies)
        if linear_frequency:
            levels = np.interp(wanted_hz, self.frequencies, self.levels)
        else:
            levels = np.interp(np.log(wanted_hz), np.log(self.frequencies), self.levels)
        return Audiogram(levels, wanted_hz)

    def levels_for(self, purpose: str, frequencies: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Levels at other frequencies, for a calculation that cannot do without any of them.

        Parameters
        ----------
        purpose : str
            The calculation, for the message.
        frequencies : array_like, shape (n_new,)
            Frequencies in Hz, ascending.

        Returns
        -------
        ndarray, shape (n_new,)
            The levels of `resample` in dB HL.

        Raises
        ------
        ValueError
            When one of them is missing; the message says which, and what was not measured.
        """
        resampled = self.resample(frequencies)
        missing = resampled.frequencies[np.isnan(resampled.levels)]
        if missing.size:
            unmeasured = self.frequencies[np.isnan(self.levels)]
            raise ValueError(
                f"{purpose} needs the level at {_in_hz(missing)}; this audiogram has none at "
                f"{_in_hz(unmeasured)}"
            )
        return resampled.levels


def _in_hz(frequencies: npt.NDArray[np.float64]) -> str:
    return f"{', '.join(f'{frequency:g}' for frequency in frequencies)} Hz"


def _as_levels(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    levels = _as_vector(values, "Levels")
    if np.isinf(levels).any():
        raise ValueError(f"Levels must be finite numbers, got {levels.tolist()}")
    return levels


def _as_frequencies(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    frequencies = _as_vector(values, "Frequencies")
    listed = frequencies.tolist()
    if not np.all(np.isfinite(frequencies)):
        raise ValueError(f"Frequencies must be finite numbers, got {listed}")
    if frequencies.min() <= 0.0:
        raise ValueError(f"Frequencies must be above 0 Hz, got {listed} Hz")
    if np.unique(frequencies).size != frequencies.size:
        raise ValueError(f"Frequencies must be unique, got {listed} Hz")
    if np.any(np.diff(frequencies) < 0.0):
        raise ValueError(f"Frequencies must be in ascending order, got {listed} Hz")
    return frequencies


def _as_vector(values: npt.ArrayLike, what: str) -> npt.NDArray[np.float64]:
    """Copy to a vector, None as NaN; `what` names it in errors."""
    try:
        vector = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise AudiogramTypeError(f"{what} must be a list of numbers, got {values!r}") from None
    if vector.ndim != 1 or vector.size == 0:
        raise AudiogramTypeError(f"{what} must be a list of one or more numbers, got {values!r}")
    return vector


def _require_equal_sizes(
    levels: npt.NDArray[np.float64], frequencies: npt.NDArray[np.float64]
) -> None:
    if levels.size != frequencies.size:
        raise ValueError(
            f"Levels ({levels.size}) and frequencies ({frequencies.size}) must have the same length"
        )
