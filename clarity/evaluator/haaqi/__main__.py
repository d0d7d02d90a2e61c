"""HAAQI of two audio files, from the command line: ``python -m clarity.evaluator.haaqi``."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clarity.evaluator.ear_model.quality import EQUALISATIONS, NALR_MISSING
from clarity.evaluator.haaqi.engines import ENGINES
from clarity.evaluator.haaqi.haaqi import evaluate_haaqi
from clarity.evaluator.haaqi.regression import HaaqiResult
from clarity.utils.audiogram import STANDARD_AUDIOGRAMS, Audiogram, Listener
from clarity.utils.file_io import open_audio

EARS = ("left", "right")

_DURATION_TOLERANCE_S = 0.25

_EPILOG = """\
A stereo file is scored channel by channel, left ear first. The level of the music matters: by
default a signal with an RMS of 1 plays at 65 dB SPL; --reference-level 65 plays the reference
itself at 65 dB SPL, as the challenge does.

examples:
  python -m clarity.evaluator.haaqi reference.wav processed.flac --audiogram N3
  python -m clarity.evaluator.haaqi reference.wav processed.flac --audiogram S2 --reference-level 65
  python -m clarity.evaluator.haaqi reference.wav processed.wav --listeners listeners.json \\
      --listener L0066 --ear left --json
"""


def parser() -> argparse.ArgumentParser:
    """Arguments of the command line."""
    result = argparse.ArgumentParser(
        prog="python -m clarity.evaluator.haaqi",
        description="Score a music file against a reference with HAAQI (0 to 1).",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.add_argument("reference", type=Path, help="clean audio file")
    result.add_argument("processed", type=Path, help="audio file to score, at any sampling rate")
    hearing = result.add_mutually_exclusive_group(required=True)
    hearing.add_argument(
        "--audiogram",
        type=str.upper,
        choices=list(STANDARD_AUDIOGRAMS),
        help="standard audiogram, for both ears (Bisgaard et al. 2010)",
    )
    hearing.add_argument("--listeners", type=Path, metavar="JSON", help="file of listeners")
    result.add_argument("--listener", metavar="ID", help="which of the listeners")
    result.add_argument("--ear", choices=EARS, help="score this ear only; needed for mono files")
    result.add_argument(
        "--equalisation",
        type=int,
        choices=EQUALISATIONS,
        default=NALR_MISSING,
        help="1: the reference is not amplified yet, NAL-R is applied to it; 2: it is; 0: it is "
        "not and a healthy ear hears it (default 1)",
    )
    level = result.add_mutually_exclusive_group()
    level.add_argument(
        "--level1",
        type=float,
        default=65.0,
        metavar="DB",
        help="level in dB SPL of a signal with an RMS of 1 (default 65)",
    )
    level.add_argument(
        "--reference-level", type=float, metavar="DB", help="level in dB SPL of the reference"
    )
    result.add_argument("--seed", type=int, default=0, help="of the threshold noise (default 0)")
    result.add_argument(
        "--engine",
        choices=ENGINES,
        default=ENGINES[0],
        help="compiled kernels, or the model as ear_model defines it: slower, same numbers "
        "(default compiled)",
    )
    result.add_argument("--json", action="store_true", help="print JSON")
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Score two files and print the result.

    Parameters
    ----------
    arguments : sequence of str, optional
        Command line. Default: that of the process.

    Returns
    -------
    int
        Exit code: 0, or 1 when the input cannot be scored.
    """
    options = parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    try:
        results = score_files(options)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.write((_as_json(results) if options.json else _as_text(results)) + "\n")
    return 0


def score_files(options: argparse.Namespace) -> dict[str, HaaqiResult]:
    """Score each ear.

    Parameters
    ----------
    options : argparse.Namespace
        As `parser` makes them.

    Returns
    -------
    dict
        Result by ear; the key is ``mono`` for one channel and one audiogram.

    Raises
    ------
    ValueError
        When the files, the listener and the ear do not fit together or cannot be scored.
    """
    _check_options(options)
    reference, reference_rate = _read(options.reference)
    processed, processed_rate = _read(options.processed)
    if reference.shape[1] != processed.shape[1]:
        raise ValueError(
            f"{options.reference} has {reference.shape[1]} channels but {options.processed} has "
            f"{processed.shape[1]}; both must be mono or both stereo"
        )
    _compare_durations(options, len(reference) / reference_rate, len(processed) / processed_rate)
    generator = np.random.RandomState(options.seed)
    results = {}
    for ear, channel in _channels(options, reference.shape[1]).items():
        level1 = options.level1
        if options.reference_level is not None:
            level1 = options.reference_level - _level_db(reference[:, channel])
        results[ear] = evaluate_haaqi(
            reference[:, channel],
            reference_rate,
            processed[:, channel],
            processed_rate,
            _audiogram(options, ear),
            options.equalisation,
            level1,
            random_state=generator,
            engine=options.engine,
        )
    return results


