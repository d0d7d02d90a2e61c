"""The enhanced signals as files: resampled, limited, 16 bits, and with a record of their making."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from clarity.utils.file_io import read_signal
from clarity.utils.flac_codec import FlacEncoder
from clarity.utils.peak_file import remove_peak_file
from clarity.utils.signal_processing import Clipping, limited_to_16bit, resample_blocks
from recipes.cad_icassp_2024.data.dataset import Dataset
from recipes.cad_icassp_2024.data.errors import RecipeError, shortened
from recipes.cad_icassp_2024.data.scenes import MIXTURE, Pair
from recipes.cad_icassp_2024.runs.config import Config, OnError
from recipes.cad_icassp_2024.runs.experiment import remove_leftovers
from recipes.cad_icassp_2024.runs.origins import old_signals, steps_again
from recipes.cad_icassp_2024.runs.records import Result
from recipes.cad_icassp_2024.runs.run import Run
from recipes.cad_icassp_2024.runs.settings import MadeFrom

log = logging.getLogger(__name__)

FILE_OVERHEAD_BYTES = 16384

# How far the length of an enhanced signal may be from that of its mixture: filters have tails.
LENGTH_TOLERANCE_S = 0.25


def as_16bit(
    config: Config, amplified: Iterator[np.ndarray], clipping: Clipping
) -> Iterator[np.ndarray]:
    """Bring the blocks of an amplified signal to the rate of the files, limited and rounded."""
    resampled = resample_blocks(amplified, config.sample_rate, config.remix_sample_rate)
    return limited_to_16bit(resampled, config.soft_clip, clipping)


def write_enhanced(
    run: Run, pair: Pair, amplified: Iterator[np.ndarray], made_from: MadeFrom
) -> Clipping:
    """Write an enhanced signal as FLAC, whole and with its record or not at all.

    Parameters
    ----------
    run : Run
    pair : Pair
    amplified : iterator of ndarray, shape (samples, 2)
        The signal at ``sample_rate``, block after block.
    made_from : MadeFrom
        Tells what it was made from.

    Returns
    -------
    Clipping
    """
    clipping = Clipping()
    samples = as_16bit(run.config, amplified, clipping)
    stream = FlacEncoder().encode(samples, run.config.remix_sample_rate)
    path = run.experiment.signal_file(pair)
    with run.records.writing(path, pair.id, made_from(pair)) as temporary:
        temporary.write_bytes(stream)
    remove_peak_file(path)
    log.debug("%s: written, %d samples clipped", pair.id, clipping.n_clipped)
    return clipping


def clipping_text(written: Sequence[tuple[Pair, Clipping]]) -> str:
    """Say of signals how many were clipped, by how much, and which one most."""
    clipped = [(pair, found) for pair, found in written if found.n_clipped]
    text = f"{len(written)} signals written, {len(clipped)} clipped"
    if not clipped:
        return text
    pair, worst = max(clipped, key=lambda item: item[1].n_clipped / item[1].n_samples)
    return (
        f"{text}; most of all {pair.id}, {worst.n_clipped / worst.n_samples:.2%} of its samples, "
        f"up to {20 * math.log10(worst.peak):.1f} dB above full scale"
    )


def pending_pairs(run: Run, pairs: Sequence[Pair], made_from: MadeFrom) -> list[Pair]:
    """Return the pairs without a signal, and those whose signal was made from something else.

    Parameters
    ----------
    run : Run
    pairs : sequence of Pair
    made_from : MadeFrom
        Tells what signals would be made from now.

    Raises
    ------
    RecipeError
        When there are signals that were not made here.
    """
    paths = {pair.id: run.experiment.signal_file(pair) for pair in pairs}
    remove_leftovers(paths.values())
    if run.config.overwrite:
        for path in paths.values():
            path.unlink(missing_ok=True)
    there = [pair for pair in pairs if paths[pair.id].exists()]
    comparison = run.records.compare(
        Result(pair.id, run.signal_digest(pair), made_from(pair)) for pair in there
    )
    made_here = run.records.names()
    broken = {name for name in comparison.unknown if _is_broken(paths[name], name in made_here)}
    foreign = [str(paths[name]) for name in comparison.unknown if name not in broken]
    if foreign:
        raise RecipeError(
            f"{len(foreign)} signals have no record of what they were made from, or were changed "
            "since: move them away, choose another folder with path.exp_folder=..., or start over "
            f"with overwrite=true:{shortened(foreign)}"
        )
    for line in comparison.changes("signals"):
        log.warning("%s: made again", line)
    if broken:
        log.warning("%d signals are broken: made again", len(broken))
    current = set(comparison.current)
    todo = [pair for pair in pairs if pair.id not in current]
    if 0 < len(todo) < len(pairs):
        log.info("%d of %d pairs are done, going on", len(pairs) - len(todo), len(pairs))
    return todo


def require_space_for_signals(run: Run, pairs: Sequence[Pair]) -> None:
    """Compare what the signals that are yet to be made will take with what is free."""
    files = {pair.id: run.experiment.signal_file(pair) for pair in pairs}
    there = {name: file.stat().st_size for name, file in files.items() if file.exists()}
    todo = [pair for pair in pairs if run.config.overwrite or pair.id not in there]
    if todo:
        freed = sum(there.values()) if run.config.overwrite else 0
        n_bytes = max(0, signal_bytes(run.dataset, todo, run.config.remix_sample_rate) - freed)
        run.require_space(n_bytes, f"enhancing {len(todo)} pairs")


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
    durations_s = mixture_durations_s(dataset, pairs)
    return sum(
        math.ceil(durations_s[pair.scene.mixture_id] * sample_rate) * 4 + FILE_OVERHEAD_BYTES
        for pair in pairs
    )


def mixture_durations_s(dataset: Dataset, pairs: Iterable[Pair]) -> dict[str, float]:
    """Return the length of each mixture in seconds, by its id."""
    scenes = {pair.scene.mixture_id: pair.scene for pair in pairs}
    return {
        name: soundfile.info(dataset.music_file(scene, MIXTURE)).duration
        for name, scene in scenes.items()
    }


def with_signals(run: Run, pairs: Sequence[Pair]) -> list[Pair]:
    """Return the pairs whose enhanced signals are there and readable.

    Raises
    ------
    RecipeError
        With ``on_error=stop``: a list of all signals that are not.
    """
    durations_s = mixture_durations_s(run.dataset, pairs)
    problems = {}
    for pair in pairs:
        path = run.experiment.signal_file(pair)
        mixture_s = durations_s[pair.scene.mixture_id]
        problem = _header_problem(path, run.config.remix_sample_rate, mixture_s)
        if problem is not None:
            problems[pair.id] = f"{path}: {problem}"
    if problems and run.config.on_error is OnError.stop:
        raise RecipeError(
            f"{len(problems)} of {len(pairs)} enhanced signals are not usable:"
            f"{shortened(list(problems.values()))}\nRun enhance.py with the same path.exp_folder "
            "first, which makes them, or put the signals there"
        )
    usable = run.without(problems, pairs)
    _warn_of_old_signals(run, usable)
    return usable


def _warn_of_old_signals(run: Run, pairs: Sequence[Pair]) -> None:
    """Warn of signals whose records say that they are of other inputs, or of other settings.

    Also of such as have taken the place of a signal that was made here.
    """
    found = old_signals(run.records, run.experiment, run.dataset, pairs, run.dataset.scenes)
    if found.unknown:
        log.warning(
            "%d of %d signals are others than enhance.py has made; they are scored as they are:%s",
            *(len(found.unknown), len(pairs), shortened(found.unknown)),
        )
    if found.changed:
        log.warning(
            "%s; their scores are those of old signals. To make them again, %s:%s",
            "; ".join(found.changes("signals")),
            steps_again(run.experiment, run.dataset.paths, signals=True),
            shortened(list(found.changed)),
        )


def _is_broken(path: Path, whole: bool) -> bool:
    """Whether a signal is broken: by its header, or read to its end as a whole."""
    if _header_problem(path) is not None:
        return True
    if not whole:
        return False
    try:
        read_signal(path)
    except ValueError:
        return True
    return False


def _header_problem(
    path: Path, sample_rate: int | None = None, mixture_s: float | None = None
) -> str | None:
    """Say what is wrong with a signal as a file, and beside its mixture if that is given."""
    if not path.is_file():
        return "a folder is in the place of the file" if path.is_dir() else "no such file"
    try:
        header = soundfile.info(path)
    except soundfile.SoundFileError as error:
        return f"cannot be read as audio ({error})"
    if not header.frames:
        return "holds no samples"
    if sample_rate is None or mixture_s is None:
        return None
    return _misfit(header, sample_rate, mixture_s)


def _misfit(header: Any, sample_rate: int, mixture_s: float) -> str | None:
    if header.channels != 2:
        return f"has {header.channels} channel(s), but must be stereo"
    if header.samplerate != sample_rate:
        return (
            f"has {header.samplerate} Hz, but remix_sample_rate is {sample_rate}; "
            f"give remix_sample_rate={header.samplerate} if that is meant"
        )
    if abs(header.duration - mixture_s) > LENGTH_TOLERANCE_S:
        return f"lasts {header.duration:.2f} s, but its mixture {mixture_s:.2f} s"
    return None
