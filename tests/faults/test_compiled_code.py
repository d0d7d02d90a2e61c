"""The first run on a machine compiles HAAQI's kernels, later ones read them from disk."""

from __future__ import annotations

import pytest

from tests.faults.conftest import Undisturbed

pytestmark = pytest.mark.slow


def test_scores_are_the_same_with_code_just_compiled_and_read_from_disk(
    snippets: Undisturbed, tmp_path
):
    runner = snippets.runner(tmp_path / "run")
    runner.environment["NUMBA_CACHE_DIR"] = str(tmp_path / "kernels")
    for exp in ("compiled", "read"):
        folder = tmp_path / exp
        folder.mkdir()
        (folder / "enhanced_signals").symlink_to(snippets.exp / "enhanced_signals")
        runner.run("evaluate", f"path.exp_folder={folder}", "evaluate.small_test=true")
    assert list((tmp_path / "kernels").rglob("*.nbc"))
    compiled = (tmp_path / "compiled" / "scores.csv").read_bytes()
    assert compiled == (tmp_path / "read" / "scores.csv").read_bytes()
