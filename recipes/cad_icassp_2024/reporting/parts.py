"""Which part of a score falls with hearing loss and with clipping, from ``scores_details.csv``."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from recipes.cad_icassp_2024.metric import FEATURE_MEANINGS, FEATURES, METRIC
from recipes.cad_icassp_2024.reporting.audiograms import SEVERITIES, severity_label
from recipes.cad_icassp_2024.reporting.figures import Plot, Style
from recipes.cad_icassp_2024.reporting.means import (
    CI,
    N_SPACED,
    draw_panels,
    mean_lines,
    means_text,
)
from recipes.cad_icassp_2024.reporting.results import Results

CLIPPING_LIMITS = (0.0, 0.001, 0.01)
CLIPPING_LABELS = ("none", "≤ 0.1 %", "≤ 1 %", "> 1 %")
"""Classes of the share of samples at full scale."""


def parts_plots(results: Results) -> list[Plot]:
    """Return a plot of the features against hearing loss and one against clipping.

    Each is left out where nothing is known of it, or all ears are in one class. Of many separators
    the best are shown.
    """
    ears = results.ears()
    if not set(FEATURES) <= set(ears):
        return []
    ears = ears.dropna(subset=list(FEATURES))
    if len(results.separators) > N_SPACED:
        best = results.scores.groupby("separator")["score"].mean().nlargest(N_SPACED)
        ears = ears[ears["separator"].isin(best.index)]
    labels = [severity_label(name) for name in SEVERITIES]
    losses = pd.Categorical(ears["severity"].map(severity_label), labels, ordered=True)
    bins = [-float("inf"), *CLIPPING_LIMITS, float("inf")]
    shares = pd.cut(ears["clipped_share"], bins, labels=list(CLIPPING_LABELS))
    plots = [
        _parts_plot("parts_severity", "hearing loss", ears.assign(level=losses), results),
        _parts_plot("parts_clipping", "clipping", ears.assign(level=shares), results),
    ]
    return [plot for plot in plots if plot is not None]


def _parts_plot(name: str, what: str, ears: pd.DataFrame, results: Results) -> Plot | None:
    """Plot the features against the classes in ``level``; None when there are not two of them."""
    ears = ears.dropna(subset=["level"])
    ears["level"] = ears["level"].cat.remove_unused_categories()
    levels = list(ears["level"].cat.categories)
    if len(levels) < 2:
        return None
    ears["place"] = ears["level"].cat.codes.astype(float)
    lines = {
        part: mean_lines(ears, results.separators, "place", 0.14, value=part) for part in FEATURES
    }
    n_shown = ears["separator"].nunique()
    is_all = n_shown == len(results.separators)
    shown = "" if is_all else f", of the {n_shown} separators with the highest scores"
    ordered = ears.sort_values("level", kind="stable").astype({"level": str})
    means = " ".join(f"{part}: {means_text(ordered, 'level', part)}." for part in FEATURES)

    def draw(style: Style) -> Figure:
        figure = draw_panels(lines, style, what, "")
        figure.axes[0].set_xticks(range(len(levels)), levels)
        figure.axes[0].set_xlim(-0.5, len(levels) - 0.5)
        return figure

    return Plot(
        name,
        f"Parts of the score by {what}",
        f"{FEATURE_MEANINGS}{shown}; {CI}. {largest_fall(ears, what)}",
        f"Mean features of {METRIC} by {what}. {means}",
        draw,
    )


def largest_fall(ears: pd.DataFrame, what: str) -> str:
    """Say which feature falls most from the first class to the last, as a mean over separators."""
    means = ears.groupby(["separator", "level"], observed=True)[list(FEATURES)].mean()
    levels = ears["level"].cat.categories
    first, last = (means.xs(level, level="level") for level in (levels[0], levels[-1]))
    falls = {part: float((first[part] - last[part]).mean()) for part in FEATURES}
    most = max(falls, key=lambda part: falls[part])
    span = f"From {levels[0]} to {levels[-1]} ({what})"
    if not falls[most] > 0:
        return f"{span} no part falls."
    return f"{span} {most} falls most, by {falls[most]:.2f}."
