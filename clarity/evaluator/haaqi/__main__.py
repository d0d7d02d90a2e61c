"""HAAQI of files or folders from the command line: ``python -m clarity.evaluator.haaqi``."""

from __future__ import annotations

if __name__ == "__main__":
    from clarity.utils.stopping import end_at_once_when_stopped

    end_at_once_when_stopped()

import argparse
import itertools
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from tqdm import tqdm

from clarity.evaluator.ear_model.quality import EQUALISATIONS, NALR_MISSING
from clarity.evaluator.haaqi.files import EARS, FileScorer
from clarity.evaluator.haaqi.folders import match_files, score_folders
from clarity.evaluator.haaqi.inputs import ENGINES
from clarity.evaluator.haaqi.regression import HaaqiResult
from clarity.utils.audiogram import STANDARD_AUDIOGRAMS, Audiogram, Listener
from clarity.utils.stopping import exit_code, raised_when_stopped

_EPILOG = """\
A stereo file is scored channel by channel, left ear first. The level of the music matters: by
default a signal with an RMS of 1 plays at 65 dB SPL; --reference-level 65 plays the reference
itself at 65 dB SPL, as the challenge does.

examples:
  %(prog)s reference.wav processed.flac --audiogram N3
  %(prog)s reference.wav processed.flac --audiogram S2 --reference-level 65
  %(prog)s reference.wav processed.wav --listeners listeners.json \\
      --listener L0066 --ear left --json
  %(prog)s references/ processed/ --audiogram N3 --output scores.csv
  %(prog)s references/ processed/ --listeners listeners.json \\
      --output scores.json

Two folders are scored pair by pair on all cores: files of the same name, whatever the suffix. With
--listeners a listener's id is in the name of each processed file (song_L0066.flac for song.wav).
The same command goes on where it was stopped, and scores changed files again.
"""


def parser(program: str) -> argparse.ArgumentParser:
    """Arguments of the command line of a program that was called by this name."""
    result = argparse.ArgumentParser(
        prog=program,
        description="Score a music file against a reference with HAAQI (0 to 1).",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.add_argument("reference", type=Path, help="clean audio file, or folder of them")
    result.add_argument(
        "processed", type=Path, help="audio file to score, at any sampling rate, or folder"
    )
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
    result.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="table of the scores of two folders, CSV or JSON",
    )
    result.add_argument("--json", action="store_true", help="print JSON")
    return result


def main(
    arguments: Sequence[str] | None = None, program: str = "python -m clarity.evaluator.haaqi"
) -> int:
    """Score two files, or the files of two folders, and print the result.

    Parameters
    ----------
    arguments : sequence of str, optional
        Command line. Default: that of the process.
    program : str
        What was typed to call it, for the help.

    Returns
    -------
    int
        Exit code: 0, 1 when the input cannot be scored, 128 and the signal's number when stopped.
    """
    options = parser(program).parse_args(arguments)
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    try:
        with raised_when_stopped():
            return _run(options)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except KeyboardInterrupt as stopped:
        advice = " The same command goes on from here." if options.output else ""
        sys.stderr.write(f"\nStopped.{advice}\n")
        return exit_code(stopped)


def _run(options: argparse.Namespace) -> int:
    """Do what the options ask for; returns the exit code."""
    if options.reference.is_dir() and options.processed.is_dir():
        return _score_folders(options)
    if options.output is not None:
        wrong = [path for path in (options.reference, options.processed) if not path.is_dir()]
        what = "is a file" if wrong[0].exists() else "no such folder"
        raise ValueError(f"{wrong[0]}: {what}; --output is for two folders")
    for folder, file in itertools.permutations((options.reference, options.processed)):
        if folder.is_dir():
            raise ValueError(f"{folder} is a folder, {file} is not: give two files or two folders")
    results = _scorer(options).score(options.reference, options.processed, options.listener)
    sys.stdout.write((_as_json(results) if options.json else _as_text(results)) + "\n")
    return 0


def _scorer(options: argparse.Namespace, n_threads: int | None = None) -> FileScorer:
    """Make the scorer that the options describe."""
    if options.audiogram is not None and options.listener is not None:
        raise ValueError(
            "--audiogram and --listener exclude each other: --listener needs --listeners"
        )
    hearing: Audiogram | dict[str, Listener]
    if options.audiogram is not None:
        hearing = STANDARD_AUDIOGRAMS[options.audiogram]
    else:
        hearing = Listener.load_listener_dict(options.listeners)
    return FileScorer(
        hearing,
        options.ear,
        options.equalisation,
        options.level1,
        options.reference_level,
        options.seed,
        options.engine,
        n_threads,
    )


def _score_folders(options: argparse.Namespace) -> int:
    """Score the files of two folders; returns the exit code."""
    if options.output is None or options.json or options.listener is not None:
        raise ValueError(
            "folders need --output scores.csv or --output scores.json, and neither --json nor "
            "--listener: with --listeners, the ids are in the names of the files"
        )
    scorer = _scorer(options, n_threads=1)
    listeners = None if isinstance(scorer.hearing, Audiogram) else scorer.hearing
    pairs = match_files(options.reference, options.processed, listeners)
    import numba  # noqa: PLC0415 - so that --help and complaints of the files do not wait for it

    rows, errors = score_folders(
        pairs,
        scorer,
        options.output,
        numba.config.NUMBA_NUM_THREADS,  # type: ignore[attr-defined]
        lambda finished, total: tqdm(finished, total=total, unit="file", disable=None),
    )
    if rows:
        mean = np.mean([row["score"] for row in rows])
        n_scored = len(pairs) - len(errors)
        sys.stdout.write(f"{n_scored} files, mean HAAQI {mean:.4f}: {options.output}\n")
    for name, error in errors.items():
        sys.stderr.write(f"error: {name}: {error}\n")
    return 1 if errors else 0


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
