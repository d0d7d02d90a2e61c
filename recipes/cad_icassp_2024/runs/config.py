"""The configuration's schema: every key with its type, its default and a line of explanation."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

from clarity.enhancer.compressor import Compressor
from clarity.enhancer.nalr import NALR
from clarity.separation.base import VDBO
from recipes.cad_icassp_2024.runs.schema import check_config, config_field, nested


class OnError(enum.Enum):
    """What to do when one scene-listener pair fails."""

    stop = "stop"
    skip = "skip"


@dataclass
class PathConfig:
    """Where the data is; the file-name patterns are in ``config/path/default.yaml``."""

    root: str = config_field(MISSING, "the data set's folder (cadenza_data); must be given")
    split: str = config_field(
        "train", "train, valid, test or another name; stands in every metadata file name"
    )
    metadata_dir: str = config_field(MISSING, "the folder of the JSON files")
    music_dir: str = config_field(MISSING, "the music at the microphones, a folder per split")
    gains_file: str = config_field(MISSING, "the gain sets, in dB per stem")
    head_positions_file: str = config_field(MISSING, "heads and loudspeaker angles")
    listeners_file: str = config_field(MISSING, "the listeners and their audiograms")
    music_file: str = config_field(MISSING, "where each song is below music_dir")
    scenes_file: str = config_field(MISSING, "the scenes: song, gains and head position")
    scene_listeners_file: str = config_field(MISSING, "the listeners of each scene")
    exp_folder: str = config_field(MISSING, "where signals, scores and logs go")

    def problems(self) -> Iterator[str]:
        """Yield what is wrong with the values."""
        for key in ("root", "split", "exp_folder"):
            if not getattr(self, key).strip():
                yield f"path.{key} is empty"


@dataclass
class NalrConfig:
    """The NAL-R amplification."""

    nfir: int = config_field(220, "order of the NAL-R filter; the signal grows by as many samples")
    sample_rate: int = config_field("${sample_rate}", "rate that the filter is designed for, in Hz")

    def make(self) -> NALR:
        """Make the prescription; ValueError where it cannot be."""
        return NALR(self.nfir, self.sample_rate)


@dataclass
class CompressorConfig:
    """The dynamic-range compressor that may follow NAL-R."""

    threshold: float = config_field(0.35, "RMS level above which it compresses, full scale is 1")
    attenuation: float = config_field(
        0.1, "weight of the level, beside the threshold, in the gain it aims at"
    )
    attack: float = config_field(50.0, "attack time in ms")
    release: float = config_field(1000.0, "release time in ms")
    rms_buffer_size: float = config_field(0.064, "window of the level measurement in s")

    def make(self, sample_rate: int) -> Compressor:
        """Make the compressor for a sampling rate in Hz; ValueError where it cannot be."""
        return Compressor(fs=sample_rate, **vars(self))


@dataclass
class SeparatorConfig:
    """What splits the mixture into stems; the files in ``config/separator/`` fill it in."""

    model: str = config_field(MISSING, "name of the separator, also that of the experiment folder")
    module: dict[str, Any] = config_field({}, "_target_: a class or function, and its arguments")
    sources: list[str] = config_field([], "the stems in the order in which the module gives them")
    sample_rate: int = config_field(44100, "rate that the module works at, in Hz")
    normalise: bool = config_field(False, "whether the module wants a standardised signal")
    segment: float = config_field(
        10.0, "length of the segments that are separated one by one, in s"
    )
    overlap: float = config_field(0.1, "overlap of neighbouring segments, in s")
    device: str | None = config_field(None, "null (best there is), cpu, cuda, cuda:1, mps, gpu0")
    batch_size: int = config_field(1, "segments to a forward pass; more is faster on a GPU")
    mixed_precision: bool = config_field(False, "half precision where it is safe, on CUDA only")
    checkpoint: str | None = config_field(
        None, "own weights: a file, or a folder with a file for each stem (openunmix)"
    )
    cache_dir: str | None = config_field(None, "folder to keep stems in, for runs with other gains")
    members: list[str] = config_field([], "separators whose weighted mean this one is (ensemble)")
    weights: Any = config_field(None, "weight of each member, for all stems or a list for each")
    one_model_at_a_time: bool = config_field(False, "load a member for each mixture (less memory)")

    def problems(self) -> Iterator[str]:
        """Yield what is wrong; the separator itself checks its settings when it is built."""
        if self.members and self.module:
            yield "separator.members and separator.module: a separator has one of them"
        if not self.members and "_target_" not in self.module:
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


@dataclass
class EvaluateConfig:
    """How the scores are computed."""

    set_random_seed: bool = config_field(
        True, "draw HAAQI's noise from a seed made of the scene id"
    )
    small_test: bool = config_field(False, "only every 15th pair, for a first look")
    batch_size: int = config_field(1, "the NUMBER of batches that the pairs are dealt out to")
    batch: int = config_field(0, "which batch this run does, counted from 0")

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

    folders: list[str] = config_field(
        [], "experiment folders side by side (default: path.exp_folder)"
    )
    output: str | None = config_field(
        None, "the HTML page (default: report.html in the first folder)"
    )
    audio: bool = config_field(False, "write players for the ten best and ten worst pairs")


@dataclass
class Config:
    """The baseline: enhance, evaluate, merge, report."""

    path: PathConfig = nested(PathConfig)
    sample_rate: int = config_field(
        44100, "rate of the music, in Hz; files at others are resampled"
    )
    remix_sample_rate: int = config_field(32000, "rate of the enhanced signals, in Hz")
    HAAQI_sample_rate: int = config_field(24000, "rate at which HAAQI is computed, in Hz")
    nalr: NalrConfig = nested(NalrConfig)
    apply_compressor: bool = config_field(False, "compress after NAL-R")
    compressor: CompressorConfig = nested(CompressorConfig)
    soft_clip: bool = config_field(False, "tanh before the enhanced signals are clipped")
    separator: SeparatorConfig = nested(SeparatorConfig)
    evaluate: EvaluateConfig = nested(EvaluateConfig)
    on_error: OnError = config_field(OnError.stop, "a failed pair stops the run, or is skipped")
    overwrite: bool = config_field(False, "start over instead of going on where a run stopped")
    verify: bool = config_field(
        False, "read all files again instead of trusting their size and time of modification"
    )
    allow_missing: bool = config_field(False, "merge the batches that are there")
    report: ReportConfig = nested(ReportConfig)

    def problems(self) -> Iterator[str]:
        """Yield what is wrong with the values, in all parts."""
        for key in ("sample_rate", "remix_sample_rate", "HAAQI_sample_rate"):
            if getattr(self, key) <= 0:
                yield f"{key}={getattr(self, key)}: must be above 0"
        yield from _refusal("nalr", self.nalr.make)
        yield from _refusal("compressor", lambda: self.compressor.make(max(self.sample_rate, 1)))
        for part in (self.path, self.separator, self.evaluate):
            yield from part.problems()


def _refusal(key: str, make: Callable[[], object]) -> Iterator[str]:
    """Yield why an object refuses its settings; its messages begin with the setting's name."""
    try:
        make()
    except ValueError as error:
        yield f"{key}.{error}"


def as_config(cfg: Any) -> Config:
    """Resolve and check a configuration of the baseline, see `check_config`."""
    return check_config(cfg, Config)


ConfigStore.instance().store(name="baseline_schema", node=Config)
