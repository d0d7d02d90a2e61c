"""What results depend on: the keys, the separator's weights, the metadata."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

from clarity import __version__
from clarity.utils.audiogram import Listener
from clarity.utils.file_io import read_json
from recipes.cad_icassp_2024.data.content import digest_of
from recipes.cad_icassp_2024.data.dataset import Dataset
from recipes.cad_icassp_2024.data.paths import DataPaths
from recipes.cad_icassp_2024.data.scenes import Pair, Scene
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
METRIC_KEYS = tuple(key for key in SCORE_KEYS if key not in ("path.split", "remix_sample_rate"))
"""What makes a score the measure that it is: experiments with other values are not compared."""

METADATA_FILES = (
    "gains_file",
    "listeners_file",
    "scenes_file",
    "scene_listeners_file",
    "music_file",
)

METADATA_PREFIX = "metadata "
"""How the names of the settings begin that are hashes of metadata files."""

SIGNALS_KEY = "enhanced signals"
"""Under which the settings of the scores keep a hash of the settings of the signals."""


def enhance_settings(config: Config, separator_fingerprint: str) -> Settings:
    """Return the keys that the enhanced signals depend on, and a hash of the separator."""
    keys = SIGNAL_KEYS + (COMPRESSOR_KEYS if config.apply_compressor else ())
    return {
        **_pick(config, keys),
        "separator fingerprint": separator_fingerprint,
        "package version": __version__,
    }


def evaluate_settings(config: Config, signals_digest: str) -> Settings:
    """Return the keys that the scores depend on, and a hash of the settings of the signals."""
    return {
        **_pick(config, SCORE_KEYS),
        SIGNALS_KEY: signals_digest,
        "package version": __version__,
    }


def other_settings(signals: Settings, scores: Settings) -> list[str]:
    """Say which keys of the scores the signals were made with other values of."""
    shared = [key for key in SCORE_KEYS if key in signals and signals[key] != scores[key]]
    return [f"{key}: {signals[key]} -> {scores[key]}" for key in shared]


def _pick(config: Config, keys: Sequence[str]) -> Settings:
    settings = {}
    for key in keys:
        value = attrgetter(key)(config)
        if isinstance(value, dict):  # where weights are is no difference, what they are has a hash
            value = {name: value[name] for name in value if name != "checkpoint"}
        settings[key] = value
    return settings


def metadata_settings(paths: DataPaths) -> Settings:
    """Return a hash of what each metadata file holds."""
    files = {name: Path(getattr(paths, name)) for name in METADATA_FILES}
    return {
        f"{METADATA_PREFIX}{name}": digest(read_json(path))
        for name, path in files.items()
        if path.exists()
    }


def digest(data: Any) -> str:
    """Return a short SHA-256 of anything that JSON holds."""
    return digest_of(data)[:16]


def settings_digest(settings: Settings) -> str:
    """Return the digest of settings that results have in their records, without metadata files."""
    own = {key: value for key, value in settings.items() if not key.startswith(METADATA_PREFIX)}
    return digest_of(own)


def audiograms_digest(listener: Listener) -> str:
    """Return the digest of the audiograms of both ears."""
    ears = listener.audiogram_left, listener.audiogram_right
    return digest_of([[list(ear.frequencies), list(ear.levels)] for ear in ears])


class MadeFrom:
    """Tells what a result of a pair is made from now, by name, for its record.

    Parameters
    ----------
    dataset : Dataset
    files : sequence of str
        Which files of the song: ``mixture`` and stems.
    settings : dict
        As `enhance_settings` or `evaluate_settings` gives them.
    """

    def __init__(self, dataset: Dataset, files: Sequence[str], settings: Settings) -> None:
        self._dataset = dataset
        self._files = files
        self._settings = settings_digest(settings)
        self._known: dict[tuple[str, str], str] = {}

    def __call__(self, pair: Pair) -> dict[str, str]:
        """Return the digest of everything that a pair's result depends on."""
        return {
            "music": self.music(pair.scene),
            **self.metadata(pair),
            "settings": self._settings,
        }

    def metadata(self, pair: Pair) -> dict[str, str]:
        """Return the digest of what the metadata give for a pair: gains and audiograms."""
        scene, listener = pair.scene, pair.listener
        return {
            "gains": self._once("gains", scene.id, lambda: digest_of(dict(scene.gains_db))),
            "audiograms": self._once(
                "audiograms", listener.id, lambda: audiograms_digest(listener)
            ),
        }

    def music(self, scene: Scene) -> str:
        """Return the digest of the files of a scene's song."""

        def make() -> str:
            return digest_of([self._dataset.digest(scene, name) for name in self._files])

        return self._once("music", scene.mixture_id, make)

    def _once(self, what: str, owner: str, make: Callable[[], str]) -> str:
        """Make the digest of a dependency once for each song, scene or listener."""
        if (what, owner) not in self._known:
            self._known[what, owner] = make()
        return self._known[what, owner]
