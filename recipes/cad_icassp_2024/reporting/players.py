"""The pairs to look at and to listen to: the worst and the best of each separator."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
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
class Example:
    """A pair that is shown by itself.

    Attributes
    ----------
    separator : str
    pair : Pair
    score, left_score, right_score : float
    clipping_rate : float or None
        As `clipping_rate` gives it; None when the enhanced signal is not there.
    signal_file : Path
        The enhanced signal.
    """

    separator: str
    pair: Pair
    score: float
    left_score: float
    right_score: float
    clipping_rate: float | None
    signal_file: Path


@dataclass(frozen=True)
class Extremes:
    """The pairs at both ends of a separator's scores, the outermost first; none is in both."""

    separator: str
    worst: tuple[Example, ...]
    best: tuple[Example, ...]

    @property
    def examples(self) -> tuple[Example, ...]:
        """All of them."""
        return self.worst + self.best


@dataclass(frozen=True)
class Player:
    """A sound in the page.

    Attributes
    ----------
    label : str
        What is to be heard.
    file : Path
    gain_db : float
        How much softer or louder than the original the file is, in dB.
    """

    label: str
    file: Path
    gain_db: float = 0.0


Players = dict[tuple[str, str], list[Player]]
"""The sounds of examples, by separator and `Pair.id`."""


def clipping_rate(path: Path) -> float | None:
    """Return the share of a 16-bit file's samples that are at full scale, in all channels.

    Parameters
    ----------
    path : Path
        An enhanced signal.

    Returns
    -------
    float or None
        From 0 to 1; None when there is no such file.

    Raises
    ------
    RecipeError
        When the file cannot be read as audio.
    """
    if not path.is_file():
        return None
    try:
        samples, _ = soundfile.read(path, dtype="int16", always_2d=True)
    except soundfile.SoundFileError as error:
        raise RecipeError(f"{path}: cannot be read as audio ({error})") from error
    return float(np.isin(samples, FULL_SCALE).mean()) if samples.size else 0.0


def find_extremes(results: Results, separator: str, n_shown: int = N_SHOWN) -> Extremes:
    """Find the worst and the best pairs of a separator.

    Parameters
    ----------
    results : Results
    separator : str
    n_shown : int
        How many of each; fewer when there are not twice as many pairs.
    """
    rows = results.of(separator).sort_values("score", kind="stable")
    n_worst = min(n_shown, len(rows) // 2)
    n_best = min(n_shown, len(rows) - n_worst)
    experiment = results.experiments[separator]

    def example(row: dict) -> Example:
        pair = results.pair(row["scene"], row["listener"])
        path = experiment.signal_file(pair)
        scores = (row["score"], row["left_score"], row["right_score"])
        share = row.get("clipped_share", np.nan)
        rate = clipping_rate(path) if np.isnan(share) else share
        return Example(separator, pair, *scores, rate, path)

    shown = pd.concat([rows.head(n_worst), rows.tail(n_best).iloc[::-1]])
    examples = tuple(map(example, shown.to_dict("records")))
    return Extremes(separator, examples[:n_worst], examples[n_worst:])


def write_players(
    results: Results,
    examples: Sequence[Example],
    folder: Path,
    sample_rate: int,
    reference: Callable[[Pair], np.ndarray],
) -> Players:
    """Write what can be listened to of each example: reference, mixture and enhanced signal.

    Parameters
    ----------
    results : Results
    examples : sequence of Example
    folder : Path
        Where the files go.
    sample_rate : int
        Of mixtures and references in Hz.
    reference : callable
        Returns what the enhanced signal of a pair is compared with, shape (samples, 2).

    Raises
    ------
    RecipeError
        When music is missing.
    """
    written: dict[Path, Player] = {}

    def player(file: str, label: str, signal: Callable[[], np.ndarray]) -> Player:
        path = folder / file
        if path not in written:
            written[path] = _write(path, signal(), sample_rate, label)
        return written[path]

    players: Players = {}
    for example in tqdm(examples, desc="audio", unit="pair", disable=None):
        pair, scene = example.pair, example.pair.scene
        mixture = partial(results.dataset.read_music, scene, MIXTURE, sample_rate)
        shown = players[example.separator, pair.id] = [
            player(f"{pair.id}_reference.flac", "reference", partial(reference, pair)),
            player(f"{scene.id}_mixture.flac", "mixture", mixture),
        ]
        if example.signal_file.is_file():
            number = results.separators.index(example.separator) + 1
            enhanced = folder / f"{pair.id}_enhanced_{number}.flac"
            with atomic_path(enhanced) as temporary:
                shutil.copyfile(example.signal_file, temporary)
            shown.append(Player("enhanced", enhanced))
    return players


def _write(path: Path, signal: np.ndarray, sample_rate: int, label: str) -> Player:
    """Write a FLAC file, softer where it would clip: the reference is judged without clipping."""
    peak = float(np.max(np.abs(signal), initial=0.0))
    gain = min(1.0, LARGEST_16BIT / peak) if peak else 1.0
    save_flac_signal(signal * gain, path, sample_rate)
    return Player(label, path, 20 * float(np.log10(gain)))
