"""The plots of the report: each function says what one of them shows and how it is drawn."""

from __future__ import annotations

import textwrap
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from clarity.separation.base import VDBO
from recipes.cad_icassp_2024.metric import FEATURE_MEANINGS, FEATURES, METRIC, PLOT_RANGE
from recipes.cad_icassp_2024.reporting.audiograms import SEVERITIES, severity_label
from recipes.cad_icassp_2024.reporting.figures import (
    SCORE_LIMITS,
    WIDTH,
    Plot,
    Style,
    draw_legend,
    figure_with_legend,
    marker,
)
from recipes.cad_icassp_2024.reporting.means import (
    CI,
    N_SPACED,
    draw_means,
    mean_lines,
    means_text,
    offset,
)
from recipes.cad_icassp_2024.reporting.results import Results

GAIN_LIMIT_DB = 12.0
N_BITMAP = 2000  # more points than this are drawn as a bitmap
BIN_DB = 10.0

CLIPPING_LIMITS = (0.0, 0.001, 0.01)
CLIPPING_LABELS = ("none", "≤ 0.1 %", "≤ 1 %", "> 1 %")
"""Classes of the share of samples at full scale."""


def report_plots(results: Results) -> list[Plot]:
    """Return the plots of a report, in their order."""
    of_scores = [plot(results) for plot in (distribution, severity, pure_tone, gain, left_right)]
    return [*of_scores, *parts_plots(results)]


def distribution(results: Results) -> Plot:
    """Histogram and box of the scores of each separator."""
    scores = {name: results.of(name)["score"] for name in results.separators}
    quartiles = "; ".join(
        f"{name}: median {values.median():.2f}, middle half {values.quantile(0.25):.2f} "
        f"to {values.quantile(0.75):.2f}"
        for name, values in scores.items()
    )
    return Plot(
        "distribution",
        "How the scores are distributed",
        "Histogram of the pairs' scores; below it the median (line), the middle half (box), "
        "5th to 95th percentile (whiskers) and the mean (diamond).",
        f"Histograms of scores. {quartiles}.",
        partial(_draw_distribution, scores),
    )


def _draw_distribution(scores: dict[str, pd.Series], style: Style) -> Figure:
    figure = Figure(figsize=(WIDTH, 0.7 + 0.85 * len(scores)), layout="constrained")
    ax = figure.subplots()
    edges = np.linspace(*PLOT_RANGE, 51)
    for index, values in enumerate(scores.values()):
        base = len(scores) - 1 - index
        counts, _ = np.histogram(values.clip(*PLOT_RANGE), edges)
        heights = base + 0.62 * counts / counts.max()
        colour = style.colour(index)
        ax.stairs(heights, edges, baseline=base, fill=True, color=colour, alpha=0.45)
        ax.stairs(heights, edges, baseline=base, color=colour, linewidth=0.8)
        _draw_box(ax, values, base - 0.14, colour)
    labels = [textwrap.fill(name, 14) for name in reversed(scores)]
    ax.set_yticks(range(len(scores)), labels)
    ax.set(xlim=PLOT_RANGE, ylim=(-0.35, len(scores) - 0.25), xlabel=METRIC)
    ax.grid(visible=False, axis="y")
    ax.tick_params(axis="y", labelcolor=style.ink)
    ax.spines["left"].set_visible(False)
    return figure


def _draw_box(ax: Axes, scores: pd.Series, y: float, colour: str) -> None:
    low, first, median, third, high = np.quantile(scores, (0.05, 0.25, 0.5, 0.75, 0.95))
    ax.plot([low, high], [y, y], color=colour, linewidth=1)
    ax.plot([first, third], [y, y], color=colour, linewidth=6, alpha=0.45, solid_capstyle="butt")
    ax.plot([median, median], [y - 0.09, y + 0.09], color=colour, linewidth=2)
    ax.plot(scores.mean(), y, marker="D", markersize=4, color=colour, markeredgewidth=0)


