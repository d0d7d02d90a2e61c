"""Integrated loudness (ITU-R BS.1770-4), measured piece by piece."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

SILENCE_LUFS: Final = -80.0
"""Loudness that stands for that of a signal without any."""

BLOCK_S: Final = 0.4
HOPS_PER_BLOCK: Final = 4  # blocks overlap by 75 %
_CHANNEL_WEIGHTS: Final = np.array([1.0, 1.0, 1.0, 1.41, 1.41])
FULL_SCALE_LUFS: Final = -0.691
ABSOLUTE_GATE_LUFS: Final = -70.0
RELATIVE_GATE_LU: Final = -10.0
_HOPS_AT_ONCE: Final = 8  # as many as the processor's cache holds


def integrated_loudness(signal: npt.NDArray[np.floating], sample_rate: float) -> float:
    """Integrated loudness of a signal (ITU-R BS.1770-4).

    Parameters
    ----------
    signal : ndarray, shape (samples,) or (samples, channels)
        The signal, full scale 1; up to five channels: left, right, centre, left and right
        surround.
    sample_rate : float
        Sampling rate in Hz.

    Returns
    -------
    float
        Loudness in LUFS; `SILENCE_LUFS` when no block of the signal passes the gate at -70 LUFS.

    Raises
    ------
    ValueError
        When a sample is not a finite number, or there are more channels.

    Notes
    -----
    The standard measures in blocks of 0.4 s. A signal shorter than one is measured with silence
    after it, so that it has a loudness at all. The numbers are those of ``pyloudnorm.Meter``, with
    its filters, in a third of the time: nothing as long as the signal is made.
    """
    samples = np.asarray(signal)
    samples = samples[:, np.newaxis] if samples.ndim == 1 else samples
    if samples.shape[1] > _CHANNEL_WEIGHTS.size:
        raise ValueError(f"loudness is for up to five channels, the signal has {samples.shape[1]}")
    n_missing = max(int(np.ceil(BLOCK_S * sample_rate)) - len(samples), 0)
    if n_missing:
        samples = np.pad(samples, ((0, n_missing), (0, 0)))
    energies = _hop_energies(samples, sample_rate)
    blocks = np.lib.stride_tricks.sliding_window_view(energies, HOPS_PER_BLOCK)
    return _gated_loudness(blocks.sum(axis=1) / (BLOCK_S * sample_rate))


def _hop_energies(samples: npt.NDArray[np.floating], sample_rate: float) -> npt.NDArray[np.float64]:
    """Energy of the K-weighted channels together, for each quarter of a block."""
    # Imported here, so that --help and complaints do not wait for numba and scipy.signal.
    from clarity.utils.k_weighting import k_weighting, weight  # noqa: PLC0415

    hop_s = BLOCK_S / HOPS_PER_BLOCK
    n_blocks = round((len(samples) / sample_rate - BLOCK_S) / hop_s) + 1
    starts = [
        int(BLOCK_S * (hop / HOPS_PER_BLOCK) * sample_rate)
        for hop in range(n_blocks + HOPS_PER_BLOCK)
    ]
    sections = k_weighting(sample_rate)
    state = np.zeros((samples.shape[1], len(sections), 2))
    weights = _CHANNEL_WEIGHTS[: samples.shape[1]]
    energies = np.zeros(len(starts) - 1)
    for first in range(0, energies.size, _HOPS_AT_ONCE):
        bounds = starts[first : first + _HOPS_AT_ONCE + 1]
        piece = _finite(samples[bounds[0] : bounds[-1]].T)
        weight(sections, piece, state)
        power = weights @ np.square(piece)
        for hop, (start, stop) in enumerate(pairwise(bounds), start=first):
            energies[hop] = power[start - bounds[0] : stop - bounds[0]].sum()
    _finite(samples[starts[-1] :])  # less than half a hop, which belongs to no block
    return energies


def _finite(samples: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Copy samples to a contiguous float64 array, or refuse them."""
    piece = np.array(samples, dtype=np.float64, order="C")
    if not np.isfinite(piece).all():
        raise ValueError("the loudness of a signal with NaN or infinite samples is not defined")
    return piece


def _gated_loudness(powers: npt.NDArray[np.float64]) -> float:
    """Mean over the blocks that pass the absolute and then the relative gate, in LUFS."""
    audible = powers[_lufs(powers) >= ABSOLUTE_GATE_LUFS]
    if not audible.size:
        return SILENCE_LUFS
    gate_lufs = max(float(_lufs(audible.mean())) + RELATIVE_GATE_LU, ABSOLUTE_GATE_LUFS)
    loud = audible[_lufs(audible) > gate_lufs]
    return float(_lufs(loud.mean())) if loud.size else SILENCE_LUFS


def _lufs(power: npt.ArrayLike) -> npt.NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        return np.asarray(FULL_SCALE_LUFS + 10.0 * np.log10(power))
