"""How long enhancement takes beside the separation model's forward pass alone.

    python benchmarks/enhance.py [--models demucs,openunmix,hpss] [--seconds 60,240] [--songs 2]

Each case runs in a process of its own. It makes a data set of mixtures with two listeners each,
times the model on the segments of all mixtures, then the whole step (read, separate, remix, NAL-R,
resample, FLAC). The weights are random: they cost the same time. On a machine with a GPU the model
runs there (--device). --threads leaves the model fewer cores than there are, and so some to what
goes on beside it.
"""

from __future__ import annotations

import argparse
import functools
import json
import logging
import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import measure
import numba
import torch

import clarity.utils.k_weighting  # noqa: F401 - else it is loaded within what is timed
from clarity.separation.segmented import SegmentedSeparator
from clarity.separation.segments import plan_segments
from clarity.utils.memory import keep_freed_memory
from recipes.cad_icassp_2024.baseline.enhance import Enhancer
from recipes.cad_icassp_2024.baseline.separators import build_separator
from recipes.cad_icassp_2024.baseline.songs import group_by_mixture
from recipes.cad_icassp_2024.runs.composition import compose_config
from recipes.cad_icassp_2024.runs.config import Config, as_config
from recipes.cad_icassp_2024.runs.parallel import overlap_stages
from recipes.cad_icassp_2024.runs.run import open_run
from recipes.cad_icassp_2024.runs.settings import MadeFrom
from tests.recipes.tiny_dataset import make_tiny_dataset
from tests.separation.checkpoints import write_random_weights

logging.getLogger("clarity").setLevel(logging.ERROR)


def run_case(
    model: str, seconds: float, songs: int, threads: int, device: str | None
) -> dict[str, Any]:
    """Measure one case."""
    n_cores = numba.get_num_threads()
    torch.set_num_threads(threads or n_cores)
    keep_freed_memory()  # as enhance.py does, so for the model alone, too
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_data(folder / "data", seconds, songs)
        config = make_config(model, folder / "data", folder, device)
        checked: Any = build_separator(config.separator).separator
        separator = checked.separator  # the model without what looks at its stems
        assert isinstance(separator, SegmentedSeparator)
        with open_run("enhance", config) as run:
            enhancer = Enhancer(run, checked, MadeFrom(run.dataset, ["mixture"], {}))
            forward(separator, 11.0)  # the first pass sets things up
            mixtures = group_by_mixture(run.pairs)
            alone = sum(forward(separator, seconds) for _ in mixtures)
            start = time.perf_counter()
            overlap_stages(mixtures, enhancer.chain, run.cancel)
            whole = time.perf_counter() - start
    return {"forward_s": alone, "pipeline_s": whole, "n_pairs": len(run.pairs)}


def make_data(root: Path, seconds: float, songs: int) -> None:
    """Make the data set in a process of its own, for its memory is not to be counted."""
    make = functools.partial(
        make_tiny_dataset, seconds=seconds, n_songs=songs, n_scenes_per_song=1, music=False
    )
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        process.submit(make, root).result()


def make_config(model: str, root: Path, folder: Path, device: str | None) -> Config:
    """Compose the configuration of a model with random weights."""
    overrides = [f"separator={model}", f"path.root={root}", f"path.exp_folder={folder / 'exp'}"]
    if model != "hpss":
        overrides.append(f"separator.checkpoint={write_random_weights(model, folder)}")
    if device:
        overrides.append(f"separator.device={device}")
    return as_config(compose_config("config", overrides))


def forward(separator: SegmentedSeparator, seconds: float) -> float:
    """Time the model on the segments of one mixture."""
    rate = separator.sample_rate
    lengths = [
        segment.n_samples
        for segment in plan_segments(
            round(seconds * rate), rate, separator.segment, separator.overlap
        )
    ]
    generator = torch.Generator().manual_seed(0)
    segments = [0.1 * torch.randn(1, 2, length, generator=generator) for length in lengths]
    start = time.perf_counter()
    with torch.inference_mode():
        for segment in segments:
            separator.module(segment.to(separator.device)).cpu()
    return time.perf_counter() - start


def main() -> None:
    """Run the cases and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default="demucs,openunmix,hpss")
    parser.add_argument("--seconds", default="60,240")
    parser.add_argument("--songs", type=int, default=2)
    parser.add_argument("--threads", type=int, default=0, help="of the model; 0: all")
    parser.add_argument("--device", default=None)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        measure.report_case(run_case(**json.loads(arguments.case)))
        return
    shared = {name: getattr(arguments, name) for name in ("songs", "threads", "device")}
    print(f"{arguments.songs} songs, two listeners each; {measure.machine()}\n")
    rows = []
    for model in arguments.models.split(","):
        for seconds in map(float, arguments.seconds.split(",")):
            case = {"model": model, "seconds": seconds, **shared}
            found = measure.run_case(__file__, case)
            rows.append(
                {
                    "separator": model,
                    "song (s)": f"{seconds:.0f}",
                    "model alone (s)": f"{found['forward_s']:.2f}",
                    "whole step (s)": f"{found['pipeline_s']:.2f}",
                    "ratio": f"{found['pipeline_s'] / found['forward_s']:.3f}",
                    "pairs per hour": f"{found['n_pairs'] / found['pipeline_s'] * 3600:.0f}",
                    "x real time": f"{arguments.songs * seconds / found['pipeline_s']:.1f}",
                    "peak memory (GB)": f"{found['peak_gb']:.2f}",
                }
            )
            print(rows[-1], flush=True)
    print()
    measure.print_table(rows)


if __name__ == "__main__":
    main()
