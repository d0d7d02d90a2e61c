"""Long signals of the differentiable HAAQI pass block by block: exactly, and in little memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from clarity.evaluator.haaqi_torch import EarParameters, HaaqiOutput, haaqi, pair_features
from clarity.utils.audiogram import STANDARD_AUDIOGRAMS
from tests.evaluator.torch_pairs import (
    TOLERANCE,
    audiogram,
    exact,
    music,
    numbers,
    odd_pair,
    tensor,
)


@pytest.mark.parametrize(
    ("stream", "block"), [(7, 1920), (np.random.RandomState(7), 5760)], ids=["seed", "stream"]
)
def test_blocks_joined_are_the_whole(monkeypatch: pytest.MonkeyPatch, stream, block: int) -> None:
    """Scores and gradients of signals of several blocks, of unequal lengths, band lags across.

    The largest lag of a band, 2400 samples, reaches beyond the next of the shorter blocks.
    """
    pairs = [odd_pair(seed, 24000, (0.2, 0.3)) for seed in (4, 5)]
    n = max(reference.size for _, reference in pairs)
    batch = [
        tensor(*(np.pad(x, (0, n - x.size)) for x in signals))
        for signals in zip(*pairs, strict=True)
    ]
    ear = EarParameters.from_audiograms([audiogram(1), audiogram(2)])
    results = []
    for in_blocks in (False, True):
        if in_blocks:
            monkeypatch.setattr(pair_features, "BLOCK_SAMPLES", block)
            monkeypatch.setattr(pair_features, "PAIR_BYTES", 0.0)
        processed = batch[0].clone().requires_grad_()
        if not isinstance(stream, int):
            stream.seed(7)
        output = haaqi(
            *(processed, batch[1], ear), sample_rate=24000, level1=80.0, noise=stream, band_chunk=16
        )
        output.score.sum().backward()
        results.append((numbers(HaaqiOutput(*(v.detach() for v in output))), processed.grad))
    (whole, of_whole), (joined, of_joined) = results
    np.testing.assert_allclose(joined, whole, rtol=0, atol=1e-12)
    assert (of_joined - of_whole).norm() < 1e-10 * of_whole.norm()


@pytest.mark.parametrize(
    ("pairs", "seconds", "dtype", "whole"),
    [
        (1, 10, torch.float64, True),
        (1, 11, torch.float64, False),
        (1, 20, torch.float32, True),
        (1, 21, torch.float32, False),
        (4, 10, torch.float32, True),
        (5, 10, torch.float32, False),
    ],
)
def test_what_fits_in_memory_is_worked_on_at_once(
    pairs: int, seconds: int, dtype: torch.dtype, whole: bool
) -> None:
    n = 24000 * seconds + 192  # a hop behind the end, as in `_score`
    blocks = pair_features._blocks(torch.empty(pairs, n, dtype=dtype))
    assert (len(blocks) == 1) == whole
    assert [block.start for block in blocks[1:]] == [block.stop for block in blocks[:-1]]
    assert (blocks[0].start, blocks[-1].stop) == (0, n)


@pytest.mark.slow
def test_four_minutes_in_little_memory(tmp_path: Path) -> None:
    """A song scores in under 2 GB, as the exact metric does, and has a gradient within 6 GB."""
    code = """
import sys, numpy as np, torch
from benchmarks.measure import peak_gb
from clarity.evaluator.haaqi_torch import EarParameters, haaqi
from clarity.utils.audiogram import STANDARD_AUDIOGRAMS
y, x = torch.from_numpy(np.load(sys.argv[1]))[:, None]
y.requires_grad_(sys.argv[2] == "gradient")
ear = EarParameters.from_audiograms([STANDARD_AUDIOGRAMS["N3"]])
score = haaqi(y, x, ear, sample_rate=24000, level1=85.0, noise=1).score
if y.requires_grad:
    score.sum().backward()
    assert y.grad.isfinite().all() and y.grad.norm() > 0
print(peak_gb(), float(score.detach()))
"""
    verse = music(240_000, 1)
    x = np.concatenate(
        [verse[::sign] * gain for gain in np.linspace(0.3, 2, 12) for sign in (1, -1)]
    )
    y = np.clip(x, -0.1, 0.1)
    np.save(tmp_path / "pair.npy", np.stack((y, x)))
    expected = exact(y, x, STANDARD_AUDIOGRAMS["N3"], seed=1, level1=85.0)[0]
    for what, limit_gb in (("score", 2.0), ("gradient", 6.0)):
        run = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "pair.npy"), what],
            cwd=Path(__file__).parents[2],
            check=True,
            capture_output=True,
            text=True,
        )
        peak_gb, score = (float(value) for value in run.stdout.split())
        assert peak_gb < limit_gb
        assert score == pytest.approx(expected, abs=TOLERANCE)
