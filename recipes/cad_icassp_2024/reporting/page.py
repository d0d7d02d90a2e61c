"""From scores to the page of a report: results, statistics, plots, players, template."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from pandas.api.types import is_numeric_dtype
from tqdm import tqdm

from clarity import __version__
from clarity.separation.base import VDBO
from clarity.utils.atomic_files import atomic_path
from recipes.cad_icassp_2024.data.dataset import Dataset
from recipes.cad_icassp_2024.data.scenes import Pair
from recipes.cad_icassp_2024.metric import METRIC, SCALE
from recipes.cad_icassp_2024.reporting.audiograms import (
    AUDIOGRAM_SIZE,
    audiogram_plot,
    pure_tone_average,
    severity_label,
)
from recipes.cad_icassp_2024.reporting.figures import anchor, page_mark
from recipes.cad_icassp_2024.reporting.players import find_extremes, write_players
from recipes.cad_icassp_2024.reporting.plots import report_plots
from recipes.cad_icassp_2024.reporting.results import EARS, Results, load_results
from recipes.cad_icassp_2024.reporting.statistics import (
    differences_to_best,
    summarise,
    terminal_table,
)
from recipes.cad_icassp_2024.reporting.verdict import method, share_text, verdict

log = logging.getLogger(__name__)

ASSETS = Path(__file__).resolve().parent / "assets"

Table = dict[str, Any]


def write_report(
    dataset: Dataset,
    folders: Sequence[Path],
    path: Path,
    sample_rate: int,
    reference: Callable[[Pair], np.ndarray] | None,
) -> None:
    """Write the page of some experiments, its plots and sounds, and log a summary.

    Plots and sounds go into ``{its name}_files`` beside the page. `reference` gives what the
    enhanced signal of a pair is compared with; without it the page has no players.
    """
    results = load_results(dataset, folders)
    files = path.with_name(f"{path.stem}_files")
    extremes = {name: find_extremes(results, name) for name in results.separators}
    examples = [one for ends in extremes.values() for end in ends.values() for one in end]
    listeners = {example.pair.listener.id: example.pair.listener for example in examples}
    audiograms = {name: audiogram_plot(listener) for name, listener in listeners.items()}
    plots = report_plots(results)
    for plot in tqdm([*plots, *audiograms.values()], desc="plots", unit="plot", disable=None):
        plot.write_png(files)
    if reference is not None:
        write_players(results, examples, files / "audio", sample_rate, reference)
    summaries = summarise(results.scores)
    differences = differences_to_best(results.scores, summaries)
    page = _template(path.parent).render(
        metric=METRIC,
        scale=SCALE,
        results=results,
        summaries=summaries,
        differences=differences,
        verdict=verdict(summaries, differences),
        method=method(summaries),
        marks={name: page_mark(index) for index, name in enumerate(results.separators)},
        plots=plots,
        songs=song_table(results),
        extremes=extremes,
        audiograms=audiograms,
        audiogram_box="0 0 {} {}".format(*(72 * inches for inches in AUDIOGRAM_SIZE)),
        has_players=reference is not None,
        pairs=pair_table(results),
        version=__version__,
    )
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    log.info("Mean %s\n%s\nThe report: %s", METRIC, terminal_table(summaries), path.resolve())


def _template(folder: Path) -> Template:
    """Return the page's template, with links relative to the page's folder."""
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
        "link": lambda file: quote(Path(os.path.relpath(file, folder)).as_posix()),
        "anchor": anchor,
        "rate": rate_text,
        "share": share_text,
    }
    return environment.get_template("report.html.j2")


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
