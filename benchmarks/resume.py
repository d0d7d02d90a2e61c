"""How long enhance.py and evaluate.py take to see that all is done.

    python benchmarks/resume.py [--pairs 19200] [--folder FOLDER]

It makes a data set of very short songs and fills an experiment folder with signals, scores and
their records, as the scripts do, but with the same signal and the same score for all pairs. Then
both scripts run as a user starts them. A folder that is named is kept, and filled only once.
"""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import measure
import numpy as np
from evaluate import add_listeners

from clarity.utils.flac_codec import FlacEncoder
from clarity.utils.signal_processing import Clipping
from recipes.cad_icassp_2024.baseline.enhance import Enhancer, enhance
from recipes.cad_icassp_2024.baseline.evaluate import run_calculate_aq
from recipes.cad_icassp_2024.baseline.songs import Song
from recipes.cad_icassp_2024.data.scenes import Pair
from recipes.cad_icassp_2024.runs.composition import compose_config
from recipes.cad_icassp_2024.runs.config import as_config
from recipes.cad_icassp_2024.runs.run import Run
from recipes.cad_icassp_2024.runs.scores import (
    DETAIL_COLUMNS,
    PAIR_COLUMNS,
    SCORE_COLUMNS,
    read_scores,
)
from tests.recipes.tiny_dataset import make_tiny_dataset

BASELINE = "recipes.cad_icassp_2024.baseline"
N_LISTENERS = 20
N_SONGS = 24
SECONDS = 0.2


def fill(folder: Path, n_pairs: int) -> list[str]:
    """Make the data set and an experiment folder with results of all pairs; return its keys.

    There are `N_LISTENERS` times `N_SONGS` pairs, or a multiple of that.
    """
    keys = [f"path.root={folder / 'data'}", f"path.exp_folder={folder / 'exp'}", "separator=hpss"]
    if (folder / "exp" / "scores.csv").exists():
        return keys
    n_scenes = max(1, n_pairs // (N_LISTENERS * N_SONGS))
    data = make_tiny_dataset(
        folder / "data", seconds=SECONDS, n_songs=N_SONGS, n_scenes_per_song=n_scenes, music=False
    )
    add_listeners(data, N_LISTENERS)
    config = as_config(compose_config("config", keys))
    logging.disable(logging.WARNING)
    with mock.patch(f"{BASELINE}.enhance.overlap_stages", write_signals):
        enhance(config)
    with mock.patch(f"{BASELINE}.evaluate.score_pairs", give_scores):
        run_calculate_aq(config)
    return keys


def write_signals(songs: Sequence[Song], chain: Any, _: object) -> None:
    """Write one signal for all pairs of the songs, each with its record."""
    enhancer: Enhancer = chain.__self__
    run = enhancer.run
    rate = run.config.remix_sample_rate
    samples = np.zeros((round(SECONDS * rate), 2), dtype=np.int16)
    stream = FlacEncoder().encode(iter([samples]), rate)
    for song in songs:
        for pair in song.pairs:
            path, made_from = run.experiment.signal_file(pair), enhancer.made_from(pair)
            with run.records.writing(path, pair.id, made_from) as temporary:
                temporary.write_bytes(stream)
            enhancer.done(pair, Clipping())


def give_scores(_: Run, pairs: Sequence[Pair], done: Callable[[Pair, Any], None]) -> None:
    """Give all pairs one score."""
    columns = [name for name in (*SCORE_COLUMNS, *DETAIL_COLUMNS) if name not in PAIR_COLUMNS]
    for pair in pairs:
        names = (pair.scene.id, pair.scene.mixture_id, pair.listener.id)
        done(pair, dict(zip(PAIR_COLUMNS, names, strict=True)) | dict.fromkeys(columns, "0.5"))


def time_script(name: str, keys: Sequence[str]) -> float:
    """Run a script as a user does; return how long it took in seconds."""
    script = measure.ROOT / "recipes" / "cad_icassp_2024" / "baseline" / f"{name}.py"
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, str(script), *keys],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(measure.ROOT)},
    )
    elapsed_s = time.perf_counter() - start
    said = done.stdout + done.stderr
    if "pairs are done" not in said and "pairs are scored" not in said:
        raise RuntimeError(f"{script} had something to do:\n{said}")
    return elapsed_s


def main() -> None:
    """Fill the folder, run both scripts twice and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=19_200)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = (arguments.folder or Path(name)).absolute()
        keys = fill(folder, arguments.pairs)
        n_pairs = len(read_scores(folder / "exp" / "scores.csv"))
        rows = [
            {"script": f"{script}.py", "seconds": f"{time_script(script, keys):.1f}"}
            for script in ("enhance", "evaluate")
            for _ in range(2)
        ]
    print(f"{n_pairs:,} pairs that are done; {measure.machine()}\n")
    measure.print_table(rows)


if __name__ == "__main__":
    main()
