"""Report: one HTML page about one experiment or several, with its plots as PNG beside it."""

from __future__ import annotations

if __name__ == "__main__":
    from clarity.utils.stopping import end_at_once_when_stopped

    end_at_once_when_stopped()

import logging
from functools import partial
from pathlib import Path

import numpy as np
from omegaconf import DictConfig
from tqdm import tqdm

from clarity.enhancer.nalr import NALR
from clarity.separation.base import VDBO
from clarity.utils.loudness import integrated_loudness
from recipes.cad_icassp_2024.baseline.hearing_aid import process_remix_for_listener
from recipes.cad_icassp_2024.baseline.remix import remix_to_loudness
from recipes.cad_icassp_2024.data.dataset import MIXTURE, DataPaths, Dataset, Pair
from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.reporting.audiograms import audiogram_plots
from recipes.cad_icassp_2024.reporting.page import Page, write_page
from recipes.cad_icassp_2024.reporting.players import find_extremes, write_players
from recipes.cad_icassp_2024.reporting.plots import report_plots
from recipes.cad_icassp_2024.reporting.results import load_results
from recipes.cad_icassp_2024.reporting.statistics import (
    differences_to_best,
    summarise,
    terminal_table,
)
from recipes.cad_icassp_2024.runs.config import Config, as_config
from recipes.cad_icassp_2024.runs.entry import EntryPoint

log = logging.getLogger(__name__)


def report(config: DictConfig | Config) -> None:
    """Write the report of one experiment folder or several, and log a summary.

    Plots and sounds are beside the page, in ``{its name}_files``.

    Parameters
    ----------
    config : Config, or what Hydra composed
        ``report.folders``, ``report.output`` and ``report.audio``.

    Raises
    ------
    RecipeError
        When a folder has no scores or they are not of this data set, or music is missing.
    """
    settings: Config = as_config(config)
    dataset = Dataset.load(DataPaths.from_config(settings.path))
    results = load_results(dataset, report_folders(settings))
    path = report_file(settings)
    files = path.with_name(f"{path.stem}_files")

    summaries = summarise(results.scores)
    extremes = [find_extremes(results, name) for name in results.separators]
    examples = [example for both in extremes for example in both.examples]
    audiograms = audiogram_plots(example.pair.listener for example in examples)
    plots = report_plots(results)
    for plot in tqdm([*plots, *audiograms.values()], desc="plots", unit="plot", disable=None):
        plot.write_png(files)
    players = {}
    if settings.report.audio:
        reference = partial(reference_for_listener, settings, dataset)
        players = write_players(results, examples, files / "audio", settings.sample_rate, reference)
    differences = differences_to_best(results.scores, summaries)
    page = Page(results, summaries, differences, plots, extremes, audiograms, players)
    write_page(page, path)
    log.info("Mean HAAQI\n%s\nThe report: %s", terminal_table(summaries), path.resolve())


def reference_for_listener(config: Config, dataset: Dataset, pair: Pair) -> np.ndarray:
    """Return what the enhanced signal is compared with: the remix of the true stems, amplified.

    Returns
    -------
    ndarray, shape (samples + nalr.nfir, 2)
        Left ear, right ear, at ``sample_rate``.
    """
    rate = config.sample_rate
    loudness_lufs = integrated_loudness(dataset.read_music(pair.scene, MIXTURE, rate), rate)
    stems = ((name, dataset.read_music(pair.scene, name, rate)) for name in VDBO)
    remix = remix_to_loudness(stems, pair.scene.gains_db, loudness_lufs, rate)
    nalr = NALR(config.nalr.nfir, config.nalr.sample_rate)
    return process_remix_for_listener(remix, nalr, None, pair.listener)


def report_folders(config: Config) -> list[Path]:
    """Return the experiment folders that a report is about."""
    names = config.report.folders or [config.path.exp_folder]
    return [Path(name).expanduser() for name in names]


def report_file(config: Config) -> Path:
    """Return where the page of a report goes."""
    if config.report.output is not None:
        path = Path(config.report.output).expanduser()
        if path.suffix != ".html":
            raise RecipeError(f"report.output={config.report.output}: must be a file *.html")
        return path
    return report_folders(config)[0] / "report.html"


def main() -> None:
    """Run the script."""
    EntryPoint(
        "report",
        report,
        "show the scores of one experiment or several in an HTML page",
        (
            "python report.py path.root=cadenza_data path.exp_folder=exp/demucs",
            "python report.py path.root=cadenza_data 'report.folders=[exp/hpss,exp/oracle]'",
            "python report.py path.root=cadenza_data report.audio=true",
        ),
        results=lambda config: report_file(config).parent,
    ).run()


if __name__ == "__main__":
    main()
