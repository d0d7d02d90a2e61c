"""List the pretrained weights, or fetch them ahead of time: ``python -m clarity.separation``."""

from __future__ import annotations

if __name__ == "__main__":
    from clarity.utils.stopping import end_at_once_when_stopped

    end_at_once_when_stopped()

import argparse
import sys
from collections.abc import Sequence

from clarity.separation.weights import PRETRAINED, WeightsError, find_or_download
from clarity.utils.stopping import exit_code, raised_when_stopped


def list_weights() -> None:
    """Print for every file of weights whether it is there, its size and where it belongs."""
    for name, files in PRETRAINED.items():
        for file in files:
            state = "here" if file.path.is_file() else "missing"
            print(f"{name:<10} {state:<8} {file.size_mb:>6g} MB  {file.path}")  # noqa: T201


def download(names: Sequence[str]) -> None:
    """Fetch the weights of separators, those that are there excepted."""
    for name in names:
        for file in PRETRAINED[name]:
            print(f"{name:<10} {find_or_download(file)}")  # noqa: T201


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m clarity.separation", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="say which weights are there")
    fetch = commands.add_parser("download", help="fetch weights into torch.hub's folder")
    fetch.add_argument(
        "names", nargs="+", choices=list(PRETRAINED), metavar="NAME", help="%(choices)s"
    )
    options = parser.parse_args(arguments)
    if options.command == "list":
        list_weights()
        return 0
    try:
        with raised_when_stopped():
            download(options.names)
    except WeightsError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt as stopped:
        print("\nStopped.", file=sys.stderr)  # noqa: T201
        return exit_code(stopped)
    return 0


if __name__ == "__main__":
    sys.exit(main())
