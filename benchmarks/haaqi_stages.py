"""How far the stages of HAAQI's engine are from the shortest times measured for them.

    python benchmarks/haaqi_stages.py

Each kernel runs on a hop of noise in the bands of one group, many times; the least time counts, in
nanoseconds per band and sample of a signal. The times beside it are those of C kernels with
vectors of eight numbers on an AVX-512 Xeon (another processor has other limits).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from clarity.evaluator.ear_model.gammatone import centre_frequencies_hz, gammatone_filters
from clarity.evaluator.engine import noise
from clarity.evaluator.engine.adaptation import adapt_block, sensation_level_block
from clarity.evaluator.engine.band_alignment import add_frame, frame_buffers, frames_for
from clarity.evaluator.engine.compression import gain_block
from clarity.evaluator.engine.constants import HOP
from clarity.evaluator.engine.covariance import covariance_hop, covariance_workspace
from clarity.evaluator.engine.gammatone import (
    Output,
    control_block,
    filter_pair,
    main_block,
    resting_state,
)
from clarity.evaluator.engine.vector import WIDTH, aligned, aligned_zeros

REPEATS = 20
SECONDS_PER_REPEAT = 0.01


def nanoseconds(n_band_samples: int, kernel: Callable[..., Any], *arguments: Any) -> float:
    """Least processor time of a kernel, called by another one, per band and sample."""

    @numba.njit(nogil=True)
    def call(n_calls: int, arguments: tuple[Any, ...]) -> None:
        for _ in range(n_calls):
            kernel(*arguments)

    call(1, arguments)
    started = time.thread_time()
    call(1, arguments)
    n_calls = max(1, int(SECONDS_PER_REPEAT / max(time.thread_time() - started, 1e-6)))
    least = np.inf
    for _ in range(REPEATS):
        started = time.thread_time()
        call(n_calls, arguments)
        least = min(least, (time.thread_time() - started) / n_calls)
    return least * 1e9 / n_band_samples


def rows(rng: np.random.Generator, n_rows: int, scale: float = 1.0) -> np.ndarray:
    """Noise in all bands of a group."""
    return aligned(scale * rng.standard_normal((n_rows, WIDTH)))


def stages() -> dict[str, tuple[float, float]]:
    """Nanoseconds of each stage, and those of C."""
    rng = np.random.default_rng(0)
    n = HOP * WIDTH
    x, y = 0.1 * rng.standard_normal((2, HOP))
    frequencies_hz = centre_frequencies_hz()
    filters = gammatone_filters(np.ones(frequencies_hz.size), frequencies_hz)
    pair, power = filter_pair(filters, filters, slice(0, WIDTH)), aligned_zeros(2, HOP, WIDTH)
    control = nanoseconds(2 * n, control_block, resting_state(), pair, x, y, power)
    gains = aligned(np.ones((HOP, WIDTH))), aligned(np.ones((HOP, WIDTH)))
    outputs = tuple(Output(rows(rng, HOP), rows(rng, HOP)) for _ in range(2))
    energy = aligned_zeros(2, WIDTH)
    main = nanoseconds(2 * n, main_block, resting_state(), pair, x, y, gains, outputs, energy)
    curve = aligned(np.outer([-20.0, 0.0, 0.3, 0.2], np.ones(WIDTH)))
    gain = nanoseconds(n, gain_block, aligned_zeros(1, WIDTH), curve, power[0], gains[0])
    level, full_scale_db = aligned_zeros(HOP, WIDTH), aligned(np.full((1, WIDTH), 60.0))
    envelope = aligned(np.abs(rows(rng, HOP)))
    hearing = nanoseconds(n, sensation_level_block, full_scale_db, envelope, level)
    silence = aligned_zeros(HOP, WIDTH)
    hearing += nanoseconds(n, adapt_block, aligned_zeros(2, WIDTH), envelope, level, silence)
    results = np.zeros((2, WIDTH, 9))
    segments = rows(rng, 2 * HOP, 100.0), rows(rng, 2 * HOP, 100.0)
    covariance = nanoseconds(
        2 * n, covariance_hop, covariance_workspace(), 5, *segments, 2.5, *results
    )
    frames = frames_for(10 * 24000)
    correlation = nanoseconds(frames.step * n, add_frame, frame_buffers(frames), frames)
    start = noise.scan_stream_states(np.random.RandomState(0), 0, 0)
    draws = np.zeros(100 * HOP)
    normals = nanoseconds(draws.size, noise.draw_normals, noise.open_streams(start, [0]), 0, draws)
    count = nanoseconds(10**6, noise._skip, noise.open_streams(start, [0]), 10**6)
    return {
        "control filter": (control, 0.35),
        "main filter, envelope": (main, 0.62),
        "gain and smoothing": (gain, 0.87),
        "correlation frames": (correlation, 3.7),
        "dB SL and adaptation": (hearing, 0.89),
        "covariance": (covariance, 1.23),
        "normals": (normals, 1.6),
        "counting of normals": (count, 0.8),
    }


def main() -> None:
    """Print a table."""
    print(f"ns per band and sample, {WIDTH} bands at a time    here    C on a Xeon")
    for name, (here, limit) in stages().items():
        print(f"  {name:40s} {here:6.2f} {limit:9.2f}")


if __name__ == "__main__":
    main()
