"""The configuration's schema: every key with its type, its default and a line of explanation.

Hydra checks what the user types against these dataclasses, so that a misspelt key or a word in the
place of a number is an error before any work starts. ``--help`` and README's table come from them.
"""

from __future__ import annotations

import dataclasses
import difflib
import enum
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from clarity.separation.base import VDBO
from recipes.cad_icassp_2024.data.errors import RecipeError


def described(default: Any, text: str) -> Any:
    """Return a dataclass field with a default and the line that ``--help`` prints for it."""
    metadata = {"help": text}
    if isinstance(default, dict | list):
        return dataclasses.field(default_factory=lambda: type(default)(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def section(kind: type) -> Any:
    """Return a dataclass field that holds a section of the configuration."""
    return dataclasses.field(default_factory=kind)


class OnError(enum.Enum):
    """What to do when one scene-listener pair fails."""

    stop = "stop"
    skip = "skip"


@dataclass
class PathConfig:
    """Where the data lies; the file-name patterns are in ``config/path/default.yaml``."""

    root: str = described(MISSING, "the data set's folder (cadenza_data); must be given")
    split: str = described("train", "train, valid or test; stands in every metadata file name")
    metadata_dir: str = described(MISSING, "the folder of the JSON files")
    music_dir: str = described(MISSING, "the music at the microphones, a folder per split")
    gains_file: str = described(MISSING, "the gain sets, in dB per stem")
    head_positions_file: str = described(MISSING, "heads and loudspeaker angles")
    listeners_file: str = described(MISSING, "the listeners and their audiograms")
    music_file: str = described(MISSING, "where each song lies below music_dir")
    scenes_file: str = described(MISSING, "the scenes: song, gains and head position")
    scene_listeners_file: str = described(MISSING, "the listeners of each scene")
    exp_folder: str = described(MISSING, "where signals, scores and logs go")

    def problems(self) -> Iterator[str]:
        """Yield what is wrong with the values."""
        for key in ("root", "split", "exp_folder"):
            if not getattr(self, key).strip():
                yield f"path.{key} is empty"


@dataclass
class NalrConfig:
    """The NAL-R amplification."""

    nfir: int = described(220, "order of the NAL-R filter; the signal grows by as many samples")
    sample_rate: int = described("${sample_rate}", "rate that the filter is designed for, in Hz")

    def problems(self) -> Iterator[str]:
        """Yield what is wrong with the values."""
        if not 1 <= self.nfir <= 1022:
            yield f"nalr.nfir={self.nfir}: must be from 1 to 1022"
        if self.sample_rate <= 0:
            yield f"nalr.sample_rate={self.sample_rate}: must be above 0"


@dataclass
class CompressorConfig:
    """The dynamic-range compressor that may follow NAL-R."""

    threshold: float = described(0.35, "RMS level above which it compresses, full scale is 1")
    attenuation: float = described(0.1, "part of the level above the threshold that is kept")
    attack: float = described(50.0, "attack time in ms")
    release: float = described(1000.0, "release time in ms")
    rms_buffer_size: float = described(0.064, "window of the level measurement in s")

    def problems(self) -> Iterator[str]:
        """Yield what is wrong with the values."""
        for key in ("attack", "release", "rms_buffer_size"):
            value = getattr(self, key)
            if not (math.isfinite(value) and value > 0):
                yield f"compressor.{key}={value}: must be above 0"


@dataclass
class SeparatorConfig:
    """What splits the mixture into stems; the files in ``config/separator/`` fill it in."""

    model: str = described(MISSING, "name of the separator, also that of the experiment folder")
    module: dict[str, Any] = described({}, "_target_: a class or function, and its arguments")
    sources: list[str] = described([], "the stems in the order in which the module gives them")
    sample_rate: int = described(44100, "rate that the module works at, in Hz")
    normalise: bool = described(False, "whether the module wants a standardised signal")
    segment: float = described(10.0, "length of the segments that are separated one by one, in s")
    overlap: float = described(0.1, "overlap of neighbouring segments, in s")
    device: str | None = described(None, "null (best there is), cpu, cuda, cuda:1, mps, gpu0")
    batch_size: int = described(1, "segments to a forward pass; more is faster on a GPU")
    mixed_precision: bool = described(False, "half precision where it is safe, on CUDA only")
    checkpoint: str | None = described(None, "own weights: a file (demucs), a folder (openunmix)")
    cache_dir: str | None = described(None, "folder to keep stems in, for runs with other gains")

    def problems(self) -> Iterator[str]:
        """Yield what is wrong with the values."""
        if "_target_" not in self.module:
            yield (
                "separator.module has no _target_: name the class or function that makes the "
                f"separator {self.model!r}, as package.module.Name"
            )
        if sorted(self.sources) != sorted(VDBO):
            yield (
                f"separator.sources={self.sources}: must be {', '.join(VDBO)}, in the order in "
                "which the module gives them"
            )
        if self.checkpoint is not None and "checkpoint" not in self.module:
            yield f"separator.checkpoint={self.checkpoint}: {self.model} takes no weights"
        for key in ("sample_rate", "batch_size"):
            if getattr(self, key) < 1:
                yield f"separator.{key}={getattr(self, key)}: must be 1 or more"
        if not (0 <= self.overlap < self.segment and math.isfinite(self.segment)):
            yield (
                f"separator.segment={self.segment}, separator.overlap={self.overlap}: the segment "
                "must be finite and longer than the overlap, and the overlap not negative"
            )


@dataclass
class EvaluateConfig:
    """How the scores are computed."""

    set_random_seed: bool = described(True, "draw HAAQI's noise from a seed made of the scene id")
    small_test: bool = described(False, "only every 15th pair, for a first look")
    batch_size: int = described(1, "the NUMBER of batches that the pairs are dealt out to")
    batch: int = described(0, "which batch this run does, counted from 0")

    def problems(self) -> Iterator[str]:
        """Yield what is wrong with the values."""
        if self.batch_size < 1:
            yield f"evaluate.batch_size={self.batch_size}: must be 1 or more"
        elif not 0 <= self.batch < self.batch_size:
            yield (
                f"evaluate.batch={self.batch}: must be from 0 to {self.batch_size - 1}, "
                f"for evaluate.batch_size={self.batch_size} is the number of batches"
            )


@dataclass
class ReportConfig:
    """What ``report.py`` shows."""

    folders: list[str] = described([], "experiment folders side by side (default: path.exp_folder)")
    output: str | None = described(None, "the HTML page (default: report.html in the first folder)")
    audio: bool = described(False, "write players for the ten best and ten worst pairs")


@dataclass
class Config:
    """The baseline: enhance, evaluate, merge, report."""

    path: PathConfig = section(PathConfig)
    sample_rate: int = described(44100, "rate of the music, in Hz; files at others are resampled")
    remix_sample_rate: int = described(32000, "rate of the enhanced signals, in Hz")
    HAAQI_sample_rate: int = described(24000, "rate at which HAAQI is computed, in Hz")
    nalr: NalrConfig = section(NalrConfig)
    apply_compressor: bool = described(False, "compress after NAL-R")
    compressor: CompressorConfig = section(CompressorConfig)
    soft_clip: bool = described(False, "tanh before the enhanced signals are clipped")
    separator: SeparatorConfig = section(SeparatorConfig)
    evaluate: EvaluateConfig = section(EvaluateConfig)
    on_error: OnError = described(OnError.stop, "a failed pair stops the run, or is skipped")
    overwrite: bool = described(False, "start over instead of going on where a run stopped")
    allow_missing: bool = described(False, "merge the batches that are there")
    report: ReportConfig = section(ReportConfig)

    def problems(self) -> Iterator[str]:
        """Yield what is wrong with the values, in all sections."""
        for key in ("sample_rate", "remix_sample_rate", "HAAQI_sample_rate"):
            if getattr(self, key) <= 0:
                yield f"{key}={getattr(self, key)}: must be above 0"
        for part in (self.path, self.nalr, self.compressor, self.separator, self.evaluate):
            yield from part.problems()


@dataclass(frozen=True)
class KeyDescription:
    """A row of the configuration table."""

    key: str
    default: str
    text: str


def as_config(cfg: Any, schema: type = Config) -> Any:
    """Resolve and check a composed configuration.

    Parameters
    ----------
    cfg : DictConfig or an instance of `schema`
        What Hydra composed; an instance of the schema is returned as it is.
    schema : type
        The dataclass that the configuration must fit.

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
    sections = {key.rpartition(".")[0] for key in known}
    for name in sorted(sections):
        part = OmegaConf.select(cfg, name) if name else cfg
        for key in (f"{name}.{child!s}".lstrip(".") for child in part):
            if key not in known and key not in sections:
                close = difflib.get_close_matches(key, known, n=1)
                hint = f"did you mean {close[0]}?" if close else "--help lists all keys"
                yield f"{key}: there is no such key; {hint}"


def describe(schema: type, prefix: str = "", defaults: DictConfig | None = None) -> Iterator[Any]:
    """Yield a `KeyDescription` for every key of a schema, in order.

    Parameters
    ----------
    schema : type
        A dataclass whose fields were made by `described` and `section`.
    prefix : str
        What stands before the keys, with its dot.
    defaults : DictConfig, optional
        Composed defaults; they win over those of the dataclass.
    """
    for field in dataclasses.fields(schema):
        key = prefix + field.name
        if "help" not in field.metadata:
            assert callable(field.default_factory)
            yield from describe(type(field.default_factory()), key + ".", defaults)
            continue
        yield KeyDescription(key, _default_text(field, key, defaults), field.metadata["help"])


def _default_text(field: Any, key: str, defaults: DictConfig | None) -> str:
    value = field.default_factory() if field.default is dataclasses.MISSING else field.default
    if defaults is not None:
        parent = OmegaConf.select(defaults, key.rpartition(".")[0]) if "." in key else defaults
        if parent is not None and field.name in parent:
            value = dict(OmegaConf.to_container(parent, resolve=False))[field.name]  # type: ignore[arg-type]
    if isinstance(value, ListConfig | DictConfig):
        value = OmegaConf.to_container(value)
    if isinstance(value, enum.Enum):
        value = value.value
    if value is None or isinstance(value, bool):
        return {None: "null", False: "false", True: "true"}[value]
    return "(must be given)" if value == MISSING else str(value)


def register_configs() -> None:
    """Tell Hydra's ConfigStore the schemas; ``config/*.yaml`` build on them by name."""
    store = ConfigStore.instance()
    store.store(name="baseline_schema", node=Config)


register_configs()
