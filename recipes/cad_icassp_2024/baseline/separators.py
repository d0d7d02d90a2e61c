"""From the configuration of a separator to the separator."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate

from clarity.separation.base import Separator
from clarity.separation.cache import CachedSeparator
from clarity.separation.segmented import SegmentedSeparator
from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.runs.config import SeparatorConfig


@dataclass(frozen=True)
class BuiltSeparator:
    """A separator and a hash of what it is.

    Attributes
    ----------
    separator : Separator
    fingerprint : str
        Of its weights and settings, or of its class when it has none.
    """

    separator: Separator
    fingerprint: str


def build_separator(settings: SeparatorConfig) -> BuiltSeparator:
    """Make the separator that a configuration describes.

    Parameters
    ----------
    settings : SeparatorConfig
        Its `module` names a torch module, (batch, channels, time) to (batch, sources, channels,
        time), or an object with `sources` and a method `separate` of its own.

    Returns
    -------
    BuiltSeparator

    Raises
    ------
    RecipeError
        When the module cannot be made: no such class, wrong arguments, weights or device missing.
    """
    if settings.cache_dir is not None:
        _require_writable(Path(settings.cache_dir))
    try:
        module = instantiate(settings.module)
    except InstantiationException as error:
        reason = error.__cause__ or error
        raise RecipeError(f"cannot make the separator {settings.model!r}: {reason}") from error
    separator = _as_separator(module, settings)
    fingerprint = _fingerprint(separator)
    if settings.cache_dir is not None and isinstance(separator, SegmentedSeparator):
        separator = CachedSeparator(separator, Path(settings.cache_dir), fingerprint)
    return BuiltSeparator(separator, fingerprint)


def _require_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise RecipeError(
            f"separator.cache_dir={folder}: {error.strerror}; choose a folder that can be written"
        ) from error


def _as_separator(module: Any, settings: SeparatorConfig) -> Any:
    if not isinstance(module, torch.nn.Module):
        if callable(getattr(module, "separate", None)):
            return module
        raise RecipeError(
            f"separator.module of {settings.model!r} gives a {type(module).__name__}: it must give "
            "a torch.nn.Module, or an object with a method separate(mixture)"
        )
    try:
        return SegmentedSeparator(
            module,
            sources=settings.sources,
            sample_rate=settings.sample_rate,
            normalise=settings.normalise,
            segment=settings.segment,
            overlap=settings.overlap,
            device=settings.device,
            batch_size=settings.batch_size,
            mixed_precision=settings.mixed_precision,
        )
    except ValueError as error:
        raise RecipeError(f"separator {settings.model!r}: {error}") from error


def _fingerprint(separator: Any) -> str:
    if isinstance(separator, SegmentedSeparator):
        return separator.fingerprint()
    name = f"{type(separator).__module__}.{type(separator).__qualname__}"
    return hashlib.sha256(name.encode()).hexdigest()
