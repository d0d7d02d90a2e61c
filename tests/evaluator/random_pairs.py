"""Signal pairs made from seeds, the same here and where the reference scores were computed.

Needs NumPy and SciPy only: `references/make_haaqi_references.py` runs it in the environment of the
peer, which this project cannot be installed into.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import signal

FREQUENCIES_HZ = [250.0, 500.0, 1000.0, 2000.0, 3000.0, 4000.0, 6000.0, 8000.0]


@dataclass(frozen=True)
class Pair:
    """One comparison: two signals, their rates, and everything else that HAAQI takes."""

    reference: NDArray[np.float64]
    reference_rate: float
    processed: NDArray[np.float64]
    processed_rate: float
    levels: list[float]
    frequencies: list[float]
    equalisation: int
    level1: float
    seed: int


# Name, seconds, kind of reference, kind of processing, reference rate, processed rate.
PAIRS = {
    "music_clipped": (4.0, "music", "clipped", 24000, 24000),
    "music_noisy": (3.0, "music", "noisy", 24000, 24000),
    "music_low_passed": (2.5, "music", "low_passed", 24000, 24000),
    "music_high_passed": (1.7, "music", "high_passed", 24000, 24000),
    "music_delayed": (2.0, "music", "delayed", 24000, 24000),
    "music_advanced": (2.2, "music", "advanced", 24000, 24000),
    "music_gated": (3.3, "music", "gated", 24000, 24000),
    "music_inverted": (1.0, "music", "inverted", 24000, 24000),
    "music_identical": (1.3, "music", "identical", 24000, 24000),
    "music_quieter": (1.1, "music", "quieter", 24000, 24000),
    "music_resampled_44k1_32k": (1.5, "music", "clipped", 44100, 32000),
    "music_resampled_16k": (1.2, "music", "low_passed", 16000, 16000),
    "music_resampled_48k": (0.8, "music", "noisy", 48000, 24000),
    "music_long": (8.0, "music", "compressed", 24000, 24000),
    "music_0s2": (0.2, "music", "noisy", 24000, 24000),
    "music_shorter": (2.0, "music", "shorter", 24000, 24000),
    "music_longer": (1.5, "music", "longer", 24000, 24000),
    "noise_low_passed": (2.0, "noise", "low_passed", 24000, 24000),
    "noise_noisy": (0.5, "noise", "noisy", 24000, 24000),
    "noise_gated": (0.9, "noise", "gated", 24000, 24000),
    "noise_delayed": (0.3, "noise", "delayed", 24000, 24000),
    "tone_clipped": (1.0, "tone", "clipped", 24000, 24000),
    "tone_noisy": (0.6, "tone", "noisy", 24000, 24000),
    "tones_compressed": (1.4, "tones", "compressed", 24000, 24000),
    "tones_silent_processed": (0.7, "tones", "silent", 24000, 24000),
    "impulses_filtered": (0.7, "impulses", "low_passed", 24000, 24000),
    "constant": (0.4, "constant", "noisy", 24000, 24000),
    "gap_noisy": (1.6, "gap", "noisy", 24000, 24000),
    "inaudible": (0.5, "inaudible", "noisy", 24000, 24000),
    "denormal_tail": (0.9, "denormal_tail", "clipped", 24000, 24000),
}


def make_pair(name: str) -> Pair:
    """Make one of `PAIRS`; audiogram, level and equalisation are drawn too."""
    seconds, kind, processing, reference_rate, processed_rate = PAIRS[name]
    seed = 1000 + list(PAIRS).index(name)
    rng = np.random.RandomState(seed)
    common_rate = 24000 if reference_rate == processed_rate == 24000 else reference_rate
    reference = _reference(kind, int(seconds * common_rate), common_rate, rng)
    processed = _processed(processing, reference, common_rate, rng)
    if processed_rate != reference_rate:
        processed = signal.resample_poly(processed, processed_rate // 100, reference_rate // 100)
    slope = rng.uniform(0, 60) * np.linspace(0, 1, len(FREQUENCIES_HZ))
    levels = rng.uniform(-5, 45) + slope + rng.uniform(-8, 8, len(FREQUENCIES_HZ))
    return Pair(
        reference=reference,
        reference_rate=reference_rate,
        processed=processed,
        processed_rate=processed_rate,
        levels=[float(level) for level in np.round(np.clip(levels, -10, 105))],
        frequencies=FREQUENCIES_HZ,
        equalisation=int(rng.randint(1, 3)),
        level1=float(np.round(rng.uniform(65, 95), 1)),
        seed=seed,
    )


def _reference(kind: str, n: int, rate: float, rng: np.random.RandomState) -> NDArray[np.float64]:
    """Reference signal of n samples."""
    t = np.arange(n) / rate
    if kind == "noise":
        return 0.05 * rng.standard_normal(n)
    if kind == "tone":
        return 0.1 * np.sin(2 * np.pi * rng.uniform(200, 2000) * t)
    if kind == "tones":
        return sum(0.03 * np.sin(2 * np.pi * f * t) for f in rng.uniform(100, 6000, 7))
    if kind == "impulses":
        x = np.zeros(n)
        x[:: int(rate * 0.05)] = 0.8
        return x
    if kind == "constant":
        return np.full(n, 0.1)
    music = _music(t, rate, rng)
    if kind == "gap":
        music[n // 3 : n // 2] = 0.0
    elif kind == "inaudible":
        music *= 1e-5
    elif kind == "denormal_tail":
        music[n // 2 :] *= np.exp(-np.arange(n - n // 2) * 0.08)
        music[-1] = 0.01
    return music


def _music(t: NDArray[np.float64], rate: float, rng: np.random.RandomState) -> NDArray[np.float64]:
    """Chords of decaying harmonics, and bursts of noise for drums."""
    x = np.zeros(t.size)
    beat = 0.25
    for start in np.arange(0.0, t.size / rate, beat):
        after = t >= start
        since = t[after] - start
        for pitch in 110.0 * 2 ** (rng.randint(0, 25, 3) / 12):
            for harmonic in range(1, 7):
                tone = np.sin(2 * np.pi * pitch * harmonic * since + rng.uniform(0, 6))
                x[after] += 0.04 / harmonic * np.exp(-since * (3 + harmonic)) * tone
        x[after] += 0.1 * np.exp(-since * 60) * rng.standard_normal(since.size)
    return x


def _low_passed(x: NDArray[np.float64], rate: float) -> NDArray[np.float64]:
    """Everything above 2.5 kHz attenuated."""
    return signal.lfilter(*signal.butter(3, 2500 / (rate / 2)), x)


def _high_passed(x: NDArray[np.float64], rate: float) -> NDArray[np.float64]:
    """Everything below 800 Hz attenuated."""
    return signal.lfilter(*signal.butter(2, 800 / (rate / 2), "high"), x)


def _processed(
    kind: str, x: NDArray[np.float64], rate: float, rng: np.random.RandomState
) -> NDArray[np.float64]:
    """Processed version of a reference."""
    n = x.size
    peak, rms = np.max(np.abs(x)), np.sqrt(np.mean(x**2))
    versions = {
        "identical": x.copy,
        "clipped": lambda: np.clip(x, -0.3 * peak, 0.3 * peak),
        "noisy": lambda: x + 0.2 * rms * rng.standard_normal(n),
        "low_passed": lambda: _low_passed(x, rate),
        "high_passed": lambda: _high_passed(x, rate),
        "delayed": lambda: np.concatenate((np.zeros(n // 10), x))[:n],
        "advanced": lambda: np.concatenate((x[n // 20 :], np.zeros(n // 20))),
        "gated": lambda: x * (np.abs(x) > 0.05 * peak),
        "inverted": lambda: -x,
        "quieter": lambda: 0.02 * x,
        "compressed": lambda: np.sign(x) * peak * (np.abs(x) / peak) ** 0.6,
        "shorter": lambda: x[: 3 * n // 4],
        "longer": lambda: np.concatenate((x, 0.1 * rng.standard_normal(n // 5))),
        "silent": lambda: np.zeros(n),
    }
    return versions[kind]()
