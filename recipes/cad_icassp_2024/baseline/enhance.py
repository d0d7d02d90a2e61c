"""Enhance: separate each mixture once, remix it for its scenes, amplify it for their listeners."""

from __future__ import annotations

if __name__ == "__main__":
    from clarity.utils.stopping import end_at_once_when_stopped

    end_at_once_when_stopped()

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numba
import numpy as np
import soundfile
import torch
from omegaconf import DictConfig
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from clarity.enhancer.compressor import Compressor
from clarity.enhancer.nalr import NALR
from clarity.separation.base import VDBO, Mixture, Separator, Stems
from clarity.separation.oracle import OracleSeparator
from clarity.separation.segmented import SegmentedSeparator
from clarity.utils.audiogram import Listener
from clarity.utils.flac_encoder import save_flac_signal
from clarity.utils.loudness import integrated_loudness
from clarity.utils.memory import keep_freed_memory
from recipes.cad_icassp_2024.baseline.hearing_aid import (
    amplify_in_pieces,
    process_remix_for_listener,
)
from recipes.cad_icassp_2024.baseline.remix import remix_to_loudness
from recipes.cad_icassp_2024.baseline.separators import build_separator
from recipes.cad_icassp_2024.data.dataset import Dataset, Pair, Scene
from recipes.cad_icassp_2024.runs.config import Config
from recipes.cad_icassp_2024.runs.disk import require_space
from recipes.cad_icassp_2024.runs.entry import EntryPoint
from recipes.cad_icassp_2024.runs.experiment import (
    Experiment,
    enhance_settings,
    remove_leftovers,
)
from recipes.cad_icassp_2024.runs.failures import Failures, usable_pairs
from recipes.cad_icassp_2024.runs.parallel import (
    Stop,
    n_side_by_side,
    run_in_order,
    run_overlapped,
    run_side_by_side,
)
from recipes.cad_icassp_2024.runs.run import Run, open_run

__all__ = ["decompose_signal", "enhance", "process_remix_for_listener", "save_flac_signal"]

log = logging.getLogger(__name__)

FILE_OVERHEAD_BYTES = 16384


def decompose_signal(
    model: torch.nn.Module,
    model_sample_rate: int,
    signal: np.ndarray,
    signal_sample_rate: int,
    device: torch.device,
    sources_list: Sequence[str],
    listener: Listener | None = None,
    normalise: bool = True,
) -> dict[str, np.ndarray]:
    """Separate a signal into stems, with the arguments that entrants' scripts know.

    Parameters
    ----------
    model : torch.nn.Module
        Maps (batch, channels, time) to (batch, sources, channels, time).
    model_sample_rate : int
        Rate that the model works at, in Hz.
    signal : ndarray, shape (samples, 2) or (2, samples)
        The mixture.
    signal_sample_rate : int
        Its rate in Hz.
    device : torch.device
        Where the model runs.
    sources_list : sequence of str
        The stems in the model's order.
    listener : Listener, optional
        Not needed: separation does not depend on the listener.
    normalise : bool
        Whether the model wants a standardised signal.

    Returns
    -------
    dict of str to ndarray, shape (samples, 2)
    """
    del listener
    separator = SegmentedSeparator(
        model,
        sources=sources_list,
        sample_rate=model_sample_rate,
        normalise=normalise,
        device=str(device),
    )
    if signal.shape[0] < signal.shape[1]:
        signal = signal.T
    return separator.separate(Mixture(signal, signal_sample_rate))


@dataclass(frozen=True)
class Song:
    """One mixture and all that is to be made from it.

    Attributes
    ----------
    mixture_id : str
        ``{song}-{head position}``.
    pairs : tuple of Pair
        Scene by scene.
    """

    mixture_id: str
    pairs: tuple[Pair, ...]

    @property
    def scene(self) -> Scene:
        """A scene of this mixture, to find its files by."""
        return self.pairs[0].scene

    def by_scene(self) -> Iterable[tuple[Scene, list[Pair]]]:
        """Yield each scene with its pairs."""
        scenes: dict[str, list[Pair]] = {}
        for pair in self.pairs:
            scenes.setdefault(pair.scene.id, []).append(pair)
        return [(pairs[0].scene, pairs) for pairs in scenes.values()]


@dataclass(frozen=True)
class LoadedSong:
    """What is read and measured of a song before it is separated.

    Attributes
    ----------
    mixture : Mixture
    loudness_lufs : float
        Integrated loudness of the mixture, which the remixes are brought to.
    """

    mixture: Mixture
    loudness_lufs: float


