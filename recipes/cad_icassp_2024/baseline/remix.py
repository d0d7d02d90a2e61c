"""Remixing: the gains the listener asked for, and the loudness of the mixture restored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from clarity.utils.loudness import integrated_loudness
from clarity.utils.memory import blocks


class MissingGainError(ValueError, KeyError):
    """A stem has no gain."""

    __str__ = ValueError.__str__  # that of KeyError puts the message into quotes


def from_db(gain_db: float) -> float:
    """Return the factor that a gain in dB is for amplitudes, ``10 ** (gain / 20)``."""
    return 10.0 ** (gain_db / 20)


def remix(stems: Iterable[tuple[str, np.ndarray]], gains_db: Mapping[str, float]) -> np.ndarray:
    """Apply gains and sum, with one stem at a time beside the sum in memory.

    Parameters
    ----------
    stems : iterable of (str, ndarray of shape (samples, channels))
        May read each stem when its turn comes.
    gains_db : mapping of str to float
        Gain of each stem in dB.

    Returns
    -------
    ndarray, shape (samples, channels)
        The sum of the stems, each times ``10 ** (gain / 20)``, in float64.

    Raises
    ------
    ValueError
        When there is no stem, one has no gain, or their shapes differ.
    """
    total: np.ndarray | None = None
    for name, stem in stems:
        if name not in gains_db:
            raise MissingGainError(f"no gain for {name}: gains are for {', '.join(gains_db)}")
        if total is None:
            total = np.zeros_like(stem, dtype=np.float64)
        if stem.shape != total.shape:
            raise ValueError(
                f"the stem {name} has the shape {stem.shape}, those before it {total.shape}"
            )
        factor = np.float64(from_db(gains_db[name]))
        for rows in blocks(len(stem)):
            total[rows] += factor * stem[rows]
    if total is None:
        raise ValueError("there are no stems to add up")
    return total


def remix_to_loudness(
    stems: Iterable[tuple[str, np.ndarray]],
    gains_db: Mapping[str, float],
    loudness_lufs: float,
    sample_rate: float,
) -> np.ndarray:
    """Apply gains, sum, and scale the sum to a loudness that was measured once per mixture.

    Parameters
    ----------
    stems : iterable of (str, ndarray of shape (samples, channels))
        May read each stem when its turn comes.
    gains_db : mapping of str to float
        Gain of each stem in dB.
    loudness_lufs : float
        Integrated loudness of the mixture (ITU-R BS.1770-4).
    sample_rate : float
        In Hz.

    Returns
    -------
    ndarray, shape (samples, channels)

    Raises
    ------
    ValueError
        See `remix`.
    """
    total = remix(stems, gains_db)
    total *= from_db(loudness_lufs - integrated_loudness(total, sample_rate))
    return total
