"""What each stage of the ear is given in the tests, the same here and where the peer computes it.

Needs NumPy only: `references/make_stage_references.py` runs it in the environment of the peer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

RATE_HZ = 24000
N_BANDS = 32
LEVEL1_DB = 70.0
RATES_HZ = (8000, 16000, 22050, 23600, 44100, 48000, 96000)
AUDIOGRAM_HZ = [250.0, 500.0, 1000.0, 2000.0, 4000.0, 6000.0]
# Negative levels, mild ones, and losses that no outer hair cell survives.
AUDIOGRAMS = ([-10.0, 5, 20, 35, 45, 60], [55.0, 60, 75, 90, 110, 120])
GAMMATONE_BANDS = (0, 10, 31)
UPPER_BANDS = slice(29, 32)
BANDWIDTHS = (1.0, 2.5)
CONTROL_LEVELS_DB = (-20.0, 49.0, 51.0, 60.0, 77.0, 99.0, 101.0)
ALIGNMENT_LAGS = (0, 7, -2400, -2401, 2399, 2400)
SEGMENTS_MS = (16, 8.7, 8.6875)  # 384 samples; 209, made even; 208.5, rounded to even


def noise(n: int, seed: int) -> NDArray[np.float64]:
    """White noise of RMS 0.1."""
    return 0.1 * np.random.RandomState(seed).standard_normal(n)


def bands(n: int, seed: int, n_bands: int = 3) -> NDArray[np.float64]:
    """Noises of some bands, shape (n_bands, n)."""
    return np.stack([noise(n, seed + band) for band in range(n_bands)])


def to_align() -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """A reference with soft ends and a copy that is late and inverted; both with offsets."""
    n = 4000
    reference = noise(n, 1)
    peak = np.abs(reference).max()
    reference[:30] = reference[-50:] = 0.000999 * peak
    reference[30] = reference[-51] = -0.001001 * peak
    late = np.concatenate((np.zeros(960), -reference))[:n]
    return [
        (reference, late + noise(n, 2) / 5),
        (late, reference),
        (late[:3000], reference[:3000]),
        (reference + 30, late + 1),
        (reference + 1, late + 30),
    ]


def envelopes() -> NDArray[np.float64]:
    """Envelopes from silence over `TINY` to 130 dB SPL, shape (3, 1200)."""
    level_db = np.stack([np.linspace(-30, 130, 1200), 65 + 300 * noise(1200, 3), np.full(1200, 80)])
    envelope = 10 ** ((level_db - LEVEL1_DB) / 20)
    envelope[:, 100:200] = 0.0
    envelope[:, 200:300] = 1e-29
    return envelope


def levels_sl() -> NDArray[np.float64]:
    """Levels in dB SL that jump, shape (3, 6000)."""
    steps = np.repeat(np.array([0, 30, 60, 1e-29, 45, 0, 80, 20, 20, 50.0]), 600)
    return np.stack([steps, np.roll(steps, 900), np.abs(bands(6000, 5, 1)[0]) * 200])


def impulses(lag: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two signals whose correlation peaks at a lag, and lower at lags 3 and -700, shape (1, n)."""
    reference, processed = np.zeros((1, 9000)), np.zeros((1, 9000))
    reference[0, 4000] = 1.0
    processed[0, [4003, 3300]] = 0.5, 0.4
    processed[0, 4000 + lag] = 1.0
    return reference, processed


def motions() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Motions of three bands: like, late and unlike, and too soft for one to be compared."""
    x = 100 * bands(2000, 8)
    y = np.stack([x[0] + 50 * noise(2000, 20), np.roll(x[1], 24), 100 * noise(2000, 21)])
    x[2, 600:] *= 1e-17
    y[0, 1000:] *= 1e-16
    y[1, :500] = 0.0
    return x, y


def spectra() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Average levels of all bands in dB SL, or RMS values times 100."""
    x, y = np.abs(300 * noise(N_BANDS, 30)), np.abs(300 * noise(N_BANDS, 31))
    x[:3] = y[:3] = 0.0
    return x, y


def frames() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Smoothed envelopes in dB SL with soft frames, shape (32, 300)."""
    x = np.abs(150 * bands(300, 40, N_BANDS))
    x[:, ::7] *= 0.05
    return x, np.abs(x + 60 * bands(300, 80, N_BANDS))


def tiles() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Covariances, and mean squares around the threshold, shape (32, 90)."""
    covariance = np.abs(5 * bands(90, 120, N_BANDS))
    return np.clip(covariance, 0, 1), 500 * np.abs(bands(90, 160, N_BANDS)) ** 2


def thinned(*values: ArrayLike) -> list[float]:
    """Size, mean, RMS, and some fifty numbers of each array."""
    kept: list[float] = []
    for value in values:
        x = np.asarray(value, float).ravel()
        kept += [x.size, x.mean(), np.sqrt(np.mean(x**2)), *x[:: max(1, x.size // 50)]]
    return [float(value) for value in kept]