def group_by_mixture(pairs: Iterable[Pair]) -> list[Song]:
    """Put the pairs of one mixture together, whatever the order of the scene list.

    Parameters
    ----------
    pairs : iterable of Pair

    Returns
    -------
    list of Song
        In the order in which the mixtures first occur.
    """
    songs: dict[str, list[Pair]] = {}
    for pair in pairs:
        songs.setdefault(pair.scene.mixture_id, []).append(pair)
    return [Song(name, tuple(members)) for name, members in songs.items()]


@dataclass(frozen=True)
class Enhancer:
    """The chain from a mixture to the enhanced signals of its pairs.

    Attributes
    ----------
    config : Config
    dataset : Dataset
    separator : Separator
    experiment : Experiment
    failures : Failures
        Takes the pairs that fail, or raises.
    done : callable
        Called with each finished pair.
    n_cores : int
        How many threads may amplify and write beside the separation.
    stop : Stop
        Ends the work between two pairs.
    """

    config: Config
    dataset: Dataset
    separator: Separator
    experiment: Experiment
    failures: Failures
    done: Callable[[Pair], None] = lambda pair: None
    n_cores: int = 1
    stop: Stop = field(default_factory=Stop)

    def run(self, songs: Sequence[Song], *, overlap: bool = True) -> None:
        """Enhance all pairs of the songs.

        Parameters
        ----------
        songs : sequence of Song
        overlap : bool
            Whether reading and writing go on beside the separation; the files are the same.
        """
        if overlap:
            run_overlapped(songs, self._load, self._separate, self._finish, self.stop)
        else:
            run_in_order(songs, self._load, self._separate, self._finish)

    def _load(self, song: Song) -> LoadedSong | None:
        rate = self.config.sample_rate
        with self.failures.of(song.pairs):
            signal = self.dataset.read_music(song.scene, "mixture", rate)
            stem_files = {name: self.dataset.music_file(song.scene, name) for name in VDBO}
            mixture = Mixture(signal, rate, stem_files)
            return LoadedSong(mixture, integrated_loudness(signal, rate))
        return None

    def _separate(self, song: Song, loaded: LoadedSong | None) -> tuple[float, Stems] | None:
        if loaded is None:
            return None
        with self.failures.of(song.pairs):
            return loaded.loudness_lufs, self.separator.separate(loaded.mixture)
        return None

    def _finish(self, song: Song, separated: tuple[float, Stems] | None) -> None:
        if separated is None:
            return
        loudness_lufs, stems = separated
        rate = self.config.sample_rate
        for scene, pairs in song.by_scene():
            with self.failures.of(pairs):
                remix = remix_to_loudness(stems.items(), scene.gains_db, loudness_lufs, rate)
                self._finish_scene(remix, pairs)

    def _finish_scene(self, remix: np.ndarray, pairs: Sequence[Pair]) -> None:
        def finish(pair: Pair) -> bool:
            self.stop.check()
            with self.failures.of([pair]):
                self._finish_pair(remix, pair)
                return True
            return False

        def note(pair: Pair, written: bool) -> None:
            if written:
                self.done(pair)

        n_workers = self.n_cores
        if self.config.apply_compressor:  # which needs whole signals in memory
            n_workers = n_side_by_side(n_workers, len(remix) / self.config.sample_rate)
        run_side_by_side(pairs, finish, note, n_workers, self.stop)

    def _finish_pair(self, remix: np.ndarray, pair: Pair) -> None:
        amplified = amplify_in_pieces(
            remix,
            NALR(self.config.nalr.nfir, self.config.nalr.sample_rate),
            make_compressor(self.config),
            pair.listener,
        )
        save_flac_signal(
            amplified,
            self.experiment.signal_file(pair),
            self.config.sample_rate,
            self.config.remix_sample_rate,
            do_clip_signal=True,
            do_soft_clip=self.config.soft_clip,
        )


def make_compressor(config: Config) -> Compressor | None:
    """Make the compressor that the configuration asks for, if it does."""
    if not config.apply_compressor:
        return None
    return Compressor(
        fs=config.sample_rate,
        attack=config.compressor.attack,
        release=config.compressor.release,
        threshold=config.compressor.threshold,
        attenuation=config.compressor.attenuation,
        rms_buffer_size=config.compressor.rms_buffer_size,
    )


