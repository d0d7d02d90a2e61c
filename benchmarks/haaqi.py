"""Time and memory of HAAQI, this project's and the peer's, on the same signals in one run.

    python benchmarks/haaqi.py --peer PYTHON --before FOLDER

PYTHON is the interpreter of an environment with pyclarity, FOLDER another checkout of this project,
such as that of a release. Every measurement is a process of its own: it scores a second of noise
first (so that nothing is compiled while the clock runs), then the signals once, and reports the
seconds, its peak memory and the score. All take turns. Without options only this project is
measured. Last comes a table of the engine's stages beside the shortest times measured for each
in C, on two cores of an AVX-512 Xeon.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import haaqi_stages
import numpy as np
import soundfile
import soxr

ROOT = Path(__file__).resolve().parents[1]
SAMPLE_RATE_HZ = 24000
N_CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

# Runs in either environment; what it calls has the same name and arguments in both.
WORKER = """
import json, logging, pathlib, resource, sys, time
started = time.perf_counter()
import importlib.util
import clarity
is_peer = importlib.util.find_spec("clarity.evaluator.haspi") is not None
if is_peer != (sys.argv[2] == "peer"):
    sys.exit(f"{sys.argv[2]}: {clarity.__path__[0]} is {'' if is_peer else 'not '}pyClarity's")
import numpy as np
from clarity.evaluator.haaqi.haaqi import haaqi_v1
from clarity.utils.audiogram import Audiogram
logging.disable(logging.CRITICAL)
signals = np.load(sys.argv[1])
audiogram = Audiogram(
    levels=np.array([25.0, 35, 25, 25, 30, 40, 35, 40]),
    frequencies=np.array([250.0, 500, 1000, 2000, 3000, 4000, 6000, 8000]),
)
rate = 24000
np.random.seed(0)
warm = np.random.standard_normal(rate)
haaqi_v1(warm, rate, warm, rate, audiogram, 2, 65.0)
ready = time.perf_counter() - started
np.random.seed(1)
started = time.perf_counter()
result = haaqi_v1(signals[0], rate, signals[1], rate, audiogram, 2, 85.0)
seconds = time.perf_counter() - started
status = pathlib.Path("/proc/self/status")
if status.exists():  # what getrusage gives there includes the process that started this one
    memory = int(status.read_text().partition("VmHWM:")[2].split()[0]) / 1024
