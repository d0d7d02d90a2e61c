"""Means of groups of scores with their intervals, as lines of a plot."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from recipes.cad_icassp_2024.metric import METRIC
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


def mean_lines(
    rows: pd.DataFrame,
    separators: Sequence[str],
    x: str,
    spacing: float,
    *,
    value: str = "score",
    bin_width: float | None = None,
) -> pd.DataFrame:
    """Return where the means of rows of equal `x` are drawn: a row for each separator and group.

    Separators are `spacing` apart, in units of `x`. With `bin_width` the rows of a bin are a group,
    drawn at their mean position. `low` and `high` are the ends of the mean's interval.
    """
    kept = rows.dropna(subset=[x, value])
    kept = kept.assign(group=kept[x] if bin_width is None else np.floor(kept[x] / bin_width))
    shown = [name for name in separators if (kept["separator"] == name).any()]
    points = []
    for place, name in enumerate(shown):
        index, beside = separators.index(name), offset(place, len(shown), spacing)
        for _, group in kept[kept["separator"] == name].groupby("group"):
            ends = astuple(mean_interval(group[value], group["song"], N_RESAMPLES))
            points.append((name, index, group[x].mean() + beside, group[value].mean(), *ends))
    return pd.DataFrame(points, columns=["separator", "index", "x", "mean", "low", "high"])


def offset(index: int, n_separators: int, spacing: float) -> float:
    """Return how far right of its place a separator is drawn, so that none covers another."""
    return (index - (n_separators - 1) / 2) * spacing * min(1.0, N_SPACED / n_separators)


def draw_means(
    panels: Mapping[str, pd.DataFrame],
    style: Style,
    *,
    x_label: str,
    x_limits: tuple[float, float] | None = None,
    classes: Sequence[str] = (),
    y_label: str = METRIC,
) -> Figure:
    """Draw one set of means, or several in panels of their own, two beside each other.

    Where the groups are `classes`, these are the labels of the x axis instead of numbers.
    """
    n_rows = math.ceil(len(panels) / 2)
    separators = list(next(iter(panels.values()))["separator"].unique())
    height = max(3.1, 2.1 * n_rows)
    figure = figure_with_legend(height, separators, n_rows, min(2, len(panels)))
    for ax in figure.axes[len(panels) :]:
        ax.remove()
    for ax, (title, points) in zip(figure.axes, panels.items(), strict=True):
        for name, line in points.groupby("separator", sort=False):
            index = int(line["index"].iloc[0])
            colour = style.colour(index)
            ax.vlines(line["x"], line["low"], line["high"], color=colour, linewidth=1.6)
            ax.plot(
                line["x"],
                line["mean"],
                color=colour,
                linewidth=1.2,
                marker=marker(index),
                markersize=5.5,
                markeredgecolor=style.ground,
                markeredgewidth=0.6,
                label=name,
            )
        ax.set_title(title, loc="left")
        ax.set(xlabel=x_label, ylabel=y_label)
        ax.label_outer()
    if classes:
        figure.axes[0].set_xticks(range(len(classes)), classes)
        x_limits = (-0.5, len(classes) - 0.5)
    figure.axes[0].set_xlim(x_limits)
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
