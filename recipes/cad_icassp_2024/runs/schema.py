"""Typed configuration: fields with an explanation, checked values, the list of all keys.

Hydra checks what the user types against dataclasses, so that a misspelt key or a word in the place
of a number is an error before any work starts. ``--help`` and README's tables come from them.
"""

from __future__ import annotations

import dataclasses
import difflib
import enum
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar, cast

from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from recipes.cad_icassp_2024.data.errors import RecipeError

Schema = TypeVar("Schema")


def config_field(default: Any, text: str) -> Any:
    """Return a dataclass field with a default and the line that ``--help`` prints for it."""
    metadata = {"help": text}
    if isinstance(default, dict | list):
        return dataclasses.field(default_factory=lambda: type(default)(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def nested(kind: type) -> Any:
    """Return a dataclass field that holds a part of the configuration."""
    return dataclasses.field(default_factory=kind)


@dataclass(frozen=True)
class KeyDescription:
    """A row of the configuration table."""

    key: str
    default: str
    text: str


def check_config(cfg: Any, schema: type[Schema]) -> Schema:
    """Resolve and check a composed configuration.

    Parameters
    ----------
    cfg : DictConfig or an instance of `schema`
        What Hydra composed; an instance of the schema is returned as it is.
    schema : type
        The dataclass that the configuration must fit. Its method ``problems``, if it has one,
        yields what is wrong with the values.

    Returns
    -------
    instance of `schema`

    Raises
    ------
    RecipeError
        When ``path.root`` is not given, or a value is out of range, of the wrong type or missing.
    """
    if isinstance(cfg, schema):
        return cfg
    if OmegaConf.is_missing(cfg.path, "root"):
        raise RecipeError(
            "path.root is not given: add path.root=FOLDER, the folder that holds "
            "audio/ and metadata/ (cadenza_data in the challenge's archives)"
        )
    try:
        if OmegaConf.get_type(cfg) is not schema:  # composed by hand, or from a plain dictionary
            cfg = DictConfig(OmegaConf.merge(OmegaConf.structured(schema), cfg))
        config: Any = OmegaConf.to_object(cfg)
    except OmegaConfBaseException as error:
        raise RecipeError(f"the configuration is not usable: {error}") from error
    problems = [
        *_unknown_keys(cfg, schema),
        *(config.problems() if hasattr(config, "problems") else ()),
    ]
    if problems:
        raise RecipeError("the configuration is not usable:\n  " + "\n  ".join(problems))
    return config


def _unknown_keys(cfg: DictConfig, schema: type) -> Iterator[str]:
    """Yield the keys that ``+key=value`` has added and nothing knows of."""
    known = [row.key for row in describe(schema)]
    parts = {key.rpartition(".")[0] for key in known}
    for name in sorted(parts):
        part = OmegaConf.select(cfg, name) if name else cfg
        for key in (f"{name}.{child!s}".lstrip(".") for child in part):
            if key not in known and key not in parts:
                yield no_such_key(key, known)


def no_such_key(key: str, known: Collection[str]) -> str:
    """Say that nothing knows of a key, and which one may be meant."""
    last_parts = {name.rpartition(".")[2]: name for name in known}
    close = [
        *difflib.get_close_matches(key, known, n=1),
        *(last_parts[part] for part in difflib.get_close_matches(key, last_parts, n=1)),
    ]
    listed = "--cfg hydra lists Hydra's" if key.startswith("hydra.") else "--help lists all keys"
    hint = f"did you mean {close[0]}?" if close else listed
    return f"{key}: there is no such key; {hint}"


def describe(
    schema: type, prefix: str = "", defaults: Mapping[str, Any] = MappingProxyType({})
) -> Iterator[KeyDescription]:
    """Yield the key, the default and the explanation of every field of a schema, in order.

    Parameters
    ----------
    schema : type
        A dataclass whose fields were made by `config_field` and `nested`.
    prefix : str
        What stands before the keys, with its dot.
    defaults : mapping, optional
        Composed defaults; they win over those of the dataclass.
    """
    if isinstance(defaults, DictConfig):  # interpolations are shown as they are
        defaults = cast("dict[str, Any]", OmegaConf.to_container(defaults))
    for field in dataclasses.fields(schema):
        key = prefix + field.name
        if "help" not in field.metadata:
            assert callable(field.default_factory)
            part = defaults.get(field.name) or {}
            yield from describe(type(field.default_factory()), key + ".", part)
            continue
        yield KeyDescription(key, _default_text(field, defaults), field.metadata["help"])


def _default_text(field: Any, defaults: Mapping[str, Any]) -> str:
    value = field.default_factory() if field.default is dataclasses.MISSING else field.default
    value = defaults.get(field.name, value)
    if isinstance(value, enum.Enum):
        value = value.value
    if value is None or isinstance(value, bool):
        return {None: "null", False: "false", True: "true"}[value]
    return "(must be given)" if value == MISSING else str(value)
