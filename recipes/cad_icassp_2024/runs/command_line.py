"""The command lines of the scripts: what users type becomes what Hydra reads; help; Ctrl-C."""

from __future__ import annotations

import functools
import importlib.util
import itertools
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import yaml

from clarity.utils.stopping import exit_code, raised_when_stopped
from recipes.cad_icassp_2024.runs.composition import (
    compose_config,
    composition_problem,
)
from recipes.cad_icassp_2024.runs.config import Config
from recipes.cad_icassp_2024.runs.overrides import translate_overrides
from recipes.cad_icassp_2024.runs.schema import describe
from recipes.cad_icassp_2024.runs.slurm import say_when_a_job_is_ended

# What Hydra's launchers need: a package of hydra_plugins, and the extra that installs it.
_LAUNCHERS = {
    **dict.fromkeys(("parallel", "joblib"), ("hydra_joblib_launcher", "parallel")),
    **dict.fromkeys(
        ("slurm", "submitit_slurm", "submitit_local"), ("hydra_submitit_launcher", "slurm")
    ),
}


def command_line(
    name: str,
    summary: str,
    *examples: str,
    config_name: str = "config",
    schema: type = Config,
) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Give a ``main`` that Hydra has decorated its command line, its help and a clean end.

    Parameters
    ----------
    name : str
        The script's name without ``.py``.
    summary : str
        A line for ``--help``.
    *examples : str
        Command lines for ``--help``.
    config_name : str
        The file in ``config/`` that Hydra starts from.
    schema : type
        The dataclass that describes that file.

    Returns
    -------
    callable
        The decorator; exit code 1 on an error, 128 and the signal's number when stopped.
    """

    def decorate(main: Callable[[], None]) -> Callable[[], None]:
        @functools.wraps(main)
        def run() -> None:
            if {"--help", "-h"} & set(sys.argv[1:]):
                text = help_text(name, summary, examples, config_name, schema)
                _run_until_stopped(lambda: print(text, flush=True))  # noqa: T201
                return
            sys.argv[1:] = translate_overrides(sys.argv[1:])
            for problem in command_line_problems(sys.argv[1:], config_name, schema):
                sys.exit(problem)
            say_when_a_job_is_ended(sys.argv[1:])
            _run_until_stopped(main)

        return run

    return decorate


def _run_until_stopped(main: Callable[[], None]) -> None:
    """Run a program; Ctrl-C and SIGTERM end it at once, with one line."""
    try:
        with raised_when_stopped():
            main()
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


def command_line_problems(
    arguments: Sequence[str], config_name: str = "config", schema: type = Config
) -> Iterator[str]:
    """Yield what Hydra would answer with a traceback, or with many lines.

    Parameters
    ----------
    arguments : sequence of str
        The command line without the script's name.
    config_name, schema
        See `command_line`.
    """
    for argument in arguments:
        if (text := argument.encode("utf-8", "backslashreplace").decode()) != argument:
            yield f"{text} is not UTF-8 text: rename the file or folder"
    if {"-m", "--multirun"} & set(arguments) and not os.access(".", os.W_OK):
        yield f"a sweep writes multirun/ into this folder, {Path.cwd()}, which is read-only"
    for launcher, (package, extra) in _LAUNCHERS.items():
        wanted = f"hydra/launcher={launcher}" in arguments
        if wanted and importlib.util.find_spec(f"hydra_plugins.{package}") is None:
            yield (
                f"hydra/launcher={launcher} needs a package that is not installed: "
                f"pip install -e '.[{extra}]'"
            )
    folders = list(_config_dirs(arguments))
    if broken := list(_broken_files(folders)):
        yield from broken
    elif problem := composition_problem(arguments, folders, config_name, schema):
        yield problem


def _config_dirs(arguments: Sequence[str]) -> Iterator[Path]:
    """Yield the folders of configurations of the user's own."""
    for flag, value in itertools.pairwise([*arguments, ""]):
        folder = value if flag in ("--config-dir", "-cd") else flag.partition("--config-dir=")[2]
        if folder:
            yield Path(folder)


def _broken_files(folders: Sequence[Path]) -> Iterator[str]:
    """Yield which folders of configurations are not there, and which files in them are no YAML."""
    for folder in folders:
        if not folder.is_dir():
            yield f"--config-dir {folder}: no such folder (looked for {folder.absolute()})"
    for path in (path for folder in folders for path in sorted(folder.rglob("*.yaml"))):
        try:
            yaml.safe_load(path.read_text())
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            yield f"{path} is not YAML: {error}"


def help_text(
    name: str, summary: str, examples: Sequence[str], config_name: str, schema: type
) -> str:
    """Return what ``--help`` prints for a script; Hydra's own way there takes a second."""
    rows = list(describe(schema, defaults=compose_config(config_name)))
    width = max(len(row.key) for row in rows)
    keys = "\n".join(f"  {row.key:<{width}}  {row.text} [{row.default}]" for row in rows)
    examples = "\n".join(f"  {line}" for line in examples)
    groups = (
        "separator=NAME takes config/separator/NAME.yaml (demucs, openunmix, hpss, oracle, ...);\n"
        "-m runs a sweep: -m separator=demucs,openunmix. "
    )
    text = (
        f"{name}.py: {summary}\n\n"
        f"Examples\n{examples}\n\n"
        f"Keys, what they do and [their defaults]; give them as key=value\n{keys}\n\n"
        f"{groups if schema is Config else ''}--hydra-help tells of Hydra's own flags.\n"
    )
    return re.sub(r"\$\{([^}]*)\}", r"<\1>", text)
