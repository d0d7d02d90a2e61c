"""What every script of the recipe shares: Hydra around it, messages instead of tracebacks, logs."""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import itertools
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hydra
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from clarity.utils.stopping import exit_code, raised_when_stopped
from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.runs.config import Config, as_config, describe
from recipes.cad_icassp_2024.runs.slurm import say_when_a_job_is_ended

log = logging.getLogger(__name__)

# Keys whose values are paths, and what Hydra's grammar takes without quotes (a comma is a sweep).
_PATH_KEY = re.compile(r"path\.\w+|report\.output|separator\.(checkpoint|cache_dir)")
_PLAIN_VALUE = re.compile(r"[\w./:@%+\-\\,${}\[\]]*", re.ASCII)

# A wheel carries config/ inside the recipe; in a checkout it is the folder at the top.
_PLACES = [Path(__file__).resolve().parents[level] / "config" for level in (1, 3)]
CONFIG_DIR = next(folder for folder in _PLACES if folder.is_dir())

# What to say of the operating system's errors that a user can do something about.
_ADVICE = {
    errno.ENOSPC: "the disk is full: free some space",
    errno.EDQUOT: "the disk quota is used up: free some space",
    errno.EROFS: "the folder is on a read-only disk: choose another one",
    errno.EACCES: "no permission: choose another folder, or change its permissions",
    errno.EPERM: "not permitted: choose another folder, or change its permissions",
    errno.ENOTDIR: "a file is in the place of a folder: choose another folder",
    errno.EEXIST: "a file is in the place of a folder: choose another folder",
    errno.EIO: "the disk does not answer as it should: have it checked, or choose another one",
}


def experiment_folder(config: Config) -> Path:
    """Return the folder of an experiment's results."""
    return Path(config.path.exp_folder)


@dataclass(frozen=True)
class EntryPoint:
    """A script of the recipe.

    Attributes
    ----------
    name : str
        The script's name without ``.py``.
    task : callable
        What it does, given the checked configuration.
    summary : str
        A line for ``--help``.
    examples : sequence of str
        Command lines for ``--help``.
    config_name : str
        The file in ``config/`` to start from.
    schema : type
        The dataclass that describes that file.
    results : callable
        The folder of the results, given the checked configuration; its logs go to ``logs/`` in it.
        None where a script has no such folder.
    makes_folder : bool
        Whether the script makes that folder; the others leave none behind for a misspelt name.
    """

    name: str
    task: Callable[[Any], None]
    summary: str
    examples: Sequence[str]
    config_name: str = "config"
    schema: type = Config
    results: Callable[[Any], Path] | None = experiment_folder
    makes_folder: bool = False

    def run(self) -> None:
        """Parse the command line, run the task, and exit with code 1 on an error."""
        sys.argv[1:] = translate_overrides(sys.argv[1:])
        for problem in command_line_problems(sys.argv[1:]):
            sys.exit(problem)
        say_when_a_job_is_ended(sys.argv[1:])
        if {"--help", "-h"} & set(sys.argv):
            register_help(self)
        decorate = hydra.main(
            version_base="1.3", config_path=str(CONFIG_DIR), config_name=self.config_name
        )
        try:
            with raised_when_stopped():
                decorate(self._job())()
        except KeyboardInterrupt as stopped:
            logging.disable()  # threads may have more to say, but this is the last word
            advice = "The same command, without overwrite=true, goes on from here."
            print(f"\nStopped. {advice}", file=sys.stderr)  # noqa: T201
            logging.shutdown()
            # At once: a plain exit would wait for threads, and what they write is whole or nothing.
            os._exit(exit_code(stopped))
        except BrokenPipeError:  # the reader of a pipe, such as head, has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)

    def _job(self) -> Callable[[DictConfig], None]:
        def job(cfg: DictConfig) -> None:
            run_job(self, cfg)

        return job


