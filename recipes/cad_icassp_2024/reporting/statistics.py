"""Means with bootstrap intervals, and paired differences between separators."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd

CONFIDENCE = 0.95
CONFIDENCE_LABEL = f"{100 * CONFIDENCE:.0f}\N{NO-BREAK SPACE}%"
N_RESAMPLES = 10_000
SEED = 20240414
"""Seed of every interval, so that a report can be made again to the last digit."""

MIN_SONGS = 10
"""With fewer songs than this, pairs are drawn instead of songs: see `resampling_units`."""

_BLOCK = 2_000_000  # draws held in memory at a time


@dataclass(frozen=True)
class Interval:
    """A confidence interval.

    Attributes
    ----------
    low, high : float
        Its ends; NaN when a single observation tells nothing of the spread.
    """

    low: float
    high: float

    @property
    def is_known(self) -> bool:
        """Whether there were observations enough."""
        return math.isfinite(self.low)

    def text(self, sign: str = "") -> str:
        """Return it with three decimals, with a sign where `sign` is ``+``."""
        if not self.is_known:
            return "unknown"
        ends = (f"{value:{sign}.3f}" for value in (self.low, self.high))
        return " to ".join(ends).replace("-", "\N{MINUS SIGN}")


@dataclass(frozen=True)
class Summary:
    """The scores of one separator in a line.

    Attributes
    ----------
    separator : str
    n_pairs, n_songs : int
    mean : float
    interval : Interval
        Of the mean.
    median, left, right : float
        Median of the pairs' scores; mean of the left and of the right ears' scores.
    """

    separator: str
    n_pairs: int
    n_songs: int
    mean: float
    interval: Interval
    median: float
    left: float
    right: float


@dataclass(frozen=True)
class PairedDifference:
    """How much higher one separator scores than another on the pairs that both have.

    Attributes
    ----------
    first, second : str
        Separators.
    n_pairs : int
        Scene-listener pairs that both have scored.
    mean : float
        Mean of first minus second.
    interval : Interval
        Of the mean.
    share_higher : float
        Share of the pairs in which the first scores higher, 0 to 1.
    """

    first: str
    second: str
    n_pairs: int
    mean: float
    interval: Interval
    share_higher: float

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.interval.low > 0 or self.interval.high < 0


def bootstrap_means(
    values: npt.ArrayLike,
    rng: np.random.Generator,
    groups: Sequence[object] | npt.NDArray[np.generic] | None = None,
    n_resamples: int = N_RESAMPLES,
) -> npt.NDArray[np.float64]:
    """Draw samples with replacement and return the mean of each.

    Parameters
    ----------
    values : array_like, shape (n,)
        The observations, at least one.
    rng : Generator
        Where the draws come from.
    groups : sequence, shape (n,), optional
        The group of each observation; whole groups are drawn. Default: each is its own group.
    n_resamples : int
        How many samples to draw.

    Returns
    -------
    ndarray, shape (n_resamples,)

    Raises
    ------
    ValueError
        When there is no observation.

    References
    ----------
    B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap", Chapman & Hall, 1993,
    chapter 6; groups: A. C. Davison and D. V. Hinkley, "Bootstrap Methods and their Application",
    Cambridge University Press, 1997, section 3.8.
    """
    observations = np.asarray(values, dtype=np.float64)
    if observations.size == 0:
        raise ValueError("there is nothing to draw from")
    labels = np.arange(observations.size) if groups is None else pd.factorize(np.asarray(groups))[0]
    sizes = np.bincount(labels).astype(np.float64)
    # Sums of what lies off the mean: equal observations then give it back without rounding.
    centre = observations.mean()
    sums = np.bincount(labels, weights=observations - centre)
    means = np.empty(n_resamples)
    block = max(1, _BLOCK // sizes.size)
    for start in range(0, n_resamples, block):
        stop = min(start + block, n_resamples)
        drawn = rng.integers(sizes.size, size=(stop - start, sizes.size), dtype=np.int32)
        means[start:stop] = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    return centre + means


def bootstrap_interval(
    values: npt.ArrayLike,
    rng: np.random.Generator,
    groups: Sequence[object] | npt.NDArray[np.generic] | None = None,
    confidence: float = CONFIDENCE,
    n_resamples: int = N_RESAMPLES,
) -> Interval:
    """Return the percentile interval of the mean (Efron and Tibshirani 1993, chapter 13).

    Parameters
    ----------
    values, rng, groups, n_resamples
        As for `bootstrap_means`.
    confidence : float
        Coverage, 0 to 1.

    Raises
    ------
    ValueError
        When there is no observation.
    """
    means = bootstrap_means(values, rng, groups, n_resamples)
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, (tail, 1 - tail))
    return Interval(float(low), float(high))


def resampling_units(songs: pd.Series) -> npt.NDArray[np.generic] | None:
    """Return what to draw as a whole: songs, or None for single pairs when songs are too few.

    The pairs of a song share its music, so their scores are alike; drawing them one by one makes
    intervals too narrow. Fewer than `MIN_SONGS` songs cannot stand for others, though: then the
    interval is about other pairs of the same songs.

    Parameters
    ----------
    songs : Series, shape (n,)
        The song of each score.
    """
    return songs.to_numpy(dtype=str) if songs.nunique() >= MIN_SONGS else None


def mean_interval(scores: pd.Series, songs: pd.Series) -> Interval:
    """Return the interval of a mean score, with `SEED` and over `resampling_units`."""
    if len(scores) < 2:
        return Interval(math.nan, math.nan)
    return bootstrap_interval(scores, np.random.default_rng(SEED), resampling_units(songs))


def summarise(scores: pd.DataFrame) -> list[Summary]:
    """Summarise the scores of each separator, the highest mean first.

    Parameters
    ----------
    scores : DataFrame
        As `reporting.results.Results.scores`.
    """
    summaries = [
        Summary(
            separator=str(name),
            n_pairs=len(rows),
            n_songs=int(rows["song"].nunique()),
            mean=float(rows["score"].mean()),
            interval=mean_interval(rows["score"], rows["song"]),
            median=float(rows["score"].median()),
            left=float(rows["left_score"].mean()),
            right=float(rows["right_score"].mean()),
        )
        for name, rows in scores.groupby("separator", sort=False)
    ]
    return sorted(summaries, key=lambda summary: -summary.mean)


def paired_differences(scores: pd.DataFrame) -> list[PairedDifference]:
    """Compare every two separators on the pairs that both have; those without any are left out.

    Parameters
    ----------
    scores : DataFrame
        As `reporting.results.Results.scores`.

    Returns
    -------
    list of PairedDifference
        Each with the separator that is higher on their common pairs as the first; in the order of
        the means.
    """
    table = scores.pivot(index=["song", "scene", "listener"], columns="separator", values="score")
    differences = []
    means = scores.groupby("separator", sort=False)["score"].mean()
    for one, other in combinations(means.sort_values(ascending=False, kind="stable").index, 2):
        values = (table[one] - table[other]).dropna()
        if values.empty:
            continue
        first, second, values = (
            (one, other, values) if values.mean() >= 0 else (other, one, -values)
        )
        songs = values.index.get_level_values("song").to_series()
        differences.append(
            PairedDifference(
                first=str(first),
                second=str(second),
                n_pairs=len(values),
                mean=float(values.mean()),
                interval=mean_interval(values, songs),
                share_higher=float((values > 0).mean()),
            )
        )
    return differences


def terminal_table(summaries: Sequence[Summary]) -> str:
    """Return a table of the summaries for the terminal.

    Parameters
    ----------
    summaries : sequence of Summary
    """
    width = max(len("separator"), *(len(summary.separator) for summary in summaries))
    lines = [
        f"{'separator':<{width}}   pairs    mean   95 % interval   median    left   right",
        f"{'-' * width}   -----  ------  ---------------  ------  ------  ------",
    ]
    for s in summaries:
        ends = f"{s.interval.low:.4f} - {s.interval.high:.4f}" if s.interval.is_known else "unknown"
        lines.append(
            f"{s.separator:<{width}}  {s.n_pairs:>6}  {s.mean:.4f}  {ends:>15}  {s.median:.4f}  "
            f"{s.left:.4f}  {s.right:.4f}"
        )
    return "\n".join(lines)
