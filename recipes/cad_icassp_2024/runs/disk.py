"""Disk space: what is needed and what is free, in units that fit."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from recipes.cad_icassp_2024.data.errors import RecipeError

log = logging.getLogger(__name__)


def require_space(folder: Path, n_bytes: int, what: str, remedy: str) -> None:
    """Log how much disk space is needed and how much is free.

    Parameters
    ----------
    folder : Path
        Where something is to be written; it need not be there yet.
    n_bytes : int
        How much it takes at most.
    what : str
        What it is.
    remedy : str
        What to do when there is not enough.

    Raises
    ------
    RecipeError
        When there is not enough.
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    text = (
        f"{what} will take up to {format_bytes(n_bytes)} in {folder}, {format_bytes(free)} are free"
    )
    if n_bytes > free:
        raise RecipeError(f"{text}: free some space, or {remedy}")
    log.info("%s", text)


def format_bytes(n_bytes: int) -> str:
    """Return a size in GB, MB or kB."""
    for unit, name in ((1e9, "GB"), (1e6, "MB")):
        if n_bytes >= unit:
            return f"{n_bytes / unit:.1f} {name}"
    return f"{n_bytes / 1e3:.1f} kB"