def signal_bytes(dataset: Dataset, pairs: Iterable[Pair], sample_rate: int) -> int:
    """Return an upper bound of the disk space that the enhanced signals of pairs take.

    Parameters
    ----------
    dataset : Dataset
    pairs : iterable of Pair
    sample_rate : int
        Rate of the enhanced signals in Hz.

    Returns
    -------
    int
        16-bit stereo without compression (loud music compresses by a few per cent only) and what
        surrounds it: the file's header, the tail of the amplification, the disk's last block.
    """
    durations: dict[Path, float] = {}
    total = 0
    for pair in pairs:
        path = dataset.music_file(pair.scene, "mixture")
        if path not in durations:
            durations[path] = soundfile.info(path).duration
        total += math.ceil(durations[path] * sample_rate) * 4 + FILE_OVERHEAD_BYTES
    return total


def files_needed(separator: Separator) -> tuple[str, ...]:
    """Return which files of a song a separator needs."""
    return ("mixture", *VDBO) if isinstance(separator, OracleSeparator) else ("mixture",)


def enhance(config: DictConfig | Config) -> None:
    """Enhance the pairs of a batch, and go on where an earlier run stopped.

    Parameters
    ----------
    config : Config, or what Hydra composed

    Raises
    ------
    RecipeError
        When the data, the settings or the disk do not allow it, or when pairs failed.
    """
    keep_freed_memory()
    with open_run("enhance", config) as run:
        usable = usable_pairs(run.dataset, run.pairs, ("mixture",), run.failures)
        _require_space(run, usable)
        built = build_separator(run.config.separator)
        needed = files_needed(built.separator)
        usable = usable_pairs(run.dataset, usable, needed, run.failures)
        run.experiment.claim(
            "enhance",
            enhance_settings(run.config, run.dataset.paths, built.fingerprint),
            overwrite=run.config.overwrite,
            stale=[run.experiment.signal_file(pair) for pair in run.dataset.pairs],
        )
        todo = _what_is_left(run.experiment, usable, run.config.overwrite)
        if todo:
            _enhance_pairs(run, built.separator, todo)
        else:
            log.info("all %d pairs are done: %s", len(usable), run.experiment.signals)


def _require_space(run: Run, pairs: Sequence[Pair]) -> None:
    """Compare what the signals that are yet to be made will take with what is free."""
    files = {pair.id: run.experiment.signal_file(pair) for pair in pairs}
    there = {name: file.stat().st_size for name, file in files.items() if file.exists()}
    todo = [pair for pair in pairs if run.config.overwrite or pair.id not in there]
    if todo:
        freed = sum(there.values()) if run.config.overwrite else 0
        n_bytes = max(0, signal_bytes(run.dataset, todo, run.config.remix_sample_rate) - freed)
        what = f"enhancing {len(todo)} pairs"
        require_space(run.experiment.folder, n_bytes, what, "choose another path.exp_folder")


def _what_is_left(experiment: Experiment, pairs: Sequence[Pair], overwrite: bool) -> list[Pair]:
    """Return the pairs without a signal; a signal that is there is whole."""
    files = [experiment.signal_file(pair) for pair in pairs]
    remove_leftovers(files)
    if overwrite:
        for file in files:
            file.unlink(missing_ok=True)
    todo = [pair for pair, file in zip(pairs, files, strict=True) if not file.exists()]
    if 0 < len(todo) < len(pairs):
        log.info("%d of %d pairs are done, going on", len(pairs) - len(todo), len(pairs))
    return todo


def _enhance_pairs(run: Run, separator: Separator, todo: Sequence[Pair]) -> None:
    songs = group_by_mixture(todo)
    log.info(
        "%s: %d mixtures for %d pairs into %s",
        run.config.separator.model,
        len(songs),
        len(todo),
        run.experiment.signals,
    )
    with (
        logging_redirect_tqdm(),
        tqdm(total=len(todo), unit="pair", desc="enhance", disable=None) as bar,
    ):
        numbers = {song.mixture_id: number for number, song in enumerate(songs, start=1)}

        def done(pair: Pair) -> None:
            number = numbers[pair.scene.mixture_id]
            bar.set_postfix_str(f"song {number}/{len(songs)}", refresh=False)
            bar.update()
            log.info("%s: written", pair.id)

        n_cores = numba.get_num_threads()
        Enhancer(
            run.config, run.dataset, separator, run.experiment, run.failures, done, n_cores
        ).run(songs)


def main() -> None:
    """Run the script."""
    EntryPoint(
        "enhance",
        enhance,
        "separate, remix and amplify music for the listeners of each scene",
        (
            "python enhance.py path.root=cadenza_data",
            "python enhance.py path.root=cadenza_data path.split=valid separator=openunmix",
            "python enhance.py -m path.root=cadenza_data separator=demucs,openunmix,hpss",
        ),
        makes_folder=True,
    ).run()


if __name__ == "__main__":
    main()
