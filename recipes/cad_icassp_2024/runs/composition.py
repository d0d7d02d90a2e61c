"""Composing a configuration, and what is wrong with a command line of which Hydra cannot make one.

Hydra says it in several lines that speak of its own classes; here it becomes one message.
"""

from __future__ import annotations

import difflib
import itertools
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, ValueType
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from recipes.cad_icassp_2024.runs.overrides import split_flags
from recipes.cad_icassp_2024.runs.schema import describe, no_such_key

# A wheel carries config/ inside the recipe; in a checkout it is the folder at the top.
_PLACES = [Path(__file__).resolve().parents[level] / "config" for level in (1, 3)]
CONFIG_DIR = next(folder for folder in _PLACES if folder.is_dir())


def compose_config(config_name: str, overrides: Sequence[str] = ()) -> DictConfig:
    """Compose a configuration, in a script (which knows of ``--config-dir``) or without one.

    Parameters
    ----------
    config_name : str
        A file in ``config/``, without ``.yaml``.
    overrides : sequence of str
        As on a command line.
    """
    if GlobalHydra.instance().is_initialized():
        return compose(config_name, list(overrides))
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        return compose(config_name, list(overrides))


def composition_problem(
    arguments: Sequence[str], folders: Sequence[Path], config_name: str, schema: type
) -> str | None:
    """Say why Hydra cannot compose what a command line asks for.

    Parameters
    ----------
    arguments : sequence of str
        The command line without the script's name.
    folders : sequence of Path
        Those of ``--config-dir``.
    config_name : str
        The file in ``config/`` that the script starts from.
    schema : type
        The dataclass that describes that file.

    Returns
    -------
    str, optional
        One line. None where all is well, where Hydra is told to look for its files elsewhere, and
        where ``HYDRA_FULL_ERROR=1`` asks for tracebacks.
    """
    if os.environ.get("HYDRA_FULL_ERROR") == "1":
        return None
    flags, overrides = split_flags(arguments)
    sweeps = bool({"-m", "--multirun"} & set(flags))
    elsewhere = [text for text in flags if re.match(r"--config-(?!dir)|-c[pn]", text)]
    if elsewhere or any(text.startswith(("-", "hydra.searchpath=")) for text in overrides):
        return None
    search_path = ",".join(f"'file://{folder.absolute()}'" for folder in folders)
    try:
        for composition in _compositions(overrides, sweeps):
            named = map(_with_quoted_name, composition)
            compose_config(config_name, [*named, f"hydra.searchpath=[{search_path}]"])
    except (HydraException, OmegaConfBaseException) as error:
        return _in_a_line(error, {row.key: row.text for row in describe(schema)})
    return None


def _compositions(overrides: Sequence[str], sweeps: bool) -> Iterator[list[str]]:
    """Yield overrides without sweeps, so that each value of a sweep is in one of them."""
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    if not sweeps:
        yield list(overrides)
        return
    values = [found for override in parsed if (found := list(_values(override)))]
    first = [found[0] for found in values]
    yield first
    for place, found in enumerate(values):
        for other in found[1:]:
            yield [*first[:place], other, *first[place + 1 :]]


def _values(override: Override) -> Iterator[str]:
    """Yield an override for each value that was typed, and for the first of a range."""
    key = override.get_key_element()
    if not override.is_sweep_override():
        yield str(override.input_line)
    elif override.value_type is not ValueType.GLOB_CHOICE_SWEEP and override.is_discrete_sweep():
        n_values = 1 if override.is_range_sweep() else None
        for value in itertools.islice(override.sweep_string_iterator(), n_values):
            yield f"{key}={value}"


def _with_quoted_name(override: str) -> str:
    """Quote the name that a group is given: null, true and 1e3 are names, too."""
    match = re.fullmatch(r"(\+{0,2}([\w/]+))=([\w./-]+)", override)
    if match and (CONFIG_DIR / match[2]).is_dir():
        return f"{match[1]}='{match[3]}'"
    return override


def _in_a_line(error: Exception, known: Mapping[str, str]) -> str:
    """Say what Hydra found: what is wrong, the nearest thing that is right, what to do."""
    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options:
        return _no_such_choice(error.missing_cfg_file, error.options)
    if isinstance(error, OverrideParseException):
        return f"cannot read {error.override!r}: {_why_unread(error)}; --help shows examples"
    cause = error.__cause__
    key = str(getattr(cause, "full_key", None))
    if isinstance(cause, ConfigKeyError | ConfigAttributeError):
        return no_such_key(key, known)
    lines = [line.strip() for text in (error, cause or "") for line in str(text).splitlines()]
    aside = ("full_key:", "object_type=", "reference_type=", "Config search path", "provider=")
    what, *details = (line for line in lines if line and not line.startswith(aside))
    text = f"{what.rstrip('.:')}: {'; '.join(details)}" if details else what
    return f"{text} ({key}: {known[key]})" if key in known else text


def _why_unread(error: OverrideParseException) -> str:
    """Say why Hydra's grammar does not know what was typed."""
    if "=" not in error.override:
        return "it is neither key=value nor a flag"
    reasons = [line for line in error.message.splitlines()[1:] if not line.startswith("See ")]
    return "; ".join(reasons) or "a bracket or a quote is missing"


def _no_such_choice(wanted: str, options: Sequence[str]) -> str:
    """Say that a group has no such file, and which it has."""
    group, _, name = wanted.rpartition("/")
    near = difflib.get_close_matches(name, options, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    hint = " (the data's folder is path.root=FOLDER)" if group == "path" else hint
    return (
        f"Could not find '{wanted}'{hint}: there are {', '.join(options)}; "
        f"--config-dir=FOLDER adds your own, FOLDER/{wanted}.yaml"
    )
