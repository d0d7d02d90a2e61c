"""From the configuration of a separator to the separator."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate

from clarity.separation.base import Mixture, Separator, Stems
from clarity.separation.cache import CachedSeparator
from clarity.separation.oracle import OracleSeparator
from clarity.separation.segmented import SegmentedSeparator
from recipes.cad_icassp_2024.data.content import digest_of, digest_of_file
from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.data.scenes import MIXTURE, SONG_FILES
from recipes.cad_icassp_2024.runs.config import SeparatorConfig


class BuiltSeparator(NamedTuple):
    """A separator, and a hash of what it is and of the arguments it was made with."""

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
    _as_separator(torch.nn.Identity(), settings)  # refuses settings before weights are loaded
    separator = _as_separator(_instantiate(settings), settings)
    fingerprint = _fingerprint(separator, settings)
    if settings.cache_dir is not None and isinstance(separator, SegmentedSeparator):
        separator = CachedSeparator(separator, Path(settings.cache_dir), fingerprint)
    return BuiltSeparator(separator, fingerprint)


def files_needed(separator: Separator) -> tuple[str, ...]:
    """Return which files of a song a separator needs."""
    return SONG_FILES if isinstance(separator, OracleSeparator) else (MIXTURE,)


def _require_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise RecipeError(
            f"separator.cache_dir={folder}: {error.strerror}; choose a folder that can be written"
        ) from error


def _instantiate(settings: SeparatorConfig) -> Any:
    try:
        return instantiate(settings.module)
    except InstantiationException as error:
        reason = error.__cause__ or error
        raise RecipeError(f"cannot make the separator {settings.model!r}: {reason}") from error
    except SystemExit as stop:
        raise RecipeError(
            f"cannot make the separator {settings.model!r}: its module ended the program "
            f"(sys.exit({stop.code!r}))"
        ) from stop


def _as_separator(module: Any, settings: SeparatorConfig) -> Any:
    if not isinstance(module, torch.nn.Module):
        if callable(getattr(module, "separate", None)):
            own = type(module).__module__.startswith("clarity.")
            return module if own else CheckedSeparator(module, settings)
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


class CheckedSeparator:
    """A separator of somebody's own whose stems are looked at, as those of torch modules are.

    Parameters
    ----------
    module : Separator
        An object with a method ``separate``.
    settings : SeparatorConfig
        Its name, and the stems that it is to give.
    """

    def __init__(self, module: Any, settings: SeparatorConfig) -> None:
        self.module = module
        self.sources = tuple(settings.sources)
        self._name = settings.model

    def separate(self, mixture: Mixture) -> Stems:
        """Return the stems; ValueError where there is one too few, or of another shape, or NaN."""
        stems = self.module.separate(mixture)
        missing = [name for name in self.sources if name not in stems]
        if missing:
            raise ValueError(f"separator {self._name!r} gives no {', '.join(missing)}")
        for name in self.sources:
            stem = np.asarray(stems[name])
            if stem.shape != mixture.signal.shape:
                raise ValueError(
                    f"separator {self._name!r} gives {name} the shape {stem.shape}, but the "
                    f"mixture has {mixture.signal.shape} (samples, channels)"
                )
            if not np.isfinite(stem).all():
                raise ValueError(f"separator {self._name!r} gives NaN or infinity in {name}")
        return {name: np.asarray(stems[name]) for name in self.sources}


def _fingerprint(separator: Any, settings: SeparatorConfig) -> str:
    """Hash a separator: its own fingerprint or its name, its arguments, its file of weights.

    Weights of a module that is no part of this project may be in no state dict, as those of an ONNX
    session are not; so their file counts as well.
    """
    module = getattr(separator, "module", separator)
    own = getattr(module, "fingerprint", None)
    parts = [f"{type(module).__module__}.{type(module).__qualname__}"]
    parts += [str(own())] if callable(own) else []
    parts += [separator.fingerprint()] if isinstance(separator, SegmentedSeparator) else []
    arguments = {name: settings.module[name] for name in settings.module if name != "checkpoint"}
    foreign = not str(arguments["_target_"]).startswith("clarity.")
    if settings.checkpoint is not None and foreign and not callable(own):
        parts.append(_digest_of_weights(Path(settings.checkpoint).expanduser()))
    return digest_of([*parts, arguments])


def _digest_of_weights(path: Path) -> str:
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    try:
        return digest_of([[file.name, digest_of_file(file)] for file in files])
    except OSError as error:
        raise RecipeError(f"separator.checkpoint={path}: {error.strerror}") from error
