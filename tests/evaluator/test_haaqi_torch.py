"""The differentiable HAAQI against the peer's numbers and the exact implementation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from clarity.evaluator.haaqi_torch import EarParameters, haaqi
from clarity.utils.audiogram import Audiogram

TOLERANCE = 1e-8
FLIPS_A_LAG_IN_FLOAT32 = {"noisy_vocals"}
CASES = ["clipped", "silent_gap", "short_processed", "adds_nalr", "resampled_44k1"]
MORE_CASES = [
    *("delayed_lowpass", "noisy_vocals", "flat_audiogram", "advanced", "very_short"),
    *("resampled_16k", "identical", "near_silent", "quiet_mild", "quiet_normal"),
]
SLOW = pytest.mark.slow


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("name", [*CASES, *(pytest.param(n, marks=SLOW) for n in MORE_CASES)])
def test_golden_case(golden: Path, name: str, dtype: torch.dtype) -> None:
    folder = golden / "haaqi"
    cases = {c["name"]: c for c in json.loads((folder / "cases.json").read_text())["cases"]}
    assert set(cases) == {*CASES, *MORE_CASES}
    case = cases[name]
    signals = [
        torch.from_numpy(soundfile.read(folder / case[which])[0])[None]
        for which in ("processed", "reference")
    ]
    audiogram = Audiogram(case["audiogram_levels"], case["audiogram_frequencies"])
    output = haaqi(
        *signals,
        EarParameters.from_audiograms([audiogram]),
        sample_rate=case["reference_sample_rate"],
        level1=case["level1"],
        equalisation=case["equalisation"],
        noise=case["numpy_seed"],
        dtype=dtype,
    )
    expected = [case["haaqi"], case["nonlinear"], case["linear"], *case["raw"].values()]
    flips = name in FLIPS_A_LAG_IN_FLOAT32
    tolerance = TOLERANCE if dtype == torch.float64 else 5e-5 if flips else 1e-6
    np.testing.assert_allclose(torch.cat(output), expected, rtol=0, atol=tolerance)
