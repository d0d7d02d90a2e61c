"""What users type becomes what Hydra's grammar reads: above all, a path is what was typed."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator, Sequence

_PATH_KEY = re.compile(r"\+{0,2}(path\.\w+|report\.output|separator\.(checkpoint|cache_dir))")
_FLAG = re.compile(r"-m|--multirun|(--config-(dir|path|name)|-c[dpn])(=.*)?")
_FLAG_WITH_VALUE = re.compile(r"--config-(dir|path|name)|-c[dpn]")
_LIST_OF_PATHS = "report.folders"

# What Hydra's grammar takes for a text without quotes; a quoted one may hold interpolations too.
_PLAIN = re.compile(r"(?:[\w./:@%+\-]|\$\{[^{}]*\})*", re.ASCII)
_NO_TEXT = re.compile(
    r"[+-]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(e[+-]?\d+)?|true|false|null|[+-]?(inf|nan)", re.I
)
_SWEEP_FUNCTION = re.compile(r"(choice|glob|range|sort|shuffle|interval|tag|str)\(.*\)")
_PARTS = {"(": ")", "[": "]", "{": "}"}


def translate_overrides(arguments: Sequence[str]) -> list[str]:
    """Turn what users type into what Hydra reads.

    pyClarity's ``separator.model=NAME`` becomes the choice of the group, ``separator=NAME``; paths
    may begin with ``~``, hold spaces and brackets, and look like a number; ``-m`` and
    ``--config-dir`` may stand between two overrides, and only with ``-m`` is a comma between paths
    a sweep.

    Parameters
    ----------
    arguments : sequence of str
        The command line without the script's name.

    Returns
    -------
    list of str
    """
    sweeps = bool({"-m", "--multirun"} & set(arguments))
    flags, overrides = split_flags(arguments)
    translated = [*flags, *(_with_quotes(override, sweeps) for override in overrides)]
    if any(re.match(r"\+{0,2}separator=", argument) for argument in translated):
        return translated
    return [re.sub(r"^separator\.model=", "separator=", argument) for argument in translated]


def split_flags(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Part ``-m``, ``--config-dir`` and the like, with their values, from all other arguments."""
    flags: list[str] = []
    others: list[str] = []
    for before, argument in itertools.pairwise(["", *arguments]):
        is_flag = _FLAG.fullmatch(argument) or _FLAG_WITH_VALUE.fullmatch(before)
        (flags if is_flag else others).append(argument)
    return flags, others


def _with_quotes(argument: str, sweeps: bool) -> str:
    """Put paths into the quotes that Hydra wants around spaces, numbers and the like."""
    key, equals, value = argument.partition("=")
    if key == _LIST_OF_PATHS and value.startswith("[") and value.endswith("]"):
        paths = ",".join(map(_quoted, _split(value[1:-1])))
        return f"{key}=[{paths}]"
    if not equals or not _PATH_KEY.fullmatch(key):
        return argument
    if value == "null" and not key.lstrip("+").startswith("path."):
        return argument
    if not sweeps:
        return f"{key}={_quoted(value)}"
    if _SWEEP_FUNCTION.fullmatch(value):
        return argument
    return f"{key}={','.join(map(_quoted, _split(value)))}"


def _split(text: str) -> Iterator[str]:
    """Split at commas that are neither in quotes nor in brackets."""
    closing: list[str] = []
    start = 0
    for place, character in enumerate(text):
        if closing and character == closing[-1]:
            closing.pop()
        elif character in "'\"" and not closing:
            closing.append(character)
        elif character in _PARTS and not (closing and closing[-1] in "'\""):
            closing.append(_PARTS[character])
        elif character == "," and not closing:
            yield text[start:place]
            start = place + 1
    yield text[start:]


def _quoted(value: str) -> str:
    """Return one path as Hydra reads it, ``~`` expanded."""
    value = os.path.expanduser(value)  # noqa: PTH111 - the value need not be a path alone
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        return value
    if _PLAIN.fullmatch(value) and not _NO_TEXT.fullmatch(value):
        return value
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", value)  # backslashes count before a quote only
    return "'" + re.sub(r"(\\+)$", r"\1\1", escaped) + "'"