else:
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps([seconds, memory, ready, [*result[:3], *result[3]]]))
"""


@dataclass(frozen=True)
class Measurement:
    """One run: seconds for the score, peak memory in MB, seconds until the first score was done."""

    seconds: float
    memory_mb: float
    ready_seconds: float
    values: list[float]


def music(n_samples: int, seed: int = 0) -> np.ndarray:
    """Something like music: chords of decaying harmonics over bursts of noise."""
    rng = np.random.default_rng(seed)
    x = np.zeros(n_samples)
    note = int(0.25 * SAMPLE_RATE_HZ)
    for start in range(0, n_samples, note):
        n = min(4 * note, n_samples - start)
        t = np.arange(n) / SAMPLE_RATE_HZ
        for pitch_hz in 110.0 * 2 ** (rng.integers(0, 25, 3) / 12):
            for harmonic in range(1, 7):
                tone = np.sin(2 * np.pi * pitch_hz * harmonic * t + rng.uniform(0, 6))
                x[start : start + n] += 0.04 / harmonic * np.exp(-t * (3 + harmonic)) * tone
        x[start : start + n] += 0.1 * np.exp(-t * 60) * rng.standard_normal(n)
    return x


def load_music(path: Path, n_samples: int) -> np.ndarray:
    """First channel of a file at 24 kHz, repeated to the length wanted."""
    x, rate = soundfile.read(path, always_2d=True)
    x = soxr.resample(x[:, 0], rate, SAMPLE_RATE_HZ)
    return np.resize(x, n_samples)


def processed(x: np.ndarray) -> np.ndarray:
    """Music after hard clipping, with a little noise."""
    limit = 0.4 * np.max(np.abs(x))
    hiss = 1e-3 * np.random.default_rng(1).standard_normal(x.size)
    return np.clip(x, -limit, limit) + hiss


@dataclass(frozen=True)
class Candidate:
    """An interpreter, and the checkout that it imports (None: what is installed)."""

    name: str
    python: str
    checkout: Path | None

    def measure(self, signals: Path, n_threads: int) -> Measurement:
        """Score the signals in a process of its own."""
        threads = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        environment = {**os.environ, **dict.fromkeys(threads, str(n_threads))}
        environment.pop("PYTHONPATH", None)  # would put this project into the peer's place
        if self.checkout is not None:
            environment["PYTHONPATH"] = str(self.checkout.resolve())
        run = subprocess.run(
            [self.python, "-c", WORKER, str(signals), self.name],
            cwd=signals.parent,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if run.returncode != 0:
            sys.exit(f"{self.name} could not be measured with {self.python}")
        return Measurement(*json.loads(run.stdout.splitlines()[-1]))


def compare(
    candidates: list[Candidate], signals: Path, n_threads: int, repeats: int
) -> dict[str, list[Measurement]]:
    """Measure in turn."""
    results: dict[str, list[Measurement]] = {candidate.name: [] for candidate in candidates}
    for _ in range(repeats):
        for candidate in candidates:
            results[candidate.name].append(candidate.measure(signals, n_threads))
    return results


def report(seconds: float, n_threads: int, results: dict[str, list[Measurement]]) -> None:
    """Print one line of the table."""
    line = f"{seconds:6.0f} {n_threads:7d}"
    median = {
        name: statistics.median(run.seconds for run in runs) for name, runs in results.items()
    }
    for name, runs in results.items():
        memory = max(run.memory_mb for run in runs)
        line += f"  {median[name]:9.2f} s {memory:7.0f} MB"
        if name == "project":
            line += f" {max(run.ready_seconds for run in runs):6.1f} s"
    for name in list(results)[1:]:
        difference = max(
            abs(a - b)
            for ours, theirs in zip(results["project"], results[name], strict=True)
            for a, b in zip(ours.values, theirs.values, strict=True)
        )
        line += f"  {name} {median[name] / median['project']:.2f} x, {difference:.1e}"
    print(line, flush=True)


def machine() -> str:
    """Processor and number of cores."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0].split(":")[1].strip() if names else model
    return f"{model}, {N_CORES} cores, Python {platform.python_version()}, NumPy {np.__version__}"


def main() -> None:
    """Print a table: with the peer up to a minute, alone beyond."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", metavar="PYTHON", help="interpreter with pyclarity")
    parser.add_argument("--before", type=Path, metavar="FOLDER", help="checkout to compare with")
    parser.add_argument("--signal", type=Path, help="music file; default: made from a seed")
    parser.add_argument("--seconds", type=float, nargs="+", default=[10, 30, 60])
    parser.add_argument("--seconds-alone", type=float, nargs="*", default=[240, 480])
    parser.add_argument("--repeats", type=int, default=3, help="runs of each (default 3)")
    options = parser.parse_args()
    candidates = [Candidate("project", sys.executable, ROOT)]
    if options.before:
        if not (options.before / "clarity").is_dir():  # this project would be measured again
            parser.error(f"--before {options.before}: is no checkout, there is no clarity/ in it")
        candidates.append(Candidate("before", sys.executable, options.before))
    if options.peer:
        candidates.append(Candidate("peer", options.peer, None))
    print(machine())
    heads = [f"{candidate.name:>11}   memory" for candidate in candidates]
    print(
        "  audio threads" + "   ".join((heads[0] + "  ready", *heads[1:])) + "   slower, difference"
    )
    with tempfile.TemporaryDirectory() as folder:
        signals = Path(folder) / "signals.npy"
        for seconds in [*options.seconds, *options.seconds_alone]:
            n = int(seconds * SAMPLE_RATE_HZ)
            x = load_music(options.signal, n) if options.signal else music(n)
            np.save(signals, np.stack((x, processed(x))))
            chosen = candidates[:1] if seconds in options.seconds_alone else candidates
            for n_threads in sorted({1, N_CORES}):
                report(seconds, n_threads, compare(chosen, signals, n_threads, options.repeats))
    print()
    haaqi_stages.main()


if __name__ == "__main__":
    main()
