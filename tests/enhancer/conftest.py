"""The peer's numbers for clarity.enhancer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def peer() -> dict[str, Any]:
    """What references/make_references.py wrote."""
    return json.loads((Path(__file__).parent / "references" / "references.json").read_text())
