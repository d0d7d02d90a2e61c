"""The look at the checkout after all tests."""

from __future__ import annotations

from pathlib import Path

from tests.checkout import files_in, left_behind


def test_what_is_new_or_gone_is_named_and_caches_are_not(tmp_path):
    (tmp_path / "exp").mkdir()
    (tmp_path / "exp" / "of_the_user.csv").touch()
    (tmp_path / "config.yaml").touch()
    before = files_in(tmp_path)
    assert left_behind(before, files_in(tmp_path)) == []
    for name in ("a.flac", "new/settings/enhance.json", "__pycache__/a.pyc", "written_now.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "config.yaml").unlink()
    names = ["a.flac", "config.yaml", "new", "new/settings", "new/settings/enhance.json"]
    assert left_behind(before, files_in(tmp_path)) == [Path(name) for name in names]
