"""Writing generated metadata without destroying other metadata that is there already."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clarity.utils.file_io import write_json
from recipes.cad_icassp_2024.data.errors import Problems, RecipeError
from recipes.cad_icassp_2024.data.metadata import read_metadata

logger = logging.getLogger(__name__)


def write_generated(path: Path, data: Mapping[str, Any], overwrite: bool) -> None:
    """Write generated metadata, entries by id, unless the file has them already.

    A file whose entries would change or go is replaced with ``overwrite`` only, else it is a
    `RecipeError`.
    """
    if not needs_writing(path, data, overwrite):
        logger.info("%s is there already, with the same content", path)
        return
    write_json(path, data)
    logger.info("Wrote %s: %d entries", path, len(data))


def needs_writing(path: Path, data: Mapping[str, Any], overwrite: bool) -> bool:
    """Tell whether `write_generated` would write; raises what it would raise."""
    if not path.exists():
        return True
    problems = Problems()
    present = read_metadata(path, "its key", problems)
    if present == data and not problems:
        return list(present) != list(data)
    new = object()
    kept = isinstance(present, dict) and all(
        data.get(key, new) == value for key, value in present.items()
    )
    if not overwrite and not kept:
        raise RecipeError(
            f"{path} is there already and differs from what would be generated now; move it "
            "away, or give overwrite=true to replace it"
        )
    return True
