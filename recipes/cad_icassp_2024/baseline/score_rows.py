"""From the scores of both ears to a row of scores and details, and rows in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clarity.utils.loudness import integrated_loudness
from clarity.utils.signal_processing import LARGEST_16BIT
from recipes.cad_icassp_2024.data.scenes import Pair
from recipes.cad_icassp_2024.metric import METRIC, PARTS, EarScore
from recipes.cad_icassp_2024.runs.scores import SIGNAL_COLUMNS, Row


def score_row(
    pair: Pair, left: EarScore, right: EarScore, enhanced: np.ndarray, sample_rate: int
) -> Row:
    """Make the row of a pair, with the columns of the scores and of their details.

    Parameters
    ----------
    pair : Pair
    left, right : EarScore
        Of each ear.
    enhanced : ndarray, shape (samples, 2)
        The enhanced signal, full scale 1.
    sample_rate : int
        Its rate in Hz.

    Returns
    -------
    dict of str to str
    """
    numbers = {
        "left_score": left.score,
        "right_score": right.score,
        "score": float(np.mean([left.score, right.score])),
    }
    for ear, result in (("left", left), ("right", right)):
        names = (f"{ear}_{part}" for part in PARTS)
        numbers |= dict(zip(names, result.parts, strict=True))
    of_signal = (
        float(np.mean((enhanced >= LARGEST_16BIT) | (enhanced <= -1.0))),
        float(np.abs(enhanced).max(initial=0.0)),
        integrated_loudness(enhanced, sample_rate),
    )
    numbers |= dict(zip(SIGNAL_COLUMNS, of_signal, strict=True))
    return {
        "scene": pair.scene.id,
        "song": pair.scene.mixture_id,
        "listener": pair.listener.id,
        **{name: repr(float(value)) for name, value in numbers.items()},
    }


def scores_text(scored: Sequence[tuple[Pair, Row]]) -> str:
    """Say of pairs how many were scored, their mean and the worst."""
    pair, worst = min(scored, key=lambda item: float(item[1]["score"]))
    mean = np.mean([float(row["score"]) for _, row in scored])
    return (
        f"{len(scored)} pairs scored, mean {METRIC} {mean:.4f}, "
        f"lowest {float(worst['score']):.4f} ({pair.id})"
    )
