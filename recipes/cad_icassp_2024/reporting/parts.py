"""Which part of a score falls with hearing loss and with clipping, from ``scores_details.csv``."""

from __future__ import annotations

from functools import partial

import pandas as pd

from recipes.cad_icassp_2024.metric import FEATURE_MEANINGS, FEATURES, METRIC
from recipes.cad_icassp_2024.reporting.audiograms import SEVERITIES, severity_label
from recipes.cad_icassp_2024.reporting.figures import Plot
from recipes.cad_icassp_2024.reporting.means import (
    CI,
    N_SPACED,
    draw_means,
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
