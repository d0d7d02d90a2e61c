"""Fixtures that every test may use, and a look at the checkout after all of them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.checkout import files_in, left_behind

# Beside other processes, torch's threads wait for one another most of the time.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parents[1]
_BEFORE = pytest.StashKey[set[Path]]()
_LEFT = pytest.StashKey[list[Path]]()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Note what is in the checkout; of several processes, the one that directs the others does."""
    if not hasattr(session.config, "workerinput"):
        session.config.stash[_BEFORE] = files_in(ROOT)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail when the tests have left something in the checkout."""
    if _BEFORE in session.config.stash:
        left = left_behind(session.config.stash[_BEFORE], files_in(ROOT))
        session.config.stash[_LEFT] = left
        if left and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Name what was left in the checkout."""
    for path in config.stash.get(_LEFT, []):
        terminalreporter.write_line(f"ERROR the tests left {path} in the checkout", red=True)


@pytest.fixture(scope="session")
def small() -> dict[str, Any]:
    """What references/make_small.py wrote: seeds and segmentation of the peer."""
    file = Path(__file__).parent / "references" / "small.json"
    return json.loads(file.read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data beside the checkout; tests that need it skip without it."""
    folder = ROOT.parent / "shared"
    if not (folder / "golden").is_dir():
        pytest.skip(
            "a real song with its listeners, and what brings up a SLURM, are not part of the "
            f"project: they are looked for in {folder}"
        )
    return folder


@pytest.fixture(scope="session")
def golden(shared: Path) -> Path:
    """The peer's numbers."""
    return shared / "golden"


@pytest.fixture(scope="session")
def cadenza_mini(shared: Path) -> Path:
    """The real data set in miniature."""
    return shared / "data" / "cadenza_mini"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A headless Chromium with a profile of its own."""
    selenium = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("chromium and chromedriver are not installed")
    options = selenium.ChromeOptions()
    options.binary_location = chromium
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    profile = tmp_path_factory.mktemp("profile")
    for argument in (
        *("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run"),
        *("disable-background-networking", "disable-component-update", "disable-sync"),
        f"user-data-dir={profile}",
    ):
        options.add_argument(f"--{argument}")
    window = selenium.Chrome(options, selenium.ChromeService(driver))
    yield window
    window.quit()
