"""Fetch the challenge's data: ``cadenza-download --root FOLDER core validation``.

The packages of the Zenodo record are fetched by name, checked against the record's own checksums
and unpacked over one folder, which is then ``path.root``. A download that was cut off goes on where
it stopped; a package that is unpacked is not fetched again.
"""

from __future__ import annotations

if __name__ == "__main__":
    from clarity.utils.stopping import end_at_once_when_stopped

    end_at_once_when_stopped()

import argparse
import importlib.util
import logging
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clarity.utils.file_io import write_json
from clarity.utils.stopping import exit_code, raised_when_stopped
from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.generate_dataset.fetching import fetch, get_json, part_of
from recipes.cad_icassp_2024.generate_dataset.unpacking import unpack
from recipes.cad_icassp_2024.runs import locks
from recipes.cad_icassp_2024.runs.disk import format_bytes, require_space

log = logging.getLogger(__name__)

RECORD_URL = "https://zenodo.org/api/records/13285307"
DOWNLOADS = "downloads"
"""Folder in the data set's for archives on their way, and for notes of what has been unpacked."""

UNPACKED_TO_PACKED = 1.6
"""The training set takes 22 GB unpacked and 14.8 GB packed; other music may compress better."""


@dataclass(frozen=True)
class Package:
    """A file of the record; its name is short, such as ``core`` or ``validation``."""

    name: str
    file: str
    n_bytes: int
    checksum: str
    url: str

    @classmethod
    def from_entry(cls, entry: dict[str, Any]) -> Package:
        """Take a file's entry in a record of Zenodo's API."""
        file = str(entry["key"])
        if Path(file).name != file:
            raise ValueError(f"file name {file!r}")
        short = re.fullmatch(r"cad_icassp_2024_(\w+)\.v[\d.]+\.(?:tgz|tar\.gz)", file)
        name, url = short[1] if short else file, str(entry["links"]["self"])
        return cls(name, file, int(entry["size"]), str(entry["checksum"]), url)

    def archive(self, root: Path) -> Path:
        """Return where the archive is while it is needed."""
        return root / DOWNLOADS / self.file

    def note(self, root: Path) -> Path:
        """Return the file that says that this package has been unpacked."""
        return root / DOWNLOADS / f"{self.file}.json"

    def is_unpacked(self, root: Path) -> bool:
        """Tell whether this version of the package has been unpacked."""
        note = self.note(root)
        return note.is_file() and self.checksum in note.read_text(encoding="utf-8")


def read_record(url: str) -> list[Package]:
    """Return the packages of a record in Zenodo's API, sorted; RecipeError when it is none."""
    record = get_json(url)
    try:
        packages = [Package.from_entry(entry) for entry in record["files"]]
    except (KeyError, TypeError, ValueError) as error:
        raise RecipeError(
            f"{url} answered, but not with a record of Zenodo ({error!r}); fetch the files by hand "
            "and unpack them over one folder"
        ) from error
    return sorted(packages, key=lambda package: package.name)


def download(root: Path, names: Sequence[str], record_url: str = RECORD_URL) -> None:
    """Fetch, check and unpack packages below ``path.root``; what is there is left alone.

    Raises `RecipeError` when a name is not in the record, the disk is too small, the network fails
    again and again, a checksum is wrong, or an archive is not to be unpacked.
    """
    record = {package.name: package for package in read_record(record_url)}
    unknown = [name for name in names if name not in record]
    if unknown:
        raise RecipeError(
            f"no package {', '.join(unknown)} in the record: choose from {', '.join(record)}"
        )
    todo = []
    for package in (record[name] for name in dict.fromkeys(names)):
        if package.is_unpacked(root):
            log.info("%s is in %s already", package.name, root)
        else:
            todo.append(package)
    if not todo:
        return
    _require_space(root, todo)
    try:
        with locks.hold(root / DOWNLOADS / "download.lock"):
            for package in todo:
                _fetch_and_unpack(package, root)
    except locks.HeldError as other:
        raise RecipeError(
            f"{other} is fetching data into {root}: wait until it has finished"
        ) from None


def _require_space(root: Path, todo: Sequence[Package]) -> None:
    """Compare what packages will take with what is free."""
    n_bytes = UNPACKED_TO_PACKED * sum(package.n_bytes for package in todo)
    n_bytes += max(package.n_bytes for package in todo)  # an archive goes once it is unpacked
    there = [path for p in todo for path in (p.archive(root), part_of(p.archive(root)))]
    n_bytes -= sum(path.stat().st_size for path in there if path.exists())
    what = f"unpacking {', '.join(package.name for package in todo)}"
    require_space(root, max(0, round(n_bytes)), what, "choose another --root")


def _fetch_and_unpack(package: Package, root: Path) -> None:
    """Put a package into the data set's folder, with a note that it is there."""
    archive = package.archive(root)
    fetch(package.url, archive, package.n_bytes, package.checksum)
    unpack(archive, root)
    write_json(package.note(root), {"checksum": package.checksum})
    archive.unlink()
    log.info("%s is in %s", package.name, root)


def _listing(packages: Sequence[Package]) -> str:
    """One line for each package: name, size, file."""
    width = max((len(package.name) for package in packages), default=0)
    rows = (f"{p.name:<{width}}  {format_bytes(p.n_bytes):>9}  {p.file}" for p in packages)
    return "\n".join(rows)


def main(arguments: Sequence[str] | None = None, record_url: str = RECORD_URL) -> None:
    """Run from the command line: with these arguments, or those of the process."""
    parser = argparse.ArgumentParser(
        prog="cadenza-download",
        description="Fetch packages of the challenge's data from Zenodo and unpack them.",
    )
    parser.add_argument("packages", nargs="*", help="such as: core validation")
    parser.add_argument("--root", type=Path, help="the data set's folder, as in path.root")
    parser.add_argument("--list", action="store_true", help="show names and sizes, fetch nothing")
    options = parser.parse_args(arguments)
    if not options.list and (options.root is None or not options.packages):
        parser.error("give --root FOLDER and the names of packages, or --list")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        with raised_when_stopped():
            if importlib.util.find_spec("pooch") is None:
                raise RecipeError(
                    "downloading needs a package that is not installed: "
                    "pip install 'cadenza-icassp-2024[download]'"
                )
            if options.list:
                sys.stdout.write(_listing(read_record(record_url)) + "\n")
            else:
                download(options.root.expanduser(), options.packages, record_url)
    except RecipeError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        where = error.filename or options.root
        sys.exit(f"error: {where}: {error.strerror}; choose another --root, or put this right")
    except KeyboardInterrupt as stopped:
        sys.stderr.write("\nStopped. The same command goes on from here.\n")
        sys.exit(exit_code(stopped))


if __name__ == "__main__":
    main()
