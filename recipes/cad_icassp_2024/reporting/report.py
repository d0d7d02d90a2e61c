"""From scores to a report: results, statistics, plots, players, page."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from recipes.cad_icassp_2024.data.dataset import Dataset
from recipes.cad_icassp_2024.data.scenes import Pair
from recipes.cad_icassp_2024.metric import METRIC
from recipes.cad_icassp_2024.reporting.audiograms import audiogram_plots
from recipes.cad_icassp_2024.reporting.page import Page, write_page
from recipes.cad_icassp_2024.reporting.parts import parts_plots
from recipes.cad_icassp_2024.reporting.players import find_extremes, write_players
from recipes.cad_icassp_2024.reporting.plots import report_plots
from recipes.cad_icassp_2024.reporting.results import load_results
from recipes.cad_icassp_2024.reporting.statistics import (
    differences_to_best,
    summarise,
    terminal_table,
)

log = logging.getLogger(__name__)


def write_report(
    dataset: Dataset,
    folders: Sequence[Path],
    path: Path,
    sample_rate: int,
    reference: Callable[[Pair], np.ndarray] | None,
) -> None:
    """Write the page of some experiments, its plots and sounds, and log a summary.

    Parameters
    ----------
    dataset : Dataset
    folders : sequence of Path
        Experiment folders side by side.
    path : Path
        The page; plots and sounds go into ``{its name}_files`` beside it.
    sample_rate : int
        Of the music in Hz.
    reference : callable, optional
        Gives the reference of a pair, for players; without it the page has none.

    Raises
    ------
    RecipeError
        When a folder has no scores or they are not of this data set, or music is missing.
    """
    results = load_results(dataset, folders)
    files = path.with_name(f"{path.stem}_files")
    summaries = summarise(results.scores)
    extremes = [find_extremes(results, name) for name in results.separators]
    examples = [example for both in extremes for example in both.examples]
    audiograms = audiogram_plots(example.pair.listener for example in examples)
    plots = [*report_plots(results), *parts_plots(results)]
    for plot in tqdm([*plots, *audiograms.values()], desc="plots", unit="plot", disable=None):
        plot.write_png(files)
    players = {}
    if reference is not None:
        players = write_players(results, examples, files / "audio", sample_rate, reference)
    differences = differences_to_best(results.scores, summaries)
    page = Page(results, summaries, differences, plots, extremes, audiograms, players)
    write_page(page, path)
    log.info("Mean %s\n%s\nThe report: %s", METRIC, terminal_table(summaries), path.resolve())
