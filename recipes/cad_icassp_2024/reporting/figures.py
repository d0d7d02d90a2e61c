"""How figures are drawn: in two sets of colours, as SVG for the page, as PNG beside it."""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from clarity.utils.atomic_files import atomic_path
from recipes.cad_icassp_2024.metric import PLOT_RANGE

DPI = 200  # of PNG files, and of the bitmaps in SVG

WIDTH = 4.4  # inches; at 9 points the text is legible at the width of a phone
LEGEND_ROW = 0.19  # inches
LEGEND_CHARACTERS = 60  # in the width
_SCORE_MARGIN = 0.02 * (PLOT_RANGE[1] - PLOT_RANGE[0])  # whole marks at both ends
SCORE_LIMITS = (PLOT_RANGE[0] - _SCORE_MARGIN, PLOT_RANGE[1] + _SCORE_MARGIN)

_STYLE = Path(__file__).resolve().parent / "assets" / "report.mplstyle"
_SETTINGS = dict(mpl.rc_params_from_file(_STYLE, use_default_template=False))


@dataclass(frozen=True)
class Style:
    """The colours of a figure; `series` are those of the separators, in order."""

    ink: str
    muted: str
    grid: str
    ground: str
    series: tuple[str, ...]
    dots: tuple[str, ...]  # the series as points of a bitmap

    def colour(self, index: int) -> str:
        """Return the colour of a separator."""
        return self.series[index % len(self.series)]


# After M. Okabe and K. Ito, "Color Universal Design", 2008, with the light ones darkened for white
# paper. The page has its own shades for light and dark: see report.css.
_SERIES = ("#0072b2", "#c8501e", "#00805e", "#a8487f", "#9a7400", "#3d84a8")
PAPER = Style("#1c2126", "#5a636d", "#e3e6ea", "#ffffff", series=_SERIES, dots=_SERIES)

# Stand-ins that `Plot.svg` turns into the page's CSS variables; no figure has these otherwise.
_VARIABLES = {
    "#010203": "--ink",
    "#010204": "--muted",
    "#010205": "--grid",
    "#010206": "--card",
    **{f"#0102a{index}": f"--series-{index + 1}" for index in range(len(_SERIES))},
}
SCREEN = Style(
    *("#010203", "#010204", "#010205", "#010206"),
    series=tuple(colour for colour in _VARIABLES if colour.startswith("#0102a")),
    # A bitmap cannot follow the page: middling shades that show on white and on black.
    dots=("#2f8fce", "#dd6b37", "#1f9e7a", "#c26a9d", "#b08a1e", "#5b9dc0"),
)

MARKERS = {"o": "●", "s": "■", "^": "▲", "D": "◆", "v": "▼", "P": "✚"}
"""Matplotlib's marks, and the same as characters."""


def marker(index: int) -> str:
    """Return the mark of a separator; with its colour, 36 of them can be told apart."""
    return list(MARKERS)[(index + index // len(_SERIES)) % len(MARKERS)]


def page_mark(index: int) -> dict[str, str]:
    """Return how the page marks a separator: a CSS colour, and the mark's shape as a character."""
    colour = f"var({_VARIABLES[SCREEN.colour(index)]})"
    return {"colour": colour, "glyph": MARKERS[marker(index)]}


@dataclass(frozen=True)
class Plot:
    """A figure of the page, which can be drawn in a given style."""

    name: str  # of its PNG file, without the suffix; unique in the page
    title: str
    caption: str
    alternative: str  # for those who cannot see it
    draw: Callable[[Style], Figure]

    def write_png(self, folder: Path) -> None:
        """Write the figure as PNG on white, whole or not at all."""
        with _drawing(PAPER), atomic_path(folder / f"{self.name}.png") as temporary:
            figure = self.draw(PAPER)
            figure.savefig(temporary, dpi=DPI, facecolor=PAPER.ground, metadata={"Software": None})

    def svg(self) -> Markup:
        """Return the figure as an SVG element in the page's colours and font.

        Its ids begin with its name, so that several of them get along in one page. The same figure
        gives the same text.
        """
        buffer = io.StringIO()
        with _drawing(SCREEN, self.name):
            metadata = {"Date": None, "Creator": None}
            figure = self.draw(SCREEN)
            figure.savefig(buffer, format="svg", dpi=DPI, transparent=True, metadata=metadata)
        opening, _, text = buffer.getvalue().partition("<svg")[2].partition(">")
        for colour, variable in _VARIABLES.items():
            text = text.replace(colour, f"var({variable})")
        (font,) = _SETTINGS["font.family"]
        text = text.replace(f"'{font}'", "inherit")
        # Matplotlib's style sheet would hold for the whole page.
        unwanted = r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>|<!--.*?-->"
        text = re.sub(unwanted, "", text, flags=re.DOTALL)
        prefix = anchor(self.name)
        text = re.sub(r'\bid="', f'id="{prefix}-', text)
        text = re.sub(r'(href="|url\()#', rf"\g<1>#{prefix}-", text)
        (view_box,) = re.findall(r'viewBox="[^"]*"', opening)
        return Markup(
            f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'{view_box} role="img" aria-label="{escape(self.alternative)}">{text}'
        )


@contextmanager
def _drawing(style: Style, salt: str | None = None) -> Iterator[None]:
    """Draw in a style; what the font lacks is a box in the PNG, not a warning."""
    settings: Any = {
        **_SETTINGS,
        **dict.fromkeys(("axes.labelcolor", "axes.titlecolor", "legend.labelcolor"), style.ink),
        **dict.fromkeys(("xtick.color", "ytick.color"), style.muted),
        **dict.fromkeys(("axes.edgecolor", "grid.color"), style.grid),
        "svg.hashsalt": salt,
    }
    with mpl.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"(?s)Glyph .* missing from")
        yield


def anchor(name: str) -> str:
    """Return an id for a name; no two names have the same."""
    return re.sub(r"[^A-Za-z0-9_-]", lambda match: f".{ord(match[0]):x}.", name)


def figure_with_legend(
    height: float, separators: Sequence[str], n_rows: int = 1, n_columns: int = 1
) -> Figure:
    """Return a figure with rows and columns of axes, which are of scores and have them in common.

    It is higher than `height`, in inches, where its legend has more than two rows.
    """
    n_legend_rows = math.ceil(len(separators) / _n_legend_columns(separators))
    height += LEGEND_ROW * max(0, n_legend_rows - 2)
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    figure.subplots(n_rows, n_columns, sharex=True, sharey=True)
    figure.axes[0].set_ylim(*SCORE_LIMITS)
    return figure


def draw_legend(figure: Figure) -> None:
    """Name the separators of a figure above its axes, all of which have the same."""
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles=handles, loc="outside upper center", ncols=_n_legend_columns(labels))


def _n_legend_columns(separators: Sequence[str]) -> int:
    longest = max(map(len, separators)) + 7  # characters, the mark included
    return max(1, min(3, len(separators), LEGEND_CHARACTERS // longest))