def _check_options(options: argparse.Namespace) -> None:
    """Raise ValueError for options that contradict each other or are no levels."""
    if options.audiogram is not None and options.listener is not None:
        raise ValueError(
            "--audiogram and --listener exclude each other: --listener needs --listeners"
        )
    for name in ("level1", "reference_level"):
        value = getattr(options, name)
        if value is not None and not -100 <= value <= 200:
            raise ValueError(f"--{name.replace('_', '-')} {value}: must be from -100 to 200 dB SPL")


def _compare_durations(options: argparse.Namespace, reference_s: float, processed_s: float) -> None:
    """Warn of files of different length: what the longer one has more is not scored."""
    if abs(reference_s - processed_s) > _DURATION_TOLERANCE_S:
        sys.stderr.write(
            f"warning: {options.reference} lasts {reference_s:.2f} s, {options.processed} "
            f"{processed_s:.2f} s; only what both have is scored\n"
        )


def _read(path: Path) -> tuple[NDArray[np.float64], int]:
    """Read a file as (samples, channels) and its rate."""
    with open_audio(path) as file:
        samples, rate = file.read(dtype="float64", always_2d=True), file.samplerate
    if samples.shape[1] > len(EARS):
        raise ValueError(f"{path} has {samples.shape[1]} channels; one or two can be scored")
    return samples, rate


def _channels(options: argparse.Namespace, n_channels: int) -> dict[str, int]:
    """Which channel each result comes from."""
    if n_channels == len(EARS):
        return {ear: i for i, ear in enumerate(EARS) if options.ear in (None, ear)}
    if options.ear is None and options.listeners is not None:
        raise ValueError("the files are mono: say with --ear left or --ear right whose ear it is")
    return {options.ear or "mono": 0}


def _audiogram(options: argparse.Namespace, ear: str) -> Audiogram:
    """Audiogram of an ear."""
    if options.audiogram is not None:
        return STANDARD_AUDIOGRAMS[options.audiogram]
    listeners = Listener.load_listener_dict(options.listeners)
    if options.listener not in listeners:
        wanted = f"no listener {options.listener}" if options.listener else "no --listener ID given"
        some = ", ".join(list(listeners)[:5])
        raise ValueError(f"{wanted}: {options.listeners} has {len(listeners)}, such as {some}")
    listener = listeners[options.listener]
    return listener.audiogram_left if ear == EARS[0] else listener.audiogram_right


def _level_db(x: NDArray[np.float64]) -> float:
    """RMS level in dB; 0 for silence, which is an error later on."""
    rms = np.sqrt(np.mean(x**2))
    return float(20.0 * np.log10(rms)) if rms > 0.0 else 0.0


def _as_json(results: dict[str, HaaqiResult]) -> str:
    """Machine-readable results, with the mean over the ears."""
    mean = float(np.mean([result.score for result in results.values()]))
    ears = {ear: asdict(result) for ear, result in results.items()}
    return json.dumps({"score": mean, "ears": ears}, indent=2)


def _as_text(results: dict[str, HaaqiResult]) -> str:
    """Readable results."""
    lines = [
        f"{ear:5s}  HAAQI {r.score:.4f}  (nonlinear {r.nonlinear:.4f}, linear {r.linear:.4f}; "
        f"CepHigh {r.cep_high:.4f}, BMsync5 {r.bm_sync5:.4f}, Dloud {r.d_loud:.4f}, "
        f"Dnorm {r.d_norm:.4f})"
        for ear, r in results.items()
    ]
    if len(results) > 1:
        lines.append(f"mean   HAAQI {np.mean([r.score for r in results.values()]):.4f}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
