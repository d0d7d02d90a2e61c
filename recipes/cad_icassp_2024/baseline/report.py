"""Report: one HTML page about one experiment or several, with its plots as PNG beside it."""

from __future__ import annotations

if __name__ == "__main__":
    from clarity.utils.stopping import end_at_once_when_stopped

    end_at_once_when_stopped()

import logging
from functools import partial
from pathlib import Path

import hydra
from omegaconf import DictConfig
from tqdm import tqdm

from recipes.cad_icassp_2024.baseline.reference import reference_for_listener
from recipes.cad_icassp_2024.data.dataset import Dataset
from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.data.paths import DataPaths
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
from recipes.cad_icassp_2024.runs.command_line import CONFIG_DIR, command_line
from recipes.cad_icassp_2024.runs.config import Config, as_config
from recipes.cad_icassp_2024.runs.job import job

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
    settings = as_config(config)
    dataset = Dataset.load(DataPaths.from_config(settings.path))
    results = load_results(dataset, report_folders(settings))
    path = report_file(settings)
    files = path.with_name(f"{path.stem}_files")

    summaries = summarise(results.scores)
    extremes = [find_extremes(results, name) for name in results.separators]
    examples = [example for both in extremes for example in both.examples]
    audiograms = audiogram_plots(example.pair.listener for example in examples)
    plots = [*report_plots(results), *parts_plots(results)]
    for plot in tqdm([*plots, *audiograms.values()], desc="plots", unit="plot", disable=None):
        plot.write_png(files)
    players = {}
    if settings.report.audio:
        reference = partial(reference_for_listener, settings, dataset)
        players = write_players(results, examples, files / "audio", settings.sample_rate, reference)
    differences = differences_to_best(results.scores, summaries)
    page = Page(results, summaries, differences, plots, extremes, audiograms, players)
    write_page(page, path)
    log.info("Mean %s\n%s\nThe report: %s", METRIC, terminal_table(summaries), path.resolve())


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


@command_line(
    "report",
    "show the scores of one experiment or several in an HTML page",
    "python report.py path.root=cadenza_data path.exp_folder=exp/demucs",
    "python report.py path.root=cadenza_data 'report.folders=[exp/hpss,exp/oracle]'",
    "python report.py path.root=cadenza_data report.audio=true",
)
@hydra.main(version_base="1.3", config_path=str(CONFIG_DIR), config_name="config")
def main(cfg: DictConfig) -> None:
    """Run the script."""
    with job("report", cfg, results=lambda config: report_file(config).parent) as config:
        report(config)


if __name__ == "__main__":
    main()
