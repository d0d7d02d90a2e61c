"""Comparisons outside what HAAQI prescribes, the same here and where the peer scored them.

Needs NumPy and SciPy only, like `random_pairs`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

N_SAMPLES = 12000
LEVELS_DB = [20.0, 25, 30, 35, 40, 45, 50, 55]
LEVEL1_DB = 75.0
SEED = 5

# Name: reference, processed, equalisation, milliseconds of a segment.
CASES = {
    "equalisation_0": ("noise", "clipped", 0, 16),
    "equalisation_0_bursts": ("bursts", "noisy", 0, 16),
    "segment_8": ("bursts", "clipped", 2, 8),
    "segment_2.2": ("noise", "noisy", 2, 2.2),
    "segment_10": ("noise", "noisy", 1, 10),
    "segment_37": ("bursts", "noisy", 2, 37),
    "equalisation_0_segment_30": ("noise", "noisy", 0, 30),
    "constant_reference": ("half", "noise", 2, 16),
    "constant_processed": ("noise", "half", 2, 16),
    "both_constant": ("half", "half", 1, 16),
    "both_constant_tenth": ("tenth", "half", 2, 16),
    "silent_processed": ("bursts", "silence", 1, 16),
    "silent_processed_segment_8": ("noise", "silence", 2, 8),
}


def make_signal(kind: str) -> NDArray[np.float64]:
    """Half a second at 24 kHz."""
    noise = 0.1 * np.random.RandomState(0).standard_normal(N_SAMPLES)
    bursts = noise * (np.sin(2 * np.pi * 7 * np.arange(N_SAMPLES) / 24000) > 0.3)
    signals = {
        "noise": noise,
        "bursts": bursts,
        "clipped": np.clip(noise, -0.08, 0.08),
        "noisy": bursts + 0.03 * np.random.RandomState(1).standard_normal(N_SAMPLES),
        "half": np.full(N_SAMPLES, 0.5),
        "tenth": np.full(N_SAMPLES, 0.1),
        "silence": np.zeros(N_SAMPLES),
    }
    return signals[kind]