def translate_overrides(arguments: Sequence[str]) -> list[str]:
    """Turn what users type into what Hydra reads.

    pyClarity's ``separator.model=NAME`` becomes the choice of the group, ``separator=NAME``; paths
    may begin with ``~`` and hold spaces; ``-m`` may stand between two overrides.

    Parameters
    ----------
    arguments : sequence of str
        The command line without the script's name.

    Returns
    -------
    list of str
    """
    arguments = sorted(map(_quoted, arguments), key=lambda text: text not in ("-m", "--multirun"))
    if any(re.match(r"\+{0,2}separator=", argument) for argument in arguments):
        return arguments
    return [re.sub(r"^separator\.model=", "separator=", argument) for argument in arguments]


def _quoted(argument: str) -> str:
    """Put a path into the quotes that Hydra wants around spaces and the like, ``~`` expanded."""
    key, equals, value = argument.partition("=")
    if not equals or not _PATH_KEY.fullmatch(key):
        return argument
    value = os.path.expanduser(value)  # noqa: PTH111 - the value need not be a path alone
    if _PLAIN_VALUE.fullmatch(value) or value[:1] in ("'", '"'):
        return key + equals + value
    escaped = value.replace("'", r"\'")
    return f"{key}='{escaped}'"


def command_line_problems(arguments: Sequence[str]) -> Iterator[str]:
    """Yield what Hydra would answer with a traceback.

    Parameters
    ----------
    arguments : sequence of str
        The command line without the script's name.
    """
    if {"-m", "--multirun"} & set(arguments) and not os.access(".", os.W_OK):
        yield f"a sweep writes multirun/ into this folder, {Path.cwd()}, which is read-only"
    for launcher, extra in _LAUNCHERS.items():
        wanted = any(argument == f"hydra/launcher={launcher}" for argument in arguments)
        if wanted and importlib.util.find_spec(f"hydra_plugins.{extra.package}") is None:
            yield (
                f"hydra/launcher={launcher} needs a package that is not installed: "
                f"pip install -e '.[{extra.name}]'"
            )
    for flag, value in itertools.pairwise([*arguments, ""]):
        folder = value if flag in ("--config-dir", "-cd") else flag.partition("--config-dir=")[2]
        for path in sorted(Path(folder).rglob("*.yaml")) if folder else []:
            try:
                yaml.safe_load(path.read_text())
            except (yaml.YAMLError, UnicodeDecodeError) as error:
                yield f"{path} is not YAML: {error}"


@dataclass(frozen=True)
class _Extra:
    """An optional package and the name of the extra that installs it."""

    package: str
    name: str


_JOBLIB = _Extra("hydra_joblib_launcher", "parallel")
_SUBMITIT = _Extra("hydra_submitit_launcher", "slurm")
_LAUNCHERS = {
    "parallel": _JOBLIB,
    "joblib": _JOBLIB,
    "slurm": _SUBMITIT,
    "submitit_slurm": _SUBMITIT,
    "submitit_local": _SUBMITIT,
}


def run_job(entry: EntryPoint, cfg: DictConfig) -> None:
    """Run one job of a script: checked configuration, log file, errors as messages.

    Raises
    ------
    RecipeError
        In a sweep, or with ``HYDRA_FULL_ERROR=1``; a single run logs the message and exits with 1.
    """
    try:
        try:
            config = as_config(cfg, entry.schema)
            _open_log_file(entry, config)
            _share_out_cores()
            entry.task(config)
        except OSError as error:
            if error.errno not in _ADVICE:
                raise
            raise RecipeError(
                f"cannot go on with {error.filename or 'a file'}: {_ADVICE[error.errno]}, "
                "then give the same command again; what is already written is kept"
            ) from error
    except RecipeError as error:
        log.error("%s", error)
        full = os.environ.get("HYDRA_FULL_ERROR", "0") not in ("", "0")
        if full or log.isEnabledFor(logging.DEBUG):
            log.log(logging.ERROR if full else logging.DEBUG, "where it came from", exc_info=error)
        if HydraConfig.initialized() and not _sweeping() and not full:
            sys.exit(1)
        raise
    except Exception as error:
        log.exception("%s failed in a way that nobody foresaw", entry.name)
        if _sweeping():  # launchers send exceptions between processes, not every one travels
            raise RecipeError(f"{entry.name}: {type(error).__name__}: {error}") from error
        raise
    finally:
        _close_log_file()


