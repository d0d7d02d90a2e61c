"""What a run of the tests leaves in the checkout: nothing but caches."""

from __future__ import annotations

import os
from pathlib import Path

# Caches, the environment, and sources that somebody may be writing meanwhile.
_CACHES = {"__pycache__", ".git", ".venv", ".pytest_cache", ".mypy_cache", ".ruff_cache"}
_SOURCES = {".py", ".md", ".toml"}


def files_in(root: Path) -> set[Path]:
    """Return the files and folders below a folder, but for caches and sources."""
    found = set()
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in _CACHES]
        found |= {Path(folder, name) for name in folders}
        found |= {Path(folder, name) for name in files if Path(name).suffix not in _SOURCES}
    return {path.relative_to(root) for path in found}


def left_behind(before: set[Path], after: set[Path]) -> list[Path]:
    """Return what is new or gone."""
    return sorted(before ^ after)
