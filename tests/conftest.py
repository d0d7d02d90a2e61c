"""Fixtures that every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data beside the checkout; tests that need it skip without it."""
    folder = ROOT.parent / "shared"
    if not (folder / "golden").is_dir():
        pytest.skip(f"no reference data at {folder}")
    return folder


@pytest.fixture(scope="session")
def golden(shared: Path) -> Path:
    """The peer's numbers."""
    return shared / "golden"


@pytest.fixture(scope="session")
def cadenza_mini(shared: Path) -> Path:
    """The real data set in miniature."""
    return shared / "data" / "cadenza_mini"
