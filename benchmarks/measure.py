"""What the benchmarks share: cases in processes of their own, the machine in words, tables."""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))


def run_case(script: str, case: Mapping[str, Any]) -> dict[str, Any]:
    """Run one case of a benchmark in a fresh process and return what it reports."""
    done = subprocess.run(
        [sys.executable, script, "--case", json.dumps(case)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    return json.loads(done.stdout.splitlines()[-1])


def report_case(values: Mapping[str, Any]) -> None:
    """Print what a case measured, for `run_case` to read."""
    print(json.dumps({**values, "peak_gb": peak_gb()}))


def peak_gb() -> float:
    """Peak resident memory of this process in GB."""
    status = Path("/proc/self/status")
    if status.exists():  # what getrusage gives there includes the process that started this one
        lines = status.read_text().splitlines()
        (peak,) = (line for line in lines if line.startswith("VmHWM:"))
        return int(peak.split()[1]) * 1024 / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def machine() -> str:
    """Say in a line what this machine is."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    parts = [f"{cores} cores", cpu_name(), f"Python {platform.python_version()}"]
    parts.append(f"torch {torch.__version__}")
    if torch.cuda.is_available():
        parts.append(torch.cuda.get_device_name())
    return ", ".join(parts)


def cpu_name() -> str:
    """Name of the processor, as well as the system knows it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def print_table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows as a Markdown table; the first row's keys are the heads."""
    heads = list(rows[0])
    print("| " + " | ".join(heads) + " |")
    print("|" + "|".join("---" for _ in heads) + "|")
    for row in rows:
        print("| " + " | ".join(str(row[head]) for head in heads) + " |")
