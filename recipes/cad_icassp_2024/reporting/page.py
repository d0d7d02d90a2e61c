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
from pandas.api.types import is_numeric_dtype

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
from recipes.cad_icassp_2024.reporting.results import EARS, Results
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
    """Write the page, whole or not at all; players are linked to relative to its folder."""
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
    return f"{100 * rate:.2g} %" if 0 < rate < 0.1 else f"{100 * rate:.0f} %"


def song_table(results: Results) -> Table:
    """Return the table of songs: pairs and mean score of every separator."""
    names = results.separators
    scores = results.scores.groupby(["song", "separator"])["score"]
    means = scores.mean().unstack()[names]
    counts = scores.size().unstack()[names].max(axis=1)
    rows = pd.concat([counts.rename("pairs"), means], axis=1).reset_index()
    if len(names) == 2:
        first, second = names
        rows[f"{second} \N{MINUS SIGN} {first}"] = (means[second] - means[first]).to_numpy()
    table = _table(rows)
    table["columns"][1]["digits"] = 0
    table["columns"][-1]["signed"] = len(names) == 2
    return table


def pair_table(results: Results) -> Table:
    """Return the table of pairs."""
    scores = results.scores
    gains = {name: gains_text(scene.gains_db) for name, scene in results.dataset.scenes.items()}
    losses = zip(*(scores[f"{ear}_severity"].map(severity_label) for ear in EARS), strict=True)
    columns = {
        "separator": scores["separator"],
        "score": scores["score"],
        "left": scores["left_score"],
        "right": scores["right_score"],
        "song": scores["song"],
        "scene": scores["scene"],
        "listener": scores["listener"],
        "loss (left / right)": [" / ".join(dict.fromkeys(both)) for both in losses],
        "requested gain": scores["scene"].map(gains),
        "head position": scores["head_position"],
    }
    return _table(pd.DataFrame(columns))


def _table(rows: pd.DataFrame) -> Table:
    """Return a table as JSON can hold it: six decimals, nothing for what is missing."""
    number = {"kind": "number", "digits": 4, "signed": False}
    columns = [
        {"label": label, **(number if is_numeric_dtype(dtype) else {"kind": "text"})}
        for label, dtype in rows.dtypes.items()
    ]
    rounded = rows.round(6).astype(object)
    return {"columns": columns, "rows": rounded.where(rounded.notna(), None).to_numpy().tolist()}
