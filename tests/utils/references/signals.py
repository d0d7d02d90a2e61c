"""Signals that tests and references make alike, from a seed.

NumPy promises the legacy stream to stay as it is, so a seed stands for a signal.
"""

from __future__ import annotations

import numpy as np


def noise(seed: int, shape: int | tuple[int, ...], rms: float = 0.2) -> np.ndarray:
    """White Gaussian noise."""
    return rms * np.random.RandomState(seed).standard_normal(shape)


def bursts(seed: int, n_samples: int, sample_rate: int) -> np.ndarray:
    """Noise that is loud and soft by turns, 0.1 s each, and begins with silence."""
    turn = np.arange(n_samples) * 10 // sample_rate
    return noise(seed, n_samples) * np.array([0.0, 1.0, 0.05, 2.5])[turn % 4]
