"""From the configuration of a separator to the separator."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import torch
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, InstantiationException
from hydra.utils import instantiate
from omegaconf import OmegaConf

from clarity.separation.base import Separator, needs_true_stems
from clarity.separation.cache import CachedSeparator
from clarity.separation.checked import CheckedSeparator
from clarity.separation.ensemble import EnsembleSeparator, OnDemandSeparator, shares
from clarity.separation.fingerprint import fingerprint
from clarity.separation.segmented import SegmentedSeparator
from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.runs.composition import compose_config
from recipes.cad_icassp_2024.runs.config import SeparatorConfig


class BuiltSeparator(NamedTuple):
    """A separator, and a hash of its weights, its settings and all that it was made with."""

    separator: Separator
    fingerprint: str


def build_separator(settings: SeparatorConfig) -> BuiltSeparator:
    """Make the separator that a configuration describes.

    Parameters
    ----------
    settings : SeparatorConfig
        Its `module` names a torch module, (batch, channels, time) to (batch, sources, channels,
        time), or an object with a method `separate` of its own. With `members`, it is the weighted
        mean of other separators instead.

    Returns
    -------
    BuiltSeparator
        Its stems are checked and, if so configured, kept on disk.

    Raises
    ------
    RecipeError
        When the module cannot be made: no such class, wrong arguments, weights or device missing.
    """
    if settings.cache_dir is not None:
        _require_writable(Path(settings.cache_dir))
    return _build_ensemble(settings) if settings.members else _build_one(settings)


def build_trainable(settings: SeparatorConfig, sample_rate: int) -> tuple[SegmentedSeparator, str]:
    """Make a separator for training at a sampling rate in Hz, and its fingerprint.

    Raises
    ------
    RecipeError
        As `build_separator`, and when it cannot be trained.
    """
    built = build_separator(dataclasses.replace(settings, cache_dir=None))
    checked, name = built.separator, settings.model
    separator = checked.separator if isinstance(checked, CheckedSeparator) else checked
    if not isinstance(separator, SegmentedSeparator):
        raise RecipeError(f"the separator {name!r} is no torch module: there is nothing to train")
    if not any(p.requires_grad for p in separator.module.parameters()):
        raise RecipeError(f"the separator {name!r} has no parameters to train")
    if "checkpoint" not in settings.module:
        raise RecipeError(
            f"the separator {name!r} takes no weights: give its separator.module an argument "
            "checkpoint: ${separator.checkpoint}, so that enhance.py can load what is trained"
        )
    if separator.sample_rate != sample_rate:
        raise RecipeError(
            f"separator.sample_rate={separator.sample_rate}: must be sample_rate="
            f"{sample_rate} for training"
        )
    return separator, built.fingerprint


def _build_one(settings: SeparatorConfig, *, on_demand: bool = False) -> BuiltSeparator:
    _as_separator(torch.nn.Identity(), settings)  # refuses settings before weights are loaded
    separator = _make(settings)
    checkpoint = settings.checkpoint
    if checkpoint is not None and not Path(checkpoint).expanduser().exists():
        raise RecipeError(f"separator.checkpoint={checkpoint}: no such file or folder")
    identity = _fingerprint(separator, settings)
    reads_stems = needs_true_stems(separator)
    if on_demand and not reads_stems:
        separator = OnDemandSeparator(lambda: _make_again(settings, identity), settings.sources)
    separator = CheckedSeparator(separator, settings.sources, f"the separator {settings.model!r}")
    if settings.cache_dir is not None and not reads_stems:
        separator = CachedSeparator(separator, Path(settings.cache_dir), identity)
    return BuiltSeparator(separator, identity)


def _build_ensemble(settings: SeparatorConfig) -> BuiltSeparator:
    try:  # before models are loaded
        weights = shares(settings.weights, len(settings.members), settings.sources)
    except ValueError as error:
        raise RecipeError(f"separator.weights={settings.weights}: {error}") from error
    members = [
        _build_one(_member_settings(name, settings), on_demand=settings.one_model_at_a_time)
        for name in settings.members
    ]
    ensemble = EnsembleSeparator(
        [member.separator for member in members], settings.sources, settings.weights
    )
    arguments = {
        "members": [member.fingerprint for member in members],
        "weights": {name: share.tolist() for name, share in weights.items()},
    }
    return BuiltSeparator(ensemble, fingerprint(ensemble, arguments))


def search_path_overrides() -> list[str]:
    """Return the overrides of this run that say where Hydra looks for configurations."""
    given = HydraConfig.get().overrides.hydra if HydraConfig.initialized() else []
    return [override for override in given if override.startswith("hydra.searchpath")]


def _member_settings(name: str, ensemble: SeparatorConfig) -> SeparatorConfig:
    """Compose the configuration of a member; where and how fast it works is as for the ensemble."""
    try:
        composed = compose_config("config", [f"separator={name}", *search_path_overrides()])
    except HydraException as error:
        raise RecipeError(f"separator.members: {name!r} has no configuration: {error}") from error
    settings: Any = OmegaConf.to_object(composed.separator)
    problems = list(settings.problems())
    if settings.members:
        problems.append("an ensemble cannot be a member of another one")
    if problems:
        raise RecipeError(f"separator.members: {name!r} is not usable: {'; '.join(problems)}")
    return dataclasses.replace(
        settings,
        device=ensemble.device,
        batch_size=ensemble.batch_size,
        mixed_precision=ensemble.mixed_precision,
        cache_dir=ensemble.cache_dir,
    )


def _require_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise RecipeError(
            f"separator.cache_dir={folder}: {error.strerror}; choose a folder that can be written"
        ) from error


def _make(settings: SeparatorConfig) -> Any:
    """Make the module, and a separator of it."""
    try:
        return _as_separator(instantiate(settings.module), settings)
    except InstantiationException as error:
        reason = error.__cause__ or error
        raise RecipeError(f"cannot make the separator {settings.model!r}: {reason}") from error
    except SystemExit as error:
        raise RecipeError(
            f"cannot make the separator {settings.model!r}: its module ended the program "
            f"(sys.exit({error.code!r}))"
        ) from error


def _make_again(settings: SeparatorConfig, identity: str) -> Any:
    """Make a separator as it was made before; RecipeError when it is another one by now."""
    separator = _make(settings)
    if _fingerprint(separator, settings) != identity:
        raise RecipeError(
            f"the separator {settings.model!r}: its weights were changed while this run went on; "
            "give the same command again"
        )
    return separator


def _fingerprint(separator: Any, settings: SeparatorConfig) -> str:
    arguments = {"module": settings.module, "checkpoint": settings.checkpoint}
    try:
        return fingerprint(separator, arguments)
    except ValueError as error:
        raise RecipeError(f"separator {settings.model!r}: {error}") from error
    except OSError:
        raise
    except Exception as error:  # of a method of the user's
        raise RecipeError(
            f"the fingerprint of the separator {settings.model!r} cannot be made: "
            f"{type(error).__name__}: {error}"
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
