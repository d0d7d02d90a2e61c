"""What evaluation costs, stage by stage, for excerpts of ten seconds with many listeners.

    python benchmarks/evaluate.py [--seconds 10] [--scenes 2] [--listeners 20]

It makes a data set, enhances it with hpss, and scores all pairs: once on one core with each stage
timed, and once as evaluate.py does it, on all cores.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import measure

from recipes.cad_icassp_2024.baseline.enhance import enhance
from recipes.cad_icassp_2024.baseline.evaluate import score_pairs
from recipes.cad_icassp_2024.data.dataset import Dataset
from recipes.cad_icassp_2024.runs.composition import compose_config
from recipes.cad_icassp_2024.runs.config import as_config
from recipes.cad_icassp_2024.runs.run import Run, open_run
from tests.recipes.tiny_dataset import make_tiny_dataset, read, write

N_TEST_PAIRS = 19_200

# The stages as functions of the module; what is inside another is taken off the outer one.
_BASELINE = "recipes.cad_icassp_2024.baseline"
STAGES = {
    "loudness": (f"{_BASELINE}.reference", "integrated_loudness"),
    "remix to loudness": (f"{_BASELINE}.reference", "remix_to_loudness"),
    "details": (f"{_BASELINE}.evaluate", "score_row"),
    "resampling": (f"{_BASELINE}.evaluate", "resample"),
    "reading FLAC": (f"{_BASELINE}.evaluate", "read_flac_signal"),
    "HAAQI": ("clarity.evaluator.haaqi", "evaluate_haaqi"),
}


class Stopwatch:
    """Adds up the time spent in functions."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inside = 0.0

    def around(self, stage: str, function: Any) -> Any:
        """Return the function with its time noted."""

        def timed(*values: Any, **named: Any) -> Any:
            outside, self._inside = self._inside, 0.0
            start = time.perf_counter()
            try:
                return function(*values, **named)
            finally:
                elapsed = time.perf_counter() - start
                self.seconds[stage] += elapsed - self._inside
                self._inside = outside + elapsed

        return timed


def run_case(seconds: float, scenes: int, listeners: int) -> dict[str, Any]:
    """Measure one case."""
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = make_tiny_dataset(
            folder / "data", seconds=seconds, n_songs=scenes, n_scenes_per_song=1, music=False
        )
        add_listeners(data, listeners)
        overrides = [f"path.root={data.root}", f"path.exp_folder={folder}", "separator=hpss"]
        config = as_config(compose_config("config", overrides))
        enhance(config)
        with open_run("evaluate", config) as run:
            pairs = run.pairs
            alone = replace(run, n_cores=1)
            score_pairs(alone, pairs[:1], lambda *_: None)  # compiles
            stopwatch = Stopwatch()
            plain_s = time_stages(alone, stopwatch)
            start = time.perf_counter()
            score_pairs(run, pairs, lambda *_: None)
            all_cores_s = time.perf_counter() - start
    return {
        "stages_s": stopwatch.seconds,
        "plain_s": plain_s,
        "all_cores_s": all_cores_s,
        "n_pairs": len(pairs),
    }


def time_stages(run: Run, stopwatch: Stopwatch) -> float:
    """Score on one core with a stopwatch around every stage."""
    places = [(sys.modules[module], name, stage) for stage, (module, name) in STAGES.items()]
    places += [(Dataset, "read_music", "reading WAV")]
    patches = [
        mock.patch.object(place, name, stopwatch.around(stage, getattr(place, name)))
        for place, name, stage in places
    ]
    for patch in patches:
        patch.start()
    start = time.perf_counter()
    score_pairs(run, run.pairs, lambda *_: None)
    total = time.perf_counter() - start
    for patch in patches:
        patch.stop()
    return total


def add_listeners(data: Any, count: int) -> None:
    """Give every scene the same `count` listeners, copies of the three that there are."""
    path = data.metadata / f"listeners.{data.split}.json"
    known: Any = read(path)
    names = list(known)
    everyone = {f"L{n:04d}": {**known[names[n % 3]], "name": f"L{n:04d}"} for n in range(count)}
    write(path, everyone)
    write(
        data.metadata / f"scene_listeners.{data.split}.json",
        {scene: list(everyone) for scene in data.scenes},
    )


def main() -> None:
    """Run the case and print tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--scenes", type=int, default=2)
    parser.add_argument("--listeners", type=int, default=20)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        measure.report_case(run_case(**json.loads(arguments.case)))
        return
    case = {key: getattr(arguments, key) for key in ("seconds", "scenes", "listeners")}
    found = measure.run_case(__file__, case)
    n_pairs, haaqi_s = found["n_pairs"], found["stages_s"]["HAAQI"]
    print(f"{n_pairs} pairs of {arguments.seconds:.0f} s, two ears each; {measure.machine()}\n")
    stages = {**found["stages_s"]}
    stages["the rest"] = found["plain_s"] - sum(stages.values())
    rows = [
        {
            "stage": name,
            "ms a pair": f"{1e3 * value / n_pairs:.1f}",
            "of HAAQI": f"{value / haaqi_s:.1%}",
        }
        for name, value in sorted(stages.items(), key=lambda item: -item[1])
    ]
    measure.print_table(rows)
    each = found["all_cores_s"] / n_pairs
    print(f"\none core: {found['plain_s']:.2f} s,", end=" ")
    print(f"{found['plain_s'] / haaqi_s - 1:.1%} over HAAQI alone")
    print(f"all cores, as evaluate.py does it: {found['all_cores_s']:.2f} s;", end=" ")
    print(f"{3600 / each:.0f} pairs per hour, peak memory {found['peak_gb']:.2f} GB;", end=" ")
    print(f"the {N_TEST_PAIRS:,} pairs of the test split: {N_TEST_PAIRS * each / 3600:.2f} h")


if __name__ == "__main__":
    main()
