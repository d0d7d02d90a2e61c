"""Means of groups of scores with their intervals, as lines of a plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from recipes.cad_icassp_2024.reporting.figures import (
    Style,
    draw_legend,
    figure_with_legend,
    marker,
)
from recipes.cad_icassp_2024.reporting.statistics import CONFIDENCE_LABEL, mean_interval

CI = f"whiskers: {CONFIDENCE_LABEL} bootstrap intervals of the means"

N_RESAMPLES = 2_000
"""Samples drawn for a whisker: its ends are then within a line's width of those of 10,000."""

N_SPACED = 6
"""Separators that stand beside each other at the full spacing; more of them move closer."""


@dataclass(frozen=True)
class MeanLine:
    """The means of one separator.

    Attributes
    ----------
    separator : str
    index : int
        Its place among all separators, which gives its colour and mark.
    x, mean, low, high : ndarray, shape (n_groups,)
        Where each mean is drawn, the mean, and the ends of its interval.
    """

    separator: str
    index: int
    x: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


def mean_lines(
    rows: pd.DataFrame,
    separators: Sequence[str],
    x: str,
    spacing: float,
    *,
    value: str = "score",
    bin_width: float | None = None,
) -> list[MeanLine]:
    """Return the means of groups of rows for each separator.

    Parameters
    ----------
    rows : DataFrame
        With ``separator``, ``song`` and the columns `x` and `value`.
    separators : sequence of str
        In their order; those without rows are left out.
    x : str
        Column of the position; rows of equal position are a group.
    spacing : float
        Distance between separators, in units of `x`.
    value : str
        Column of what is averaged.
    bin_width : float, optional
        Rows of one bin are a group instead, drawn at their mean position.
    """
    kept = rows[rows[value].notna() & rows[x].notna()]
    kept = kept.assign(group=kept[x] if bin_width is None else np.floor(kept[x] / bin_width))
    lines = []
    shown = [name for name in separators if (kept["separator"] == name).any()]
    for place, name in enumerate(shown):
        groups = [group for _, group in kept[kept["separator"] == name].groupby("group")]
        beside = offset(place, len(shown), spacing)
        intervals = [mean_interval(group[value], group["song"], N_RESAMPLES) for group in groups]
        points = [
            (group[x].mean() + beside, group[value].mean(), *astuple(interval))
            for group, interval in zip(groups, intervals, strict=True)
        ]
        lines.append(MeanLine(name, separators.index(name), *np.transpose(points)))
    return lines


def offset(index: int, n_separators: int, spacing: float) -> float:
    """Return how far right of its place a separator is drawn, so that none covers another."""
    return (index - (n_separators - 1) / 2) * spacing * min(1.0, N_SPACED / n_separators)


def draw_mean_lines(ax: Axes, lines: Sequence[MeanLine], style: Style) -> None:
    """Draw means as marks that are joined by lines, and their intervals as whiskers."""
    for line in lines:
        colour = style.colour(line.index)
        ax.vlines(line.x, line.low, line.high, color=colour, linewidth=1.6)
        ax.plot(
            line.x,
            line.mean,
            color=colour,
            linewidth=1.2,
            marker=marker(line.index),
            markersize=5.5,
            markeredgecolor=style.ground,
            markeredgewidth=0.6,
            label=line.separator,
        )


def draw_panels(
    panels: Mapping[str, Sequence[MeanLine]], style: Style, x_label: str, y_label: str
) -> Figure:
    """Draw four sets of means in panels of their own, named after them."""
    names = [line.separator for line in next(iter(panels.values()))]
    figure, axes = figure_with_legend(4.2, names, 2, 2)
    for ax, (title, lines) in zip(axes.flat, panels.items(), strict=True):
        draw_mean_lines(ax, lines, style)
        ax.set_title(title, loc="left")
        ax.set(xlabel=x_label, ylabel=y_label)
        ax.label_outer()
    draw_legend(figure)
    return figure


def means_text(rows: pd.DataFrame, by: str, value: str = "score") -> str:
    """Return the mean of each separator and group in words."""
    parts = []
    for name, own in rows.groupby("separator", sort=False):
        means = own.groupby(by, sort=False)[value].mean()
        listed = ", ".join(f"{label} {mean:.2f}" for label, mean in means.items())
        parts.append(f"{name}: {listed}")
    return "; ".join(parts)
