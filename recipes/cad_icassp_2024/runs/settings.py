"""What results depend on: the keys, the separator's weights, the metadata."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clarity import __version__
from clarity.utils.file_io import read_json
from recipes.cad_icassp_2024.data.dataset import DataPaths
from recipes.cad_icassp_2024.runs.config import Config

Settings = dict[str, Any]

# The keys on which the enhanced signals depend. Of the separator's, those are left out that change
# how fast it works and where (device, batch_size, cache_dir, checkpoint: the weights have a hash).
SIGNAL_KEYS = (
    "path.split",
    "sample_rate",
    "remix_sample_rate",
    "nalr.nfir",
    "nalr.sample_rate",
    "apply_compressor",
    "soft_clip",
    "separator.model",
    "separator.module",
    "separator.sample_rate",
    "separator.normalise",
    "separator.segment",
    "separator.overlap",
    "separator.mixed_precision",
)
COMPRESSOR_KEYS = tuple(
    f"compressor.{key}"
    for key in ("threshold", "attenuation", "attack", "release", "rms_buffer_size")
)
SCORE_KEYS = (
    "path.split",
    "sample_rate",
    "remix_sample_rate",
    "HAAQI_sample_rate",
    "nalr.nfir",
    "nalr.sample_rate",
    "evaluate.set_random_seed",
)
METADATA_FILES = (
    "gains_file",
    "listeners_file",
    "scenes_file",
    "scene_listeners_file",
    "music_file",
)

SIGNALS_KEY = "enhanced signals"
"""Under which the settings of the scores keep a hash of the settings of the signals."""


def enhance_settings(config: Config, paths: DataPaths, separator_fingerprint: str) -> Settings:
    """Return everything that the enhanced signals depend on.

    Parameters
    ----------
    config : Config
    paths : DataPaths
        The metadata files as found on disk.
    separator_fingerprint : str
        A hash of the separator's weights.
    """
    keys = SIGNAL_KEYS + (COMPRESSOR_KEYS if config.apply_compressor else ())
    return {
        **_pick(config, keys),
        "separator fingerprint": separator_fingerprint,
        **_metadata_hashes(paths),
        "package version": __version__,
    }


def evaluate_settings(config: Config, paths: DataPaths, signals_digest: str) -> Settings:
    """Return everything that the scores depend on, the settings of the signals included."""
    return {
        **_pick(config, SCORE_KEYS),
        SIGNALS_KEY: signals_digest,
        **_metadata_hashes(paths),
        "package version": __version__,
    }


def _pick(config: Config, keys: Sequence[str]) -> Settings:
    settings = {}
    for key in keys:
        value: Any = config
        for name in key.split("."):
            value = getattr(value, name)
        if isinstance(value, dict):  # where weights are is no difference, what they are has a hash
            value = {name: value[name] for name in value if name != "checkpoint"}
        settings[key] = value
    return settings


def _metadata_hashes(paths: DataPaths) -> Settings:
    files = {name: Path(getattr(paths, name)) for name in METADATA_FILES}
    return {
        f"metadata {name}": digest(read_json(path)) for name, path in files.items() if path.exists()
    }


def digest(data: Any) -> str:
    """Return a short SHA-256 of anything that JSON holds."""
    text = json.dumps(data, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