def _sweeping() -> bool:
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


class _LogFile(logging.FileHandler):
    """A log file that leaves out what a full disk does not take; the terminal shows it all."""

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(OSError):
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            super().close()


def _open_log_file(entry: EntryPoint, config: Any) -> None:
    if entry.results is None:
        return
    folder = entry.results(config)
    if not folder.is_dir() and not entry.makes_folder:
        return
    logs = folder / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    # The jobs of a sweep may have their folder, their process and the second in common.
    job = f"-job{HydraConfig.get().job.num}" if _sweeping() else ""
    handler = _LogFile(logs / f"{entry.name}-{stamp}-{os.getpid()}{job}.log", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    handler.set_name("recipe")
    logging.getLogger().addHandler(handler)


def _close_log_file() -> None:
    root = logging.getLogger()
    for handler in [h for h in root.handlers if h.get_name() == "recipe"]:
        root.removeHandler(handler)
        handler.close()


def n_available_cores() -> int:
    """Return how many cores this process may use: what SLURM gave it, or its affinity mask."""
    given = os.environ.get("SLURM_CPUS_PER_TASK", "")
    if given.isdigit():
        return int(given)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _share_out_cores() -> None:
    """Give the jobs that run at the same time on this machine an equal part of its cores."""
    if not _sweeping():
        return
    import numba  # noqa: PLC0415 - heavy, and of use in sweeps only
    import torch  # noqa: PLC0415

    n_cores = n_available_cores()
    n_jobs = HydraConfig.get().launcher.get("n_jobs", 1)
    n_threads = max(1, n_cores // (n_jobs if n_jobs > 0 else n_cores))
    torch.set_num_threads(n_threads)
    numba.set_num_threads(min(n_threads, numba.get_num_threads()))


def register_help(entry: EntryPoint) -> None:
    """Tell Hydra what ``--help`` prints for a script."""
    rows = list(describe(entry.schema, defaults=composed_defaults(entry.config_name)))
    width = max(len(row.key) for row in rows)
    keys = "\n".join(f"  {row.key:<{width}}  {row.text} [{row.default}]" for row in rows)
    examples = "\n".join(f"  {line}" for line in entry.examples)
    groups = (
        "separator=NAME takes config/separator/NAME.yaml (demucs, openunmix, hpss, oracle);\n"
        "-m runs a sweep: -m separator=demucs,openunmix. "
    )
    text = (
        f"{entry.name}.py: {entry.summary}\n\n"
        f"Examples\n{examples}\n\n"
        f"Keys, what they do and [their defaults]; give them as key=value\n{keys}\n\n"
        f"{groups if entry.schema is Config else ''}--hydra-help tells of Hydra's own flags.\n"
    )
    # Neither OmegaConf nor Hydra's template is to see an interpolation in the text.
    _store_help(re.sub(r"\$\{([^}]*)\}", r"<\1>", text).replace("$", "$$"), entry.name)


def _store_help(template: str, app_name: str = "recipe") -> None:
    node = {"app_name": app_name, "header": "", "footer": "", "template": template}
    ConfigStore.instance().store(group="hydra/help", name="recipe", node=node)


def composed_defaults(config_name: str) -> DictConfig:
    """Return the configuration as it is without any override.

    Parameters
    ----------
    config_name : str
        A file in ``config/``, without ``.yaml``.
    """
    if GlobalHydra.instance().is_initialized():
        return compose(config_name)
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        return compose(config_name)


_store_help("")
