"""The HTML page of the report."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from clarity import __version__
from clarity.separation.base import VDBO
from clarity.utils.atomic_files import atomic_path
from recipes.cad_icassp_2024.metric import METRIC, SCALE
from recipes.cad_icassp_2024.reporting.audiograms import (
    AUDIOGRAM_SIZE,
    pure_tone_average,
    severity_label,
)
from recipes.cad_icassp_2024.reporting.figures import Plot, anchor, page_mark
from recipes.cad_icassp_2024.reporting.players import Extremes, Players
from recipes.cad_icassp_2024.reporting.results import Results
from recipes.cad_icassp_2024.reporting.statistics import PairedDifference, Summary
from recipes.cad_icassp_2024.reporting.verdict import method, share_text, verdict

ASSETS = Path(__file__).resolve().parent / "assets"

Table = dict[str, Any]


@dataclass(frozen=True)
class Page:
    """All that the page shows; `audiograms` are by listener, `players` are empty without sounds."""

    results: Results
    summaries: Sequence[Summary]
    differences: Sequence[PairedDifference]
    plots: Sequence[Plot]
    extremes: Sequence[Extremes]
    audiograms: Mapping[str, Plot]
    players: Players


def write_page(page: Page, path: Path) -> None:
    """Write the page, whole or not at all.

    Parameters
    ----------
    page : Page
    path : Path
        The HTML file; players are linked to relative to its folder.
    """
    environment = Environment(
        loader=FileSystemLoader(ASSETS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "signed": lambda value: f"{value:+.3f}".replace("-", "\N{MINUS SIGN}"),
        "gains": gains_text,
        "pta": pure_tone_average,
        "severity": severity_label,
        "link": lambda file: quote(Path(os.path.relpath(file, path.parent)).as_posix()),
        "anchor": anchor,
        "rate": rate_text,
        "share": share_text,
    }
    text = environment.get_template("report.html.j2").render(
        metric=METRIC,
        scale=SCALE,
        page=page,
        marks={name: page_mark(index) for index, name in enumerate(page.results.separators)},
        verdict=verdict(page.summaries, page.differences),
        method=method(page.summaries),
        songs=song_table(page.results),
        pairs=pair_table(page.results),
        audiogram_box="0 0 {} {}".format(*(72 * inches for inches in AUDIOGRAM_SIZE)),
        version=__version__,
    )
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def gains_text(gains_db: Mapping[str, float]) -> str:
    """Return the requested gains in words: ``vocals +6 dB``; stems that stay are left out."""
    parts = [f"{stem} {gains_db[stem]:+g}" for stem in VDBO if gains_db[stem]]
    return f"{', '.join(parts)} dB".replace("-", "\N{MINUS SIGN}") if parts else "none"


def rate_text(rate: float) -> str:
    """Return a share as a percentage, small ones with the digits that they need."""
    if rate == 0:
        return "0 %"
    return f"{100 * rate:.2g} %" if rate < 0.1 else f"{100 * rate:.0f} %"


def song_table(results: Results) -> Table:
    """Return the rows of the table of songs: pairs and mean score of every separator."""
    names = results.separators
    grouped = results.scores.groupby(["song", "separator"])["score"]
    means = grouped.mean().unstack()[names]
    counts = grouped.size().unstack()[names].max(axis=1)
    table = pd.concat([counts, means], axis=1).reset_index()
    columns = [_text("song"), _number("pairs", 0), *(_number(name) for name in names)]
    if len(names) == 2:
        table["difference"] = means[names[1]].to_numpy() - means[names[0]].to_numpy()
        columns.append(_number(f"{names[1]} \N{MINUS SIGN} {names[0]}", signed=True))
    return {"columns": columns, "rows": _rows(table)}


def pair_table(results: Results) -> Table:
    """Return the rows of the table of pairs."""
    scores = results.scores
    gains = {name: gains_text(scene.gains_db) for name, scene in results.dataset.scenes.items()}
    table = pd.DataFrame(
        {
            "separator": scores["separator"],
            "score": scores["score"],
            "left": scores["left_score"],
            "right": scores["right_score"],
            "song": scores["song"],
            "scene": scores["scene"],
            "listener": scores["listener"],
            "loss (left / right)": [
                " / ".join(dict.fromkeys(map(severity_label, both)))  # once where both are alike
                for both in zip(scores["left_severity"], scores["right_severity"], strict=True)
            ],
            "requested gain": scores["scene"].map(gains),
            "head position": scores["head_position"],
        }
    )
    numbers = ("score", "left", "right")
    columns = [_number(name) if name in numbers else _text(name) for name in table]
    return {"columns": columns, "rows": _rows(table)}


def _text(label: object) -> dict[str, Any]:
    return {"label": str(label), "kind": "text"}


def _number(label: object, digits: int = 4, *, signed: bool = False) -> dict[str, Any]:
    return {"label": str(label), "kind": "number", "digits": digits, "signed": signed}


def _rows(table: pd.DataFrame) -> list[list[Any]]:
    """Return the rows as JSON can hold them: six decimals, nothing for what is missing."""
    rounded = table.round(6).astype(object)
    return rounded.where(rounded.notna(), None).to_numpy().tolist()
