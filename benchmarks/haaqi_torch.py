"""Measure the differentiable HAAQI beside the exact one.

Runs for minutes; not part of the tests. Every case runs in a process of its own, the exact metric
before and after the others, so that the ratios are of one machine in one state. Scores without a
gradient, and scores with one ("trained"), which is what a training step costs.

    python benchmarks/haaqi_torch.py                     # 2, 5 and 10 s
    python benchmarks/haaqi_torch.py --seconds 240       # a song
    python benchmarks/haaqi_torch.py --batch 4 --checkpoint
    python benchmarks/haaqi_torch.py --device cuda --batch 200 --seconds 10 --no-gradient [--tf32]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from haaqi import music, processed
from measure import machine, print_table, report_case, run_case

from clarity.evaluator.haaqi import evaluate_haaqi
from clarity.evaluator.haaqi_torch import EarParameters, haaqi
from clarity.utils.audiogram import STANDARD_AUDIOGRAMS

RATE_HZ = 24000
LEVEL1 = 85.0
AUDIOGRAM = STANDARD_AUDIOGRAMS["N3"]


def exact_case(case: dict[str, Any]) -> None:
    """Time the exact metric on one pair."""
    x = music(int(case["seconds"] * RATE_HZ))
    y = processed(x)

    def score() -> float:
        stream = np.random.RandomState(1)
        pair = (x, RATE_HZ, y, RATE_HZ)
        return evaluate_haaqi(*pair, AUDIOGRAM, 2, LEVEL1, random_state=stream).score

    seconds, value = timed(score, case["repeats"])
    report_case({"seconds": seconds, "score": value})


def torch_case(case: dict[str, Any]) -> None:
    """Time the differentiable metric on a batch of equal pairs; noise from torch."""
    device, dtype = torch.device(case["device"]), getattr(torch, case["dtype"])
    x = music(int(case["seconds"] * RATE_HZ))
    batch = [
        torch.from_numpy(signal).to(device, dtype).expand(case["batch"], -1).contiguous()
        for signal in (processed(x), x)
    ]
    ear = EarParameters.from_audiograms([AUDIOGRAM]).to(device)
    batch[0].requires_grad_(case["trained"])
    generator = torch.Generator().manual_seed(0)
    torch.set_float32_matmul_precision("high" if case["tf32"] else "highest")
    options = {"sample_rate": RATE_HZ, "level1": LEVEL1, "dtype": dtype}

    def score(noise: Any = generator) -> float:
        output = haaqi(*batch, ear, noise=noise, checkpoint=case["checkpoint"], **options)
        if case["trained"]:
            batch[0].grad = None
            output.score.sum().backward()
        return output.score.detach()[0].item()

    seconds, _ = timed(score, case["repeats"])
    gpu_gb = torch.cuda.max_memory_allocated() / 1e9 if device.type == "cuda" else None
    parity = score(1)  # NumPy's noise, as the exact metric has it
    report_case({"seconds": seconds / case["batch"], "score": parity, "gpu_gb": gpu_gb})


def timed(function: Callable[[], float], repeats: int) -> tuple[float, float]:
    """Median of the seconds of some calls after a first one, and the last result."""
    function()
    seconds, value = [], 0.0
    for _ in range(repeats):
        start = time.perf_counter()
        value = function()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds), value


def rows_of(seconds: float, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure one length."""
    common = {"seconds": seconds, "repeats": options.repeats, "kind": "exact"}
    runs = [("exact", run_case(__file__, common))]
    for trained in (False,) if options.no_gradient else (False, True):
        for dtype in ("float64", "float32"):
            case = {
                **common,
                "kind": "torch",
                "dtype": dtype,
                "trained": trained,
                "batch": options.batch,
                "device": options.device,
                "checkpoint": options.checkpoint,
                "tf32": options.tf32,
            }
            name = f"torch, {dtype}{', with gradient' if trained else ''}"
            runs.append((name, run_case(__file__, case)))
    runs.append(("exact", run_case(__file__, common)))
    exact = (runs[0][1]["seconds"] + runs[-1][1]["seconds"]) / 2
    return [
        {
            "audio": f"{options.batch if name != 'exact' else 1} x {seconds:g} s",
            "metric": name,
            "time per pair": f"{run['seconds']:.3g} s",
            "ratio": f"{run['seconds'] / exact:.2g}",
            "memory": f"{run.get('gpu_gb') or run['peak_gb']:.1f} GB",
            "off by": f"{abs(run['score'] - runs[0][1]['score']):.0e}",
        }
        for name, run in runs[:-1]
    ]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, nargs="+", default=[2, 5, 10])
    parser.add_argument("--batch", type=int, default=1, help="pairs at once (default 1)")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--checkpoint", action="store_true")
    parser.add_argument("--no-gradient", action="store_true", help="scores only")
    parser.add_argument("--tf32", action="store_true", help="let float32 products be rounded")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--case", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case is not None:
        (exact_case if options.case["kind"] == "exact" else torch_case)(options.case)
        return
    print(machine())
    print_table([row for seconds in options.seconds for row in rows_of(seconds, options)])


if __name__ == "__main__":
    main()
