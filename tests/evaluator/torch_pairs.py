"""Pairs for the differentiable HAAQI, and what the exact one makes of them."""

from __future__ import annotations

import numpy as np
import torch

from clarity.evaluator.haaqi import evaluate_haaqi
from clarity.evaluator.haaqi_torch import HaaqiOutput
from clarity.utils.audiogram import Audiogram
from tests.evaluator.random_pairs import FREQUENCIES_HZ

TOLERANCE = 1e-8


def music(n: int, seed: int, rate: float = 24000) -> np.ndarray:
    """Decaying harmonics at random pitches."""
    rng = np.random.RandomState(seed)
    t = np.arange(n) / rate
    x = 0.003 * rng.standard_normal(n)
    for start in np.arange(0.0, t[-1], 0.15):
        since = np.maximum(t - start, 0.0)
        for pitch in rng.uniform(100, 900, 3):
            tone = sum(np.sin(2 * np.pi * pitch * k * since) / k for k in range(1, 6))
            x += 0.05 * (t >= start) * np.exp(-8 * since) * tone
    return x


def audiogram(seed: int) -> Audiogram:
    """Odd audiogram."""
    rng = np.random.RandomState(seed)
    return Audiogram(np.round(rng.uniform(-10, 50) + rng.uniform(-10, 40, 8)), FREQUENCIES_HZ)


def tensor(*signals: np.ndarray) -> torch.Tensor:
    """Batch of signals of one length."""
    return torch.from_numpy(np.stack(signals))


def exact(processed: np.ndarray, reference: np.ndarray, ear: Audiogram, **options) -> list[float]:
    """Seven numbers of the exact implementation in NumPy, which needs no compiling."""
    rate, stream = options.get("rate", 24000), options.get("stream") or options.get("seed", 0)
    stream = np.random.RandomState(stream) if isinstance(stream, int) else stream
    equalisation, level1 = options.get("equalisation", 2), options.get("level1", 80.0)
    result = evaluate_haaqi(
        *(reference, rate, processed, rate, ear, equalisation, level1),
        random_state=stream,
        engine="reference",
    )
    return [result.score, result.nonlinear, result.linear, *result.raw]


def numbers(output: HaaqiOutput) -> np.ndarray:
    """Seven numbers of each pair, shape (pairs, 7)."""
    return torch.stack([value.flatten() for value in output], -1).numpy()


def odd_pair(
    seed: int, rate: int, seconds: tuple[float, float] = (0.25, 0.4)
) -> tuple[np.ndarray, np.ndarray]:
    """Processed and reference with a delay, a gap, another polarity, hiss or a limiter."""
    rng = np.random.RandomState(seed)
    reference = music(int(rate * rng.uniform(*seconds)), seed, rate)
    processed = (1 - 2 * (seed % 2)) * np.roll(reference, rng.randint(-900, 900))
    start = rng.randint(processed.size // 2)
    processed[start : start + rng.randint(2000)] = 0.0
    limit = rng.uniform(0.2, 1.0) * np.abs(processed).max()
    hiss = 10.0 ** rng.uniform(-5, -2) * rng.standard_normal(processed.size)
    return np.clip(processed, -limit, limit) + hiss, reference
