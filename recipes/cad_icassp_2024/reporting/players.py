"""The pairs to look at and to listen to: the worst and the best of each separator."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
from tqdm import tqdm

from clarity.utils.atomic_files import atomic_path
from clarity.utils.flac_encoder import save_flac_signal
from clarity.utils.signal_processing import FULL_SCALE_16BIT, LARGEST_16BIT
from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.data.scenes import MIXTURE, Pair
from recipes.cad_icassp_2024.reporting.results import Results

N_SHOWN = 10
FULL_SCALE = (-FULL_SCALE_16BIT, FULL_SCALE_16BIT - 1)


@dataclass(frozen=True)
class Player:
    """A sound in the page, `gain_db` louder than the original."""

    label: str
    file: Path
    gain_db: float = 0.0


@dataclass(frozen=True)
class Example:
    """A pair that is shown by itself; its rate of clipping is None when there is no signal."""

    separator: str
    pair: Pair
    score: float
    left_score: float
    right_score: float
    clipping_rate: float | None
    signal_file: Path
    players: list[Player] = field(default_factory=list)


def clipping_rate(path: Path) -> float | None:
    """Return the share of a 16-bit file's samples at full scale, or None when there is no file."""
    if not path.is_file():
        return None
    try:
        samples, _ = soundfile.read(path, dtype="int16", always_2d=True)
    except soundfile.SoundFileError as error:
        raise RecipeError(f"{path}: cannot be read as audio ({error})") from error
    return float(np.isin(samples, FULL_SCALE).mean()) if samples.size else 0.0


def find_extremes(
    results: Results, separator: str, n_shown: int = N_SHOWN
) -> dict[str, list[Example]]:
    """Find the worst and the best pairs of a separator: at most `n_shown`, none twice."""
    rows = results.of(separator).sort_values("score", kind="stable")
    n_worst = min(n_shown, len(rows) // 2)
    n_best = min(n_shown, len(rows) - n_worst)

    def example(row: dict) -> Example:
        dataset = results.dataset
        pair = Pair(dataset.scenes[row["scene"]], dataset.listeners[row["listener"]])
        path = results.experiments[separator].signal_file(pair)
        scores = (row["score"], row["left_score"], row["right_score"])
        share = row.get("clipped_share", np.nan)
        rate = clipping_rate(path) if np.isnan(share) else share
        return Example(separator, pair, *scores, rate, path)

    best = rows.iloc[::-1].head(n_best)
    ends = {"worst": rows.head(n_worst), "best": best}
    return {name: list(map(example, end.to_dict("records"))) for name, end in ends.items()}


def write_players(
    results: Results,
    examples: Sequence[Example],
    folder: Path,
    sample_rate: int,
    reference: Callable[[Pair], np.ndarray],
) -> None:
    """Give each example its players, with files in `folder`: reference, mixture, enhanced signal.

    `reference` returns what the enhanced signal of a pair is compared with, shape (samples, 2), at
    `sample_rate` in Hz.
    """
    written: dict[Path, Player] = {}

    def player(name: str, label: str, signal: Callable[[], np.ndarray]) -> Player:
        """Write a sound once, softer where it would clip: references are judged unclipped."""
        path = folder / f"{name}_{label}.flac"
        if path not in written:
            samples = signal()
            peak = float(np.max(np.abs(samples), initial=0.0))
            gain = min(1.0, LARGEST_16BIT / peak) if peak else 1.0
            save_flac_signal(samples * gain, path, sample_rate)
            written[path] = Player(label, path, 20 * float(np.log10(gain)))
        return written[path]

    for example in tqdm(examples, desc="audio", unit="pair", disable=None):
        pair, scene = example.pair, example.pair.scene
        mixture = partial(results.dataset.read_music, scene, MIXTURE, sample_rate)
        example.players.append(player(pair.id, "reference", partial(reference, pair)))
        example.players.append(player(scene.id, MIXTURE, mixture))
        if example.signal_file.is_file():
            number = results.separators.index(example.separator) + 1
            enhanced = folder / f"{pair.id}_enhanced_{number}.flac"
            with atomic_path(enhanced) as temporary:
                shutil.copyfile(example.signal_file, temporary)
            example.players.append(Player("enhanced", enhanced))
