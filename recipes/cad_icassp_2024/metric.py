"""The metric: what is computed for an ear, and what files and report call it.

To score with another metric, change this module: evaluate.py, the files of scores and the report
have what they know of it from here. The key ``HAAQI_sample_rate`` keeps its name, and the loss of
fine-tuning is HAAQI. Scores that are there already are not made again for changed code; take a new
``path.exp_folder``, or ``overwrite=true``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from clarity.utils.audiogram import Audiogram

METRIC = "HAAQI"
"""Its name in messages and in the report."""

SCALE = "0 to 1, higher is better"
"""What the report says of its values. Higher must be better: the report ranks by the mean."""

PLOT_RANGE = (0.0, 1.0)
"""Ends of the axes of scores in the report's plots."""

SCORE_RANGE = (-1.0, 1.1)
"""HAAQI's regression leaves 0 to 1 by no more than this; what is beyond is no score: evaluate.py
scores its pair again, report.py leaves it out. Of a metric that can be infinite, limit the score.
"""

FEATURES = ("CepHigh", "BMsync5", "Dloud", "Dnorm")
"""Parts of the score that the report shows, as many as there are; each rises with the quality."""

FEATURE_MEANINGS = (
    "Means of the ears' four features: CepHigh (fast changes of the spectrum), BMsync5 (fine "
    "structure), Dloud and Dnorm (average spectrum: loud bands, all bands alike)"
)

PARTS = (*FEATURES, "nonlinear", "linear")
"""Columns of each ear in ``scores_details.csv``."""


class EarScore(NamedTuple):
    """Score of one ear, and its parts in the order of `PARTS`."""

    score: float
    parts: tuple[float, ...]


def score_ear(
    reference: np.ndarray,
    enhanced: np.ndarray,
    sample_rate_hz: float,
    audiogram: Audiogram,
    level1: float,
    stream: np.random.RandomState | None,
    n_threads: int,
) -> EarScore:
    """Score the enhanced signal of one ear.

    Parameters
    ----------
    reference : ndarray, shape (samples,)
        Remix of the true stems, amplified for the listener.
    enhanced : ndarray, shape (samples,)
        What the listener hears; a few samples longer or shorter, and possibly late.
    sample_rate_hz : float
        Rate of both.
    audiogram : Audiogram
        Of this ear.
    level1 : float
        Level in dB SPL of a signal with an RMS of 1.
    stream : numpy.random.RandomState, optional
        Where random numbers are drawn from; NumPy's global stream by default.
    n_threads : int
        How many threads may be used.

    Returns
    -------
    EarScore
    """
    # Imported here, so that scripts that score nothing do not load the compiled engine.
    from clarity.evaluator.haaqi import evaluate_haaqi  # noqa: PLC0415

    result = evaluate_haaqi(
        reference,
        sample_rate_hz,
        enhanced,
        sample_rate_hz,
        audiogram,
        equalisation=2,  # the reference has its NAL-R already
        level1=level1,
        random_state=stream,
        n_threads=n_threads,
    )
    return EarScore(result.score, (*result.raw, result.nonlinear, result.linear))