def severity(results: Results) -> Plot:
    """Means of the ears in each class of hearing loss."""
    ears = results.ears()
    present = [name for name in SEVERITIES if (ears["severity"] == name).any()]
    ears["place"] = ears["severity"].map(present.index)
    lines = mean_lines(ears, results.separators, "place", 0.14)
    first = ears[ears["separator"] == results.separators[0]]["severity"].value_counts()
    labels = [f"{severity_label(name)}\n{first.get(name, 0):,} ears" for name in present]
    return Plot(
        "severity",
        "Score by severity of the hearing loss",
        "Mean score of the ears in each class of hearing loss (mean level from 2 to 8 kHz: up to "
        f"15, 35, 56 and above 56 dB HL), with the number of ears; {CI}.",
        f"Mean scores by class of hearing loss. {means_text(ears, 'severity')}.",
        partial(draw_means, {"": lines}, x_label="hearing loss of the ear", classes=labels),
    )


def pure_tone(results: Results) -> Plot:
    """Scores of ears against their pure-tone averages, and the means of bins."""
    ears = results.ears()
    slopes = "; ".join(
        f"{name}: correlation {rows['pta'].corr(rows['score']):.2f}"
        for name, rows in ears.groupby("separator", sort=False)
        if rows["pta"].nunique() > 1 and rows["score"].nunique() > 1
    )
    lines = mean_lines(ears, results.separators, "pta", 1.0, bin_width=BIN_DB)
    shown = "Every ear of every pair: its score against its"
    if is_crowded(results):
        shown = "Scores of ears against their"
    lowest, highest = ears["pta"].min(), ears["pta"].max()
    limits_db = (BIN_DB * (lowest // BIN_DB) - 2, BIN_DB * np.ceil(highest / BIN_DB) + 2)

    def draw(style: Style) -> Figure:
        label = "pure-tone average in dB HL"
        figure = draw_means({"": lines}, style, x_label=label, x_limits=limits_db)
        for index, name in enumerate([] if is_crowded(results) else results.separators):
            rows = ears[ears["separator"] == name]
            x = rows["pta"] + offset(index, len(results.separators), 1.0)
            _draw_points(figure.axes[0], x, rows["score"], index, style)
        return figure

    return Plot(
        "pure_tone_average",
        "Score against the pure-tone average",
        f"{shown} mean hearing level at 0.5, 1, 2 and 4 kHz. Lines join the means of bins of "
        f"{BIN_DB:.0f} dB; separators stand side by side; {CI}.",
        f"Scores of ears against their pure-tone averages in dB HL. {slopes}.",
        draw,
    )


def gain(results: Results) -> Plot:
    """Means of the pairs by the gain that was asked for, for each stem."""
    scores = results.scores
    lines = {stem: mean_lines(scores, results.separators, stem, 0.7) for stem in VDBO}
    limit_db = max(GAIN_LIMIT_DB, 2 + float(scores[list(VDBO)].abs().to_numpy().max()))
    means = " ".join(f"{stem.capitalize()}: {means_text(scores, stem)}." for stem in VDBO)
    return Plot(
        "gain",
        "Score against the requested gain",
        "Mean score of the pairs by the gain that was asked for, for each stem; the other stems "
        f"have whatever gain the scene gives them; {CI}.",
        f"Mean scores by requested gain in dB. {means}",
        partial(draw_means, lines, x_label="gain in dB", x_limits=(-limit_db, limit_db)),
    )


def left_right(results: Results) -> Plot:
    """Scores of the right ears against those of the left."""
    scores = {name: results.of(name) for name in results.separators}
    means = "; ".join(
        f"{name}: left {rows['left_score'].mean():.2f}, right {rows['right_score'].mean():.2f}"
        for name, rows in scores.items()
    )
    crowded = is_crowded(results)

    def draw(style: Style) -> Figure:
        figure = figure_with_legend(4.2, results.separators)
        (ax,) = figure.axes
        ax.plot(
            PLOT_RANGE, PLOT_RANGE, color=style.muted, linewidth=1, linestyle=(0, (4, 3)), zorder=0
        )
        for index, (name, rows) in enumerate(scores.items()):
            x, y = rows["left_score"], rows["right_score"]
            points = ([x.mean()], [y.mean()]) if crowded else ([], [])
            ax.plot(*points, marker(index), color=style.colour(index), markersize=5, label=name)
            if not crowded:
                _draw_points(ax, x, y, index, style)
        ax.set(xlim=SCORE_LIMITS, xlabel=f"{METRIC}, left ear", ylabel=f"{METRIC}, right ear")
        ax.set_aspect("equal")
        draw_legend(figure)
        return figure

    return Plot(
        "left_right",
        "Left ear against right ear",
        f"{'The mean of every separator' if crowded else 'Every pair'}: the score of the right ear "
        "against that of the left. On the dashed line both are equal.",
        f"Scores of the right ear against those of the left. Means: {means}.",
        draw,
    )


def is_crowded(results: Results) -> bool:
    """Whether there are so many separators that points of theirs would hide each other."""
    return len(results.separators) > N_SPACED


def _draw_points(ax: Axes, x: pd.Series, y: pd.Series, index: int, style: Style) -> None:
    """Draw one point for each row; many as a bitmap, so that the page stays small."""
    bitmap = len(x) > N_BITMAP
    ax.scatter(
        x,
        y,
        s=14 if len(x) < 300 else 4,
        marker=marker(index),
        color=style.dots[index % len(style.dots)] if bitmap else style.colour(index),
        alpha=float(np.clip(30 / np.sqrt(len(x)), 0.12, 0.5)),
        linewidths=0,
        rasterized=bitmap,
        zorder=1,
    )


def parts_plots(results: Results) -> list[Plot]:
    """Return a plot of the features against hearing loss and one against clipping.

    Each is left out where nothing is known of it, or all ears are in one class. Of many separators
    the best are shown.
    """
    ears = results.ears()
    if not FEATURES or not set(FEATURES) <= set(ears):
        return []
    ears = ears.dropna(subset=list(FEATURES))
    best = results.scores.groupby("separator")["score"].mean().nlargest(N_SPACED)
    ears = ears[ears["separator"].isin(best.index)]
    labels = [severity_label(name) for name in SEVERITIES]
    losses = pd.Categorical(ears["severity"].map(severity_label), labels, ordered=True)
    bins = [-float("inf"), *CLIPPING_LIMITS, float("inf")]
    shares = pd.cut(ears["clipped_share"], bins, labels=list(CLIPPING_LABELS))
    return [
        *_parts_plot("parts_severity", "hearing loss", ears.assign(level=losses), results),
        *_parts_plot("parts_clipping", "clipping", ears.assign(level=shares), results),
    ]


def _parts_plot(name: str, what: str, ears: pd.DataFrame, results: Results) -> list[Plot]:
    """Plot the features against the classes in ``level``, if there are two of them."""
    ears = ears.dropna(subset=["level"])
    ears["level"] = ears["level"].cat.remove_unused_categories()
    levels = list(ears["level"].cat.categories)
    if len(levels) < 2:
        return []
    ears["place"] = ears["level"].cat.codes.astype(float)
    lines = {
        part: mean_lines(ears, results.separators, "place", 0.14, value=part) for part in FEATURES
    }
    n_shown = ears["separator"].nunique()
    shown = f", of the {n_shown} separators with the highest scores"
    if n_shown == len(results.separators):
        shown = ""
    ordered = ears.sort_values("level", kind="stable").astype({"level": str})
    means = " ".join(f"{part}: {means_text(ordered, 'level', part)}." for part in FEATURES)
    return [
        Plot(
            name,
            f"Parts of the score by {what}",
            f"{FEATURE_MEANINGS}{shown}; {CI}. {_largest_fall(ears, what)}",
            f"Mean features of {METRIC} by {what}. {means}",
            partial(draw_means, lines, x_label=what, y_label="", classes=levels),
        )
    ]


def _largest_fall(ears: pd.DataFrame, what: str) -> str:
    """Say which feature falls most from the first class to the last, as a mean over separators."""
    means = ears.groupby(["level", "separator"], observed=True)[list(FEATURES)].mean()
    levels = ears["level"].cat.categories
    falls = (means.loc[levels[0]] - means.loc[levels[-1]]).mean()
    span = f"From {levels[0]} to {levels[-1]} ({what})"
    if not falls.max() > 0:
        return f"{span} no part falls."
    return f"{span} {falls.idxmax()} falls most, by {falls.max():.2f}."
