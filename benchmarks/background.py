"""How much scoring in the background holds up a training loop.

    python benchmarks/background.py

A small module is trained on one thread, epoch by epoch, with and without a `BackgroundScorer` at
work the whole time, in turn. Needs a core beside the one that trains.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

import numpy as np
import torch

from clarity.evaluator.haaqi import BackgroundScorer
from clarity.utils.audiogram import AUDIOGRAM_MODERATE, Listener

RATE = 44100
LISTENER = Listener(AUDIOGRAM_MODERATE, AUDIOGRAM_MODERATE, id="listener")


def parser() -> argparse.ArgumentParser:
    """Arguments of the command line."""
    result = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    result.add_argument("--steps", type=int, default=150, help="of an epoch")
    result.add_argument("--repeats", type=int, default=5, help="epochs of each kind")
    result.add_argument("--pair-seconds", type=float, default=10.0)
    return result


def train(model: torch.nn.Module, batch: torch.Tensor, n_steps: int) -> float:
    """Train for an epoch; returns its seconds."""
    optimiser = torch.optim.SGD(model.parameters(), lr=1e-4)
    started = time.perf_counter()
    for _ in range(n_steps):
        optimiser.zero_grad()
        model(batch).square().mean().backward()
        optimiser.step()
    return time.perf_counter() - started


def main() -> None:
    """Print the time of an epoch alone and beside the scorer."""
    options = parser().parse_args()
    torch.set_num_threads(1)
    model = torch.nn.Sequential(
        torch.nn.Conv1d(2, 32, 9, padding=4), torch.nn.ReLU(), torch.nn.Conv1d(32, 2, 9, padding=4)
    )
    batch = torch.randn(4, 2, RATE // 4)
    reference = 0.1 * np.random.default_rng(0).standard_normal(
        (round(options.pair_seconds * RATE), 2)
    )
    processed = np.clip(reference, -0.1, 0.1)
    with BackgroundScorer(n_workers=1, max_pending=4) as scorer:
        scorer.submit(processed, reference, LISTENER, RATE)
        scorer.collect()  # the kernels are compiled
        train(model, batch, options.steps)
        alone, beside, n_scored = [], [], 0
        for _ in range(options.repeats):
            alone.append(train(model, batch, options.steps))
            while scorer.submit(processed, reference, LISTENER, RATE, wait=False):
                pass
            n_before = scorer.n_pending()
            beside.append(train(model, batch, options.steps))
            n_scored += n_before - scorer.n_pending()
            scorer.collect()
    ratio = statistics.median(b / a for a, b in zip(alone, beside, strict=True))
    print(
        f"{os.cpu_count()} cores; an epoch of {options.steps} steps: alone "
        f"{statistics.median(alone):.2f} s, beside the scorer {statistics.median(beside):.2f} s, "
        f"ratio {ratio:.3f} (median of {options.repeats}); {n_scored} stereo pairs of "
        f"{options.pair_seconds:g} s were scored meanwhile"
    )


if __name__ == "__main__":
    main()
