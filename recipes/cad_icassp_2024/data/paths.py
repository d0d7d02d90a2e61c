"""Where the data set is, however the names on disk are spelt."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from recipes.cad_icassp_2024.data.errors import RecipeError

OTHER_NAMES = {
    "head_positions.json": "head_loudspeaker_positions.json",
    "head_loudspeaker_positions.json": "head_positions.json",
}
"""The challenge's documents give this file two names."""


def existing_root(root: str | Path) -> Path:
    """Return the folder of the data set, ``~`` expanded; RecipeError when it is none."""
    folder = Path(root).expanduser()
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise RecipeError(
            f"path.root={root} {what} (looked for {folder.absolute()}); "
            "give the folder that holds audio/ and metadata/"
        )
    return folder


@dataclass(frozen=True)
class DataPaths:
    """Where the parts of a split are; the attributes are the keys of ``path`` in the config."""

    root: Path
    split: str
    metadata_dir: Path
    music_dir: Path
    gains_file: Path
    head_positions_file: Path
    listeners_file: Path
    music_file: Path
    scenes_file: Path
    scene_listeners_file: Path

    @classmethod
    def from_config(cls, config: Any) -> DataPaths:
        """Take the paths from ``cfg.path`` or the like, spelt as they are on disk."""
        root = existing_root(config.root)
        disk = CaseInsensitivePaths()
        names = {item.name for item in fields(cls)} - {"root", "split"}
        found = {name: disk.find(Path(getattr(config, name)).expanduser()) for name in names}
        return cls(root=root, split=str(config.split), **found)


def find_on_disk(path: str | Path) -> Path:
    """Find a single file, ``~`` expanded, by `CaseInsensitivePaths.find`."""
    return CaseInsensitivePaths().find(Path(path).expanduser())


class CaseInsensitivePaths:
    """Finds files whose names on disk differ from the expected ones in case only.

    The challenge's documents spell ``Train/.../Bass.wav`` as well as ``train/.../bass.wav``.
    Folders are listed once, and only where the expected name is not there; so make a new object
    when files may have appeared.
    """

    def __init__(self) -> None:
        self._listings: dict[Path, dict[str, str]] = {}

    def find(self, path: Path) -> Path:
        """Return a path as it is spelt on disk, or as it is when there is no such thing."""
        if path.exists() or path.parent == path:
            return path
        parent = self.find(path.parent)
        spellings = self._spellings(parent)
        for name in (path.name, OTHER_NAMES.get(path.name, path.name)):
            if fold(name) in spellings:
                return parent / spellings[fold(name)]
        return path

    def _spellings(self, folder: Path) -> dict[str, str]:
        """Names in a folder by how they `fold`; of several the first in order."""
        if folder not in self._listings:
            names = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
            self._listings[folder] = {fold(name): name for name in reversed(names)}
        return self._listings[folder]


def fold(name: str) -> str:
    """Spell a name without regard to case and to how accents are composed (as macOS does)."""
    return unicodedata.normalize("NFC", name).casefold()
