"""Remixing: the gains the listener asked for, and the loudness of the mixture restored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from clarity.utils.loudness import integrated_loudness
from clarity.utils.memory import blocks


def apply_gains(
    stems: Mapping[str, np.ndarray], sample_rate: float, gains: Mapping[str, float]
) -> dict[str, np.ndarray]:
    """Raise or lower the level of each stem.

    Parameters
    ----------
    stems : mapping of str to ndarray
        Signals, all of one shape.
    sample_rate : float
        Not needed: a gain in dB is the same difference in loudness at any rate. Entrants'
        scripts pass it.
    gains : mapping of str to float
        Gain of each stem in dB.

    Returns
    -------
    dict of str to ndarray
        Each stem times ``10 ** (gain / 20)``, float64.

    Raises
    ------
    ValueError
        When a stem has no gain.
    """
    del sample_rate
    missing = [name for name in stems if name not in gains]
    if missing:
        raise ValueError(f"no gain for {', '.join(missing)}: gains are for {', '.join(gains)}")
    return {name: np.float64(from_db(gains[name])) * stem for name, stem in stems.items()}


def from_db(gain_db: float) -> float:
    """Return the factor that a gain in dB is for amplitudes, ``10 ** (gain / 20)``."""
    return 10.0 ** (gain_db / 20)


def level_normalisation(
    signal: np.ndarray, reference_signal: np.ndarray, sample_rate: float
) -> np.ndarray:
    """Scale a signal to the integrated loudness of another (ITU-R BS.1770-4).

    Parameters
    ----------
    signal, reference_signal : ndarray, shape (samples,) or (samples, channels)
        Silence counts as -80 LUFS.
    sample_rate : float
        Rate of both in Hz.

    Returns
    -------
    ndarray
        `signal` times one factor.
    """
    reference_lufs = integrated_loudness(reference_signal, sample_rate)
    return signal * from_db(reference_lufs - integrated_loudness(signal, sample_rate))


def remix_stems(
    stems: Mapping[str, np.ndarray], reference_signal: np.ndarray, sample_rate: float
) -> np.ndarray:
    """Sum stems and scale the sum to the loudness of a reference.

    Parameters
    ----------
    stems : mapping of str to ndarray, shape (samples, channels)
        Stems with their gains already applied.
    reference_signal : ndarray, shape (samples, channels)
        The mixture whose loudness is to be kept.
    sample_rate : float
        In Hz.

    Returns
    -------
    ndarray, shape (samples, channels)
    """
    return level_normalisation(sum_stems(stems), reference_signal, sample_rate)


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
        Integrated loudness of the mixture.
    sample_rate : float
        In Hz.

    Returns
    -------
    ndarray, shape (samples, channels)
        The same numbers as `apply_gains` followed by `remix_stems`.

    Raises
    ------
    ValueError
        See `remix`.
    """
    total = remix(stems, gains_db)
    total *= from_db(loudness_lufs - integrated_loudness(total, sample_rate))
    return total


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
        The same numbers as `apply_gains` followed by `sum_stems`.

    Raises
    ------
    ValueError
        When there is no stem, one has no gain, or their shapes differ.
    """
    total: np.ndarray | None = None
    for name, stem in stems:
        if total is None:
            total = np.zeros_like(stem, dtype=np.float64)
        if stem.shape != total.shape:
            raise ValueError(
                f"the stem {name} has the shape {stem.shape}, those before it {total.shape}"
            )
        for rows in blocks(len(stem)):
            total[rows] += apply_gains({name: stem[rows]}, np.nan, gains_db)[name]
    if total is None:
        raise ValueError("there are no stems to add up")
    return total


def sum_stems(stems: Mapping[str, np.ndarray]) -> np.ndarray:
    """Add up stems in float64, in the order of the mapping.

    Raises
    ------
    ValueError
        When there is none.
    """
    return remix(stems.items(), dict.fromkeys(stems, 0.0))
