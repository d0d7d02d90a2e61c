"""Schema of ``config/generate_dataset.yaml``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from operator import attrgetter
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf

from recipes.cad_icassp_2024.data.paths import existing_root
from recipes.cad_icassp_2024.runs.schema import check_config, config_field, nested

COUNTS = (
    "sample_rate",
    "scene.number_scenes_per_song",
    "scene_listener.number_listeners_per_scene",
    "n_workers",
)
"""Keys that must be 1 or more."""


def metadata_file(name: str, text: str) -> Any:
    """Field for the path of a JSON file, by default in ``path.metadata_dir``."""
    return config_field(f"${{path.metadata_dir}}/{name}.json", text)


@dataclass
class GeneratePathConfig:
    """Where the data lies and where the at-mic music goes."""

    root: str = config_field(MISSING, "the data set's folder (cadenza_data); must be given")
    split: str = config_field("train", "stands in every metadata file name")
    metadata_dir: str = config_field("${path.root}/metadata", "the folder of the JSON files")
    music_dir: str = config_field("${path.root}/audio/music", "MUSDB18-HQ, a folder per split")
    hrtf_dir: str = config_field("${path.root}/audio/hrtf", "the heads' impulse responses")
    gains_file: str = metadata_file("gains", "the gain sets")
    listeners_file: str = metadata_file("listeners.${path.split}", "the listeners")
    head_loudspeaker_positions_file: str = metadata_file(
        "head_loudspeaker_positions", "heads and loudspeaker angles"
    )
    music_file: str = metadata_file("musdb18.${path.split}", "the list of songs")
    scene_file: str = metadata_file("scenes.${path.split}", "scenes: written, then read")
    scene_listeners_file: str = metadata_file(
        "scene_listeners.${path.split}", "listeners of each scene"
    )
    output_music_dir: str = config_field("${path.root}/audio/at_mic_music", "the music at the ears")
    output_music_file: str = metadata_file("at_mic_music.${path.split}", "the list of that music")


@dataclass
class SceneConfig:
    """How scenes are drawn."""

    number_scenes_per_song: int = config_field(4, "scenes to draw for each song")


@dataclass
class SceneListenerConfig:
    """How listeners are drawn."""

    number_listeners_per_scene: int = config_field(2, "listeners to draw for each scene")


@dataclass
class GenerateConfig:
    """Scenes and at-mic music."""

    path: GeneratePathConfig = nested(GeneratePathConfig)
    sample_rate: int = config_field(44100, "rate of the at-mic music, in Hz")
    scene: SceneConfig = nested(SceneConfig)
    scene_listener: SceneListenerConfig = nested(SceneListenerConfig)
    n_workers: int = config_field(1, "songs filtered at the same time; each takes up to 1.5 GB")
    overwrite: bool = config_field(False, "replace scenes and music that are there already")
    verify: bool = config_field(False, "read all files for changes, whatever their times say")

    def problems(self) -> Iterator[str]:
        """Yield what is wrong with the values."""
        for key in COUNTS:
            value = attrgetter(key)(self)
            if value < 1:
                yield f"{key}={value}: must be 1 or more"


def as_generate_config(cfg: Any) -> GenerateConfig:
    """Check a `GenerateConfig`, what Hydra composed, or a configuration for pyClarity's scripts.

    Keys of pyClarity's that mean nothing here (``path.tracklist_file``, ``hydra``) are passed over;
    ``path.metadata_dir`` will do where ``path.root`` is not given. Raises `RecipeError` when the
    root is not given or not there, or a value is out of range or of the wrong type.
    """
    if isinstance(cfg, DictConfig) and OmegaConf.get_type(cfg) is not GenerateConfig:
        raw: Any = OmegaConf.to_container(cfg)
        known = {item.name for item in fields(GenerateConfig)}
        known_paths = {item.name for item in fields(GeneratePathConfig)}
        path = {key: value for key, value in raw.get("path", {}).items() if key in known_paths}
        # pyClarity's scripts draw scenes without it.
        path.setdefault("root", "${path.metadata_dir}/.." if "metadata_dir" in path else MISSING)
        kept = {key: value for key, value in raw.items() if key in known}
        cfg = OmegaConf.create(kept | {"path": path})
    config = check_config(cfg, GenerateConfig)
    existing_root(config.path.root)
    return config


def generate_config(root: str | Path, **values: Any) -> GenerateConfig:
    """Make a configuration without Hydra, with all paths resolved.

    Other keys are given by their dotted name with ``__`` for the dot:
    ``scene__number_scenes_per_song``.
    """
    cfg = OmegaConf.structured(GenerateConfig)
    cfg.path.root = str(root)
    for key, value in values.items():
        OmegaConf.update(cfg, key.replace("__", "."), value)
    return as_generate_config(cfg)


ConfigStore.instance().store(name="generate_dataset_schema", node=GenerateConfig)
