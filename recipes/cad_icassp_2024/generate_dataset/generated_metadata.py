"""Writing generated metadata without destroying other metadata that is there already."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from clarity.utils.file_io import write_json
from recipes.cad_icassp_2024.data.errors import Problems, RecipeError
from recipes.cad_icassp_2024.data.metadata import read_metadata
from recipes.cad_icassp_2024.data.paths import find_on_disk

logger = logging.getLogger(__name__)


def write_generated(path: str, data: Mapping[str, Any], overwrite: bool) -> None:
    """Write entries by id, unless the file has them already; see `needs_writing`."""
    file = find_on_disk(path)
    if not needs_writing(path, data, overwrite):
        logger.info("%s is there already, with the same content", file)
        return
    write_json(file, data)
    logger.info("Wrote %s: %d entries", file, len(data))


def needs_writing(path: str, data: Mapping[str, Any], overwrite: bool) -> bool:
    """Tell whether a file lacks entries; RecipeError if its own would change or go."""
    file = find_on_disk(path)
    if not file.exists():
        return True
    problems = Problems()
    present = read_metadata(file, "", problems)
    if present == data and not problems:
        return list(present) != list(data)
    kept = isinstance(present, dict) and present.items() <= data.items()
    if not overwrite and not kept:
        raise RecipeError(
            f"{file} is there already and differs from what would be generated now; move it "
            "away, or give overwrite=true to replace it"
        )
    return True
