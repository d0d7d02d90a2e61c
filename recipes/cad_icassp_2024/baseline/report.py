"""Report: one HTML page about one experiment or several, with its plots as PNG beside it."""

from __future__ import annotations

if __name__ == "__main__":
    from clarity.utils.stopping import end_at_once_when_stopped

    end_at_once_when_stopped()

from functools import partial
from pathlib import Path

import hydra
from omegaconf import DictConfig

from recipes.cad_icassp_2024.baseline.reference import reference_for_listener
from recipes.cad_icassp_2024.data.content import Contents
from recipes.cad_icassp_2024.data.dataset import Dataset
from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.data.paths import DataPaths
from recipes.cad_icassp_2024.runs.command_line import command_line
from recipes.cad_icassp_2024.runs.composition import CONFIG_DIR
from recipes.cad_icassp_2024.runs.config import Config, as_config
from recipes.cad_icassp_2024.runs.job import job


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
    contents = Contents(verify=settings.verify)
    dataset = Dataset.load(DataPaths.from_config(settings.path), contents)
    reference = partial(reference_for_listener, settings, dataset)
    # Imported here, so that --help and complaints wait for neither pandas nor matplotlib.
    from recipes.cad_icassp_2024.reporting.page import write_report  # noqa: PLC0415

    write_report(
        dataset,
        report_folders(settings),
        report_file(settings),
        settings.sample_rate,
        reference if settings.report.audio else None,
    )


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
