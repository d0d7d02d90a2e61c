"""Hearing loss in the report: its classes, its average, and the audiograms of a listener."""

from __future__ import annotations

from functools import cache, partial

from matplotlib.figure import Figure

from clarity.utils.audiogram import SEVERITY_LIMITS_DB, Audiogram, Listener
from recipes.cad_icassp_2024.reporting.figures import DPI, Plot, Style

AUDIOGRAM_SIZE = (2.25, 1.95)  # inches

SEVERITIES = (*(name for name, _ in SEVERITY_LIMITS_DB), "SEVERE")

PURE_TONE_FREQUENCIES_HZ = (500.0, 1000.0, 2000.0, 4000.0)
"""Frequencies of the pure-tone average (World Health Organization, World Report on
Hearing, 2021)."""


def severity_label(severity: str) -> str:
    """Return how the page names a class of hearing loss."""
    return "none" if severity == "NOTHING" else severity.lower()


def pure_tone_average(audiogram: Audiogram) -> float:
    """Return the mean level at 0.5, 1, 2 and 4 kHz in dB HL.

    Frequencies that were not measured are interpolated, as `Audiogram.resample` does it.
    """
    return float(audiogram.resample(PURE_TONE_FREQUENCIES_HZ).levels.mean())


def audiogram_plot(listener: Listener) -> Plot:
    """Audiograms of both ears of a listener, left a cross and right a circle (ISO 8253-1)."""
    title = f"Audiogram of {listener.id}"
    left, right = map(pure_tone_average, (listener.audiogram_left, listener.audiogram_right))
    averages = f"Pure-tone average: left ear {left:.0f} dB HL, right ear {right:.0f} dB HL."
    draw = partial(_draw_audiogram, listener)
    return Plot(f"audiogram_{listener.id}", title, averages, f"{title}. {averages}", draw)


def _draw_audiogram(listener: Listener, style: Style) -> Figure:
    """Put a listener's levels into the axes of a style: laying them out anew takes far longer."""
    figure = _empty_audiogram(style)
    (ax,) = figure.axes
    audiograms = (listener.audiogram_left, listener.audiogram_right)
    for line, audiogram in zip(ax.get_lines(), audiograms, strict=True):
        line.set_data(audiogram.frequencies, audiogram.levels)
    loudest = max(float(audiogram.levels.max()) for audiogram in audiograms)
    ax.set_ylim(max(105.0, loudest + 5), -12)
    return figure


@cache
def _empty_audiogram(style: Style) -> Figure:
    figure = Figure(figsize=AUDIOGRAM_SIZE, layout="constrained")
    ax = figure.subplots()
    for index, (mark, label) in enumerate((("x", "left"), ("o", "right"))):
        colour = style.colour(index)
        ax.plot([], [], f"{mark}-", mfc="none", markersize=5, color=colour, lw=1.2, label=label)
    ax.set_xscale("log", base=2)
    ax.set_xticks([250, 500, 1000, 2000, 4000, 8000], [".25", ".5", "1", "2", "4", "8"])
    ax.minorticks_off()
    ax.set(xlim=(200, 10000), ylim=(105.0, -12))
    ax.set(xlabel="frequency in kHz", ylabel="level in dB HL")
    ax.set_yticks(range(0, 101, 20))
    ax.legend(loc="lower left", handlelength=1.4, fontsize=8)
    figure.set_dpi(DPI)  # text takes whole pixels
    figure.draw_without_rendering()
    figure.set_layout_engine(None)
    return figure
