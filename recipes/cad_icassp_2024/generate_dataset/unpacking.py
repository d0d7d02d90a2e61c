"""Unpacking an archive over a folder that may hold some of it, and over nothing else."""

from __future__ import annotations

import logging
import shutil
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, Final, cast

from tqdm import tqdm

from clarity.utils.atomic_files import atomic_path
from recipes.cad_icassp_2024.data.errors import RecipeError

log = logging.getLogger(__name__)

TOP_FOLDERS: Final = ("audio", "metadata")
"""What is above these in an archive is its author's own folder and is left out."""


def unpack(archive: Path, root: Path) -> None:
    """Unpack the files of a tar archive below a folder; files that are there are left alone.

    Raises `RecipeError` when the archive is damaged, would write outside the folder or holds links,
    or the disk is full.
    """
    n_kept = 0
    title = f"unpacking {archive.name}"
    try:
        size = archive.stat().st_size
        with (
            tqdm.wrapattr(archive.open("rb"), "read", size, desc=title, disable=None) as stream,
            tarfile.open(fileobj=cast(IO[bytes], stream), mode="r|*") as tar,
        ):
            for member in tar:
                target = root / _place(member, archive)
                content = tar.extractfile(member)
                if content is not None:
                    n_kept += not _write(content, member.size, target)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise RecipeError(
            f"{archive} is damaged ({error}): remove it and give the same command again"
        ) from error
    except OSError as error:
        raise RecipeError(
            f"cannot unpack {archive} into {root}: {error.strerror or error}; then give the same "
            "command again"
        ) from error
    if n_kept:
        log.info("%d files of %s were there already and are left alone", n_kept, archive.name)


def _place(member: tarfile.TarInfo, archive: Path) -> Path:
    """Return where a member goes, relative to the data set's folder."""
    path = PurePosixPath(member.name)
    fault = None
    if path.is_absolute() or ".." in path.parts or "\\" in member.name:
        fault = "outside the data set's folder"
    elif not (member.isfile() or member.isdir()):
        fault = "neither a file nor a folder"
    if fault:
        raise RecipeError(
            f"{archive} holds {member.name!r}, which is {fault}: it is not unpacked any further"
        )
    tops = [path.parts.index(name) for name in TOP_FOLDERS if name in path.parts]
    return Path(*path.parts[min(tops, default=0) :])


def _write(content: IO[bytes], n_bytes: int, target: Path) -> bool:
    """Write a file that is not there yet; False when it is."""
    if target.exists():
        if target.stat().st_size != n_bytes:
            log.warning("%s is not as in the record; remove it to get that one", target)
        return False
    with atomic_path(target) as temporary, temporary.open("wb") as file:
        shutil.copyfileobj(content, file, 1 << 20)
    return True
