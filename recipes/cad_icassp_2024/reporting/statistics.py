"""Means with bootstrap intervals, and paired differences between separators."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

CONFIDENCE = 0.95
CONFIDENCE_LABEL = f"{100 * CONFIDENCE:.0f}\N{NO-BREAK SPACE}%"
N_RESAMPLES = 10_000
SEED = 20240414
"""Seed of every interval, so that a report can be made again to the last digit."""

MIN_SONGS = 10
"""With fewer songs than this, pairs are drawn instead of songs: see `mean_interval`."""

CEILING = "oracle"
"""The separator that is given the true stems: what others are measured against, not a rival."""

BASELINE = "passthrough"
"""No separation at all: the line to beat, not a rival either."""

_BLOCK = 2_000_000  # draws held in memory at a time


@dataclass(frozen=True)
class Interval:
    """A confidence interval; its ends are NaN when one observation tells nothing of the spread."""

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
    """The scores of one separator in a line; `left` and `right` are means of ears."""

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
    """How much higher the first separator scores than the second on the pairs that both have.

    `share_higher` is the share of these pairs in which it scores higher, 0 to 1.
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


def mean_interval(scores: pd.Series, songs: pd.Series, n_resamples: int = N_RESAMPLES) -> Interval:
    """Return the percentile bootstrap interval of a mean score, with `SEED`.

    The pairs of a song share its music, so their scores are alike, and drawing them one by one
    makes intervals too narrow: songs are drawn. Fewer than `MIN_SONGS` songs cannot stand for
    others, though: then pairs are drawn, and the interval is about other pairs of the same songs.

    References
    ----------
    B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap", Chapman & Hall, 1993,
    chapter 13; units: A. C. Davison and D. V. Hinkley, "Bootstrap Methods and their Application",
    Cambridge University Press, 1997, section 3.8.
    """
    if len(scores) < 2:
        return Interval(math.nan, math.nan)
    units, names = pd.factorize(songs)
    if len(names) < MIN_SONGS:
        units = np.arange(len(songs))
    values = scores.to_numpy(dtype=np.float64)
    # Sums of the distances from the mean: equal scores then give it back without rounding.
    sums = np.bincount(units, weights=values - values.mean())
    sizes = np.bincount(units).astype(np.float64)
    found = stats.bootstrap(
        (sums, sizes),
        lambda sums, sizes, axis: sums.sum(axis=axis) / sizes.sum(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=n_resamples,
        batch=max(1, _BLOCK // sums.size),
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(SEED),
    ).confidence_interval
    return Interval(float(values.mean() + found.low), float(values.mean() + found.high))


def summarise(scores: pd.DataFrame) -> list[Summary]:
    """Summarise the scores of each separator, the highest mean first."""
    summaries = [
        Summary(
            separator=str(name),
            n_pairs=len(rows),
            n_songs=rows["song"].nunique(),
            mean=rows["score"].mean(),
            interval=mean_interval(rows["score"], rows["song"]),
            median=rows["score"].median(),
            left=rows["left_score"].mean(),
            right=rows["right_score"].mean(),
        )
        for name, rows in scores.groupby("separator", sort=False)
    ]
    return sorted(summaries, key=lambda summary: -summary.mean)


def rivals(summaries: Sequence[Summary]) -> list[Summary]:
    """Return the separators that compete: all but the ceiling and the line to beat, if any do."""
    marks = (CEILING, BASELINE)
    return [summary for summary in summaries if summary.separator not in marks] or list(summaries)


def differences_to_best(
    scores: pd.DataFrame, summaries: Sequence[Summary]
) -> list[PairedDifference]:
    """Compare the best of the `rivals` with every other separator, in the order of `summaries`.

    The first of a `PairedDifference` is the separator that is higher on their common pairs.
    Separators without a pair in common with the best are left out.
    """
    table = scores.pivot(index=["song", "scene", "listener"], columns="separator", values="score")
    best = rivals(summaries)[0].separator
    differences = []
    for other in (summary.separator for summary in summaries):
        values = (table[best] - table[other]).dropna()
        if other == best or values.empty:
            continue
        first, second = best, other
        if values.mean() < 0:
            values, first, second = -values, other, best
        songs = values.index.get_level_values("song").to_series()
        interval = mean_interval(values, songs)
        share_higher = (values > 0).mean()
        differences.append(
            PairedDifference(first, second, len(values), values.mean(), interval, share_higher)
        )
    return differences


def terminal_table(summaries: Sequence[Summary]) -> str:
    """Return a table of the summaries for the terminal."""
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
