"""The plots of the report."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from clarity.separation.base import VDBO
from clarity.utils.audiogram import SEVERITY_LIMITS_DB, Audiogram, Listener
from recipes.cad_icassp_2024.reporting.figures import (
    Plot,
    Style,
    dress,
    make_plot,
    marker,
    new_figure,
)
from recipes.cad_icassp_2024.reporting.results import Results, pure_tone_average
from recipes.cad_icassp_2024.reporting.statistics import CONFIDENCE_LABEL, mean_interval

WIDTH = 4.4  # inches; at 9 points the text is legible at the width of a phone
AUDIOGRAM_SIZE = (2.25, 1.95)  # inches
SCORE = "HAAQI"
SCORE_LIMITS = (-0.02, 1.02)  # whole marks at 0 and at 1
GAIN_LIMIT_DB = 12.0
N_BITMAP = 2000  # more points than this are drawn as a bitmap
BIN_DB = 10.0

SEVERITIES = (*(name for name, _ in SEVERITY_LIMITS_DB), "SEVERE")
SEVERITY_LABELS = {"NOTHING": "none"}

CI = f"whiskers: {CONFIDENCE_LABEL} bootstrap intervals of the means"


def severity_label(severity: str) -> str:
    """Return how the page names a class of hearing loss."""
    return SEVERITY_LABELS.get(severity, severity.lower())


def make_plots(results: Results, folder: Path) -> Iterator[Plot]:
    """Draw the plots of a report.

    Parameters
    ----------
    results : Results
    folder : Path
        Where the PNG files go.

    Yields
    ------
    Plot
    """
    for describe in (_distribution, _severity, _pure_tone, _gain, _left_right):
        yield describe(results, folder)


def _medians(frame: pd.DataFrame, by: str) -> str:
    """Return the mean scores of each separator and class as a sentence."""
    parts = []
    for name, rows in frame.groupby("separator", sort=False):
        means = rows.groupby(by, sort=False)["score"].mean()
        listed = ", ".join(f"{label} {value:.2f}" for label, value in means.items())
        parts.append(f"{name}: {listed}")
    return "; ".join(parts)


# --- distribution of scores


def _distribution(results: Results, folder: Path) -> Plot:
    quartiles = "; ".join(
        f"{name}: median {rows.median():.2f}, middle half {rows.quantile(0.25):.2f} "
        f"to {rows.quantile(0.75):.2f}"
        for name in results.separators
        for rows in [results.of(name)["score"]]
    )
    return make_plot(
        "distribution",
        "How the scores are distributed",
        "Histogram of the pairs' scores; below it the median (line), the middle half (box), "
        "5th to 95th percentile (whiskers) and the mean (diamond).",
        f"Histograms of scores. {quartiles}.",
        partial(draw_distribution, results),
        folder,
    )


def draw_distribution(results: Results, style: Style) -> Figure:
    """Draw a histogram and a box for every separator, one above the other."""
    names = results.separators
    figure, axes = new_figure(WIDTH, 0.7 + 0.85 * len(names))
    (ax,) = axes.flat
    edges = np.linspace(0, 1, 51)
    for index, name in enumerate(names):
        scores = results.of(name)["score"].to_numpy()
        base = len(names) - 1 - index
        counts, _ = np.histogram(scores.clip(0, 1), edges)
        heights = base + 0.62 * counts / counts.max()
        colour = style.colour(index)
        ax.stairs(heights, edges, baseline=base, fill=True, color=colour, alpha=0.45)
        ax.stairs(heights, edges, baseline=base, color=colour, linewidth=0.8)
        _box(ax, scores, base - 0.14, colour)
    ax.set_yticks(range(len(names)), [textwrap.fill(name, 14) for name in reversed(names)])
    ax.set_xlim(0, 1)
    ax.set_ylim(-0.35, len(names) - 0.25)
    dress(ax, style, SCORE, "", grid="x")
    ax.tick_params(axis="y", labelcolor=style.ink)
    ax.spines["left"].set_visible(False)
    return figure


def _box(ax: Axes, scores: np.ndarray, y: float, colour: str) -> None:
    low, first, median, third, high = np.quantile(scores, (0.05, 0.25, 0.5, 0.75, 0.95))
    ax.plot([low, high], [y, y], color=colour, linewidth=1)
    ax.plot([first, third], [y, y], color=colour, linewidth=6, alpha=0.45, solid_capstyle="butt")
    ax.plot([median, median], [y - 0.09, y + 0.09], color=colour, linewidth=2)
    ax.plot(scores.mean(), y, marker="D", markersize=4, color=colour, markeredgewidth=0)


# --- score against hearing loss


def _severity(results: Results, folder: Path) -> Plot:
    return make_plot(
        "severity",
        "Score by severity of the hearing loss",
        "Mean score of the ears in each class of hearing loss (mean level from 2 to 8 kHz: up to "
        "15, 35, 56 and above 56 dB HL), with the number of ears; " + CI + ".",
        f"Mean scores by class of hearing loss. {_medians(results.ears(), 'severity')}.",
        partial(draw_severity, results),
        folder,
    )


def draw_severity(results: Results, style: Style) -> Figure:
    """Draw mean scores with intervals for every class of hearing loss."""
    ears = results.ears()
    present = [severity for severity in SEVERITIES if (ears["severity"] == severity).any()]
    figure, axes = new_figure(WIDTH, 3.1)
    (ax,) = axes.flat
    for index, name in enumerate(results.separators):
        rows = ears[ears["separator"] == name]
        groups = [rows[rows["severity"] == severity] for severity in present]
        _means(ax, index, len(results.separators), style, groups, list(range(len(present))), name)
    first = ears[ears["separator"] == results.separators[0]]["severity"].value_counts()
    labels = [f"{severity_label(s)}\n{first.get(s, 0):,} ears" for s in present]
    ax.set_xticks(range(len(present)), labels)
    ax.set_xlim(-0.5, len(present) - 0.5)
    _finish(figure, ax, style, "hearing loss of the ear")
    return figure


def _means(
    ax: Axes,
    index: int,
    n_series: int,
    style: Style,
    groups: list[pd.DataFrame],
    positions: list[float] | list[int],
    name: str,
    spacing: float = 0.14,
) -> None:
    """Draw the means of groups of rows with intervals, beside those of the other separators."""
    kept = [(x, rows) for x, rows in zip(positions, groups, strict=True) if len(rows)]
    if not kept:
        return
    x = np.array([position for position, _ in kept]) + _shift(index, n_series, spacing)
    means = np.array([rows["score"].mean() for _, rows in kept])
    intervals = [mean_interval(rows["score"], rows["song"]) for _, rows in kept]
    colour = style.colour(index)
    low, high = [i.low for i in intervals], [i.high for i in intervals]
    ax.vlines(x, low, high, color=colour, linewidth=1.6)
    ax.plot(
        x,
        means,
        color=colour,
        linewidth=1.2,
        marker=marker(index),
        markersize=5.5,
        markeredgecolor=style.ground,
        markeredgewidth=0.6,
        label=name,
    )


def _shift(index: int, n_series: int, spacing: float) -> float:
    """Return how far right of its place a separator is drawn, so that none covers another."""
    return (index - (n_series - 1) / 2) * spacing


def _legend(figure: Figure, ax: Axes, style: Style) -> None:
    handles, _ = ax.get_legend_handles_labels()
    figure.legend(
        handles=handles,
        loc="outside upper center",
        ncols=min(3, len(handles)),
        labelcolor=style.ink,
    )


def _finish(figure: Figure, ax: Axes, style: Style, x_label: str, y_label: str = SCORE) -> None:
    ax.set_ylim(*SCORE_LIMITS)
    _legend(figure, ax, style)
    dress(ax, style, x_label, y_label)


def _points(ax: Axes, x: pd.Series, y: pd.Series, index: int, style: Style) -> None:
    """Draw one point a row; many as a bitmap, so that the page stays small."""
    bitmap = len(x) > N_BITMAP
    ax.scatter(
        x,
        y,
        s=14 if len(x) < 300 else 4,
        marker=marker(index),
        color=style.dot_colour(index, bitmap=bitmap),
        alpha=float(np.clip(30 / np.sqrt(len(x)), 0.12, 0.5)),
        linewidths=0,
        rasterized=bitmap,
        zorder=1,
    )


def _pure_tone(results: Results, folder: Path) -> Plot:
    ears = results.ears()
    slopes = "; ".join(
        f"{name}: correlation {rows['pta'].corr(rows['score']):.2f}"
        for name, rows in ears.groupby("separator", sort=False)
        if rows["pta"].nunique() > 1 and rows["score"].nunique() > 1
    )
    return make_plot(
        "pure_tone_average",
        "Score against the pure-tone average",
        "Every ear of every pair: its score against its mean hearing level at 0.5, 1, 2 and "
        f"4 kHz. Lines join the means of bins of {BIN_DB:.0f} dB; "
        f"separators stand side by side; {CI}.",
        f"Scores of ears against their pure-tone averages in dB HL. {slopes}.",
        partial(draw_pure_tone, ears, results.separators),
        folder,
    )


def draw_pure_tone(ears: pd.DataFrame, separators: list[str], style: Style) -> Figure:
    """Draw the scores of ears against their pure-tone averages, and the means of bins."""
    figure, axes = new_figure(WIDTH, 3.1)
    (ax,) = axes.flat
    for index, name in enumerate(separators):
        rows = ears[ears["separator"] == name]
        beside = _shift(index, len(separators), 1.0)
        _points(ax, rows["pta"] + beside, rows["score"], index, style)
        groups = [part for _, part in rows.groupby(np.floor(rows["pta"] / BIN_DB))]
        centres = [float(part["pta"].mean()) for part in groups]
        _means(ax, index, len(separators), style, groups, centres, name, spacing=1.0)
    ax.set_xlim(
        BIN_DB * np.floor(ears["pta"].min() / BIN_DB) - 2,
        BIN_DB * np.ceil(ears["pta"].max() / BIN_DB) + 2,
    )
    _finish(figure, ax, style, "pure-tone average in dB HL")
    return figure


# --- score against the requested gain


def _gain(results: Results, folder: Path) -> Plot:
    return make_plot(
        "gain",
        "Score against the requested gain",
        "Mean score of the pairs by the gain that was asked for, for each stem; the other stems "
        "have whatever gain the scene gives them; " + CI + ".",
        "Mean scores by requested gain in dB. "
        + " ".join(f"{stem.capitalize()}: {_medians(results.scores, stem)}." for stem in VDBO),
        partial(draw_gain, results),
        folder,
    )


def draw_gain(results: Results, style: Style) -> Figure:
    """Draw mean scores with intervals against the gain of each stem."""
    figure, axes = new_figure(WIDTH, 4.2, 2, 2, sharex=True, sharey=True)
    for ax, stem in zip(axes.flat, VDBO, strict=True):
        for index, name in enumerate(results.separators):
            parts = [(float(gain), rows) for gain, rows in results.of(name).groupby(stem)]  # type: ignore[arg-type]
            gains, groups = [gain for gain, _ in parts], [rows for _, rows in parts]
            _means(ax, index, len(results.separators), style, groups, gains, name, spacing=0.7)
        ax.set_title(stem, loc="left", color=style.ink)
        ax.set_ylim(*SCORE_LIMITS)
        dress(ax, style, "", "")
    limit = max(GAIN_LIMIT_DB, 2 + float(results.scores[list(VDBO)].abs().to_numpy().max()))
    axes[0, 0].set_xlim(-limit, limit)
    for ax in axes[-1]:
        ax.set_xlabel("gain in dB", color=style.ink)
    for ax in axes[:, 0]:
        ax.set_ylabel(SCORE, color=style.ink)
    _legend(figure, axes[0, 0], style)
    return figure


# --- left against right


def _left_right(results: Results, folder: Path) -> Plot:
    means = "; ".join(
        f"{name}: left {rows['left_score'].mean():.2f}, right {rows['right_score'].mean():.2f}"
        for name, rows in results.scores.groupby("separator", sort=False)
    )
    return make_plot(
        "left_right",
        "Left ear against right ear",
        "Every pair: the score of the right ear against that of the left. On the dashed line both "
        "are equal.",
        f"Scores of the right ear against those of the left. Means: {means}.",
        partial(draw_left_right, results),
        folder,
    )


def draw_left_right(results: Results, style: Style) -> Figure:
    """Draw the right ears' scores against the left ears'."""
    figure, axes = new_figure(WIDTH, 4.2)
    (ax,) = axes.flat
    ax.plot([0, 1], [0, 1], color=style.muted, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
    for index, name in enumerate(results.separators):
        rows = results.of(name)
        _points(ax, rows["left_score"], rows["right_score"], index, style)
        ax.plot([], [], marker(index), color=style.colour(index), markersize=5, label=name)
    ax.set_xlim(*SCORE_LIMITS)
    ax.set_aspect("equal")
    _finish(figure, ax, style, f"{SCORE}, left ear", f"{SCORE}, right ear")
    return figure


# --- audiograms


def make_audiogram(listener: Listener, folder: Path) -> Plot:
    """Draw the audiograms of a listener.

    Parameters
    ----------
    listener : Listener
    folder : Path
        Where the PNG file goes.
    """
    title = f"Audiogram of {listener.id}"
    left, right = map(pure_tone_average, (listener.audiogram_left, listener.audiogram_right))
    averages = f"Pure-tone average: left ear {left:.0f} dB HL, right ear {right:.0f} dB HL."
    draw = partial(draw_audiogram, listener)
    alternative = f"{title}. {averages}"
    return make_plot(f"audiogram_{listener.id}", title, averages, alternative, draw, folder)


def draw_audiogram(listener: Listener, style: Style) -> Figure:
    """Draw the audiograms of both ears, left a cross and right a circle (ISO 8253-1)."""
    figure, axes = new_figure(*AUDIOGRAM_SIZE)
    (ax,) = axes.flat
    ears: tuple[tuple[Audiogram, str, int, str], ...] = (
        (listener.audiogram_left, "x", 0, "left"),
        (listener.audiogram_right, "o", 1, "right"),
    )
    for audiogram, mark, index, label in ears:
        ax.plot(
            audiogram.frequencies,
            audiogram.levels,
            marker=mark,
            markersize=5,
            markerfacecolor="none",
            color=style.colour(index),
            linewidth=1.2,
            label=label,
        )
    ax.set_xscale("log", base=2)
    ax.set_xticks([250, 500, 1000, 2000, 4000, 8000], [".25", ".5", "1", "2", "4", "8"])
    ax.minorticks_off()
    ax.set_xlim(200, 10000)
    loudest = max(float(audiogram.levels.max()) for audiogram, *_ in ears)
    ax.set_ylim(max(105.0, loudest + 5), -12)
    ax.set_yticks(range(0, 101, 20))
    ax.legend(loc="lower left", handlelength=1.4, fontsize=8)
    dress(ax, style, "frequency in kHz", "level in dB HL")
    return figure
