"""A job of a script: a checked configuration, a log file, messages instead of tracebacks."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.runs.config import Config
from recipes.cad_icassp_2024.runs.schema import check_config

log = logging.getLogger(__name__)

# What to say of the operating system's errors that a user can do something about.
_ADVICE = {
    errno.ENOSPC: "the disk is full: free some space",
    errno.EDQUOT: "the disk quota is used up: free some space",
    errno.EROFS: "the folder is on a read-only disk: choose another one",
    errno.EACCES: "no permission: choose another folder, or change its permissions",
    errno.EPERM: "not permitted: choose another folder, or change its permissions",
    errno.ENOTDIR: "a file is in the place of a folder: move it away, or choose another folder",
    errno.EEXIST: "a file is in the place of a folder: move it away, or choose another folder",
    errno.EISDIR: "a folder is in the place of a file: move it away",
    errno.ENAMETOOLONG: "a name is longer than the disk allows: choose a shorter one",
    errno.ELOOP: "a link leads back to itself: remove it, or choose another folder",
    errno.EIO: "the disk does not answer as it should: have it checked, or choose another one",
}


def experiment_folder(config: Config) -> Path:
    """Return the folder of an experiment's results."""
    return Path(config.path.exp_folder)


@contextlib.contextmanager
def job(
    name: str,
    cfg: DictConfig,
    *,
    schema: type = Config,
    results: Callable[[Any], Path] | None = experiment_folder,
    makes_folder: bool = False,
) -> Iterator[Any]:
    """Run a script's work in the block; errors that a user can cause become messages.

    Parameters
    ----------
    name : str
        The script's name without ``.py``.
    cfg : DictConfig
        What Hydra composed.
    schema : type
        The dataclass that describes it.
    results : callable, optional
        The folder of the results, given the checked configuration; its logs go to ``logs/`` in it.
        None where a script has no such folder.
    makes_folder : bool
        Whether the script makes that folder; the others leave none behind for a misspelt name.

    Yields
    ------
    instance of `schema`
        The checked configuration.

    Raises
    ------
    RecipeError
        In a sweep, or with ``HYDRA_FULL_ERROR=1``; a single run logs the message and exits with 1.
    """
    try:
        with _told_as_messages():
            _stay_where_paths_were_typed()
            config: Any = check_config(cfg, schema)
            if results is not None:
                _open_log_file(name, results(config), makes_folder)
            _share_out_cores()
            yield config
    except RecipeError as error:
        log.error("%s", error)
        full = os.environ.get("HYDRA_FULL_ERROR", "0") not in ("", "0")
        if full or log.isEnabledFor(logging.DEBUG):
            log.log(logging.ERROR if full else logging.DEBUG, "where it came from", exc_info=error)
        if HydraConfig.initialized() and not _sweeping() and not full:
            sys.exit(1)
        raise
    except Exception as error:
        log.exception("%s: unexpected error", name)
        if _sweeping():  # launchers send exceptions between processes, not every one travels
            raise RecipeError(f"{name}: {type(error).__name__}: {error}") from error
        raise
    finally:
        _close_log_file()


@contextlib.contextmanager
def _told_as_messages() -> Iterator[None]:
    """Turn errors of the disk, and modules that end the program, into messages."""
    try:
        yield
    except OSError as error:
        if error.errno not in _ADVICE:
            raise
        raise RecipeError(
            f"cannot go on with {_in_the_way(error.filename)}: {_ADVICE[error.errno]}, "
            "then give the same command again; what is already written is kept"
        ) from error
    except SystemExit as stop:
        raise RecipeError(
            f"the work was ended by sys.exit({stop.code!r}), perhaps in a module of your own: "
            "raise an exception there instead"
        ) from stop


def _in_the_way(path: str | None) -> str:
    """Return the file that is in the place of one of a path's folders, or else the path."""
    if path is None:
        return "a file"
    return next((str(part) for part in reversed(Path(path).parents) if part.is_file()), str(path))


def _stay_where_paths_were_typed() -> None:
    """Undo ``hydra.job.chdir=true``: relative paths mean what was typed."""
    if HydraConfig.initialized() and HydraConfig.get().job.chdir:
        os.chdir(HydraConfig.get().runtime.cwd)


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


def _open_log_file(name: str, folder: Path, makes_folder: bool) -> None:
    if not folder.is_dir() and not makes_folder:
        return
    logs = folder / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    # The jobs of a sweep may have their folder, their process and the second in common.
    job = f"-job{HydraConfig.get().job.num}" if _sweeping() else ""
    handler = _LogFile(logs / f"{name}-{stamp}-{os.getpid()}{job}.log", delay=True)
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
