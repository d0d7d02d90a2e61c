"""Full and read-only disks: one clear message, nothing half-written, and the same end later."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.generate_dataset.download import download
from tests.faults.conftest import SmallDisk, Undisturbed
from tests.faults.running import (
    Runner,
    has_one_message,
    n_scores,
    n_signals,
    signals,
    temporary_files,
    wait_until,
)
from tests.faults.test_kills import copy_signals
from tests.recipes.generate_dataset.record_server import make_archive, serving
from tests.recipes.tiny_dataset import make_tiny_dataset

pytestmark = pytest.mark.slow


def refused(runner: Runner, script: str, *arguments: str) -> str:
    """Run a script that cannot go on, and return what it says."""
    output = runner.run(script, *arguments, code=1)
    assert has_one_message(output), output
    return output


def test_a_disk_too_small_for_the_signals_is_refused_beforehand(
    songs: Undisturbed, small_disk: SmallDisk, tmp_path
):
    runner = songs.runner(tmp_path / "run")
    exp = small_disk.folder / "exp"
    # A separator that cannot be made: the disk comes first, models are loaded after that.
    gone = "separator.module._target_=no.such.Model"
    output = refused(runner, "enhance", f"path.exp_folder={exp}", gone)
    assert "enhancing 48 pairs will take up to 25.4 MB" in output
    assert "are free: free some space, or choose another path.exp_folder" in output
    assert not (exp / "enhanced_signals").exists()
    small_disk.remount("size=64m")
    runner.run("enhance", f"path.exp_folder={exp}")
    assert signals(exp) == signals(songs.exp)


def test_a_disk_that_fills_up_stops_enhancement(
    songs: Undisturbed, small_disk: SmallDisk, tmp_path
):
    small_disk.remount("size=64m")
    runner = songs.runner(tmp_path / "run")
    exp = small_disk.folder / "exp"
    whole = signals(songs.exp)
    with runner.start("enhance", f"path.exp_folder={exp}") as running:
        assert wait_until(lambda: n_signals(exp) >= 2, running)
        small_disk.fill()
        running.wait(120)
    assert running.returncode == 1
    output = runner.output()
    assert has_one_message(output), output
    assert "the disk is full: free some space" in output
    assert "enhanced_signals/scene_" in output[output.index("ERROR") :]
    assert not temporary_files(exp)
    assert 2 <= n_signals(exp) < 48
    assert all(whole[name] == content for name, content in signals(exp).items())

    assert "free some space" in refused(runner, "enhance", f"path.exp_folder={exp}")
    small_disk.remount("size=128m")
    runner.run("enhance", f"path.exp_folder={exp}")
    assert signals(exp) == whole
    assert not temporary_files(exp)


def test_a_disk_too_small_for_the_scores_is_refused_beforehand(
    snippets: Undisturbed, small_disk: SmallDisk, tmp_path
):
    small_disk.remount("size=16m")
    runner = snippets.runner(tmp_path / "run")
    exp = small_disk.folder / "exp"
    copy_signals(snippets.exp, exp)
    small_disk.fill(leave_bytes=4 * 4096)
    output = refused(runner, "evaluate", f"path.exp_folder={exp}")
    assert "the scores of 48 pairs will take up to 49.2 kB" in output
    assert not (exp / "scores.csv").exists()
    small_disk.filler.unlink()
    runner.run("evaluate", f"path.exp_folder={exp}")
    assert (exp / "scores.csv").read_bytes() == (snippets.exp / "scores.csv").read_bytes()


def test_a_disk_that_fills_up_stops_evaluation(
    snippets: Undisturbed, small_disk: SmallDisk, tmp_path
):
    small_disk.remount("size=16m")
    runner = snippets.runner(tmp_path / "run")
    exp = small_disk.folder / "exp"
    copy_signals(snippets.exp, exp)
    whole = (snippets.exp / "scores.csv").read_bytes()
    with runner.start("evaluate", f"path.exp_folder={exp}") as running:
        assert wait_until(lambda: n_scores(exp) >= 2, running)
        small_disk.fill()  # the block that the first rows lie in still takes some
        running.wait(240)
    assert running.returncode == 1
    output = runner.output()
    assert has_one_message(output), output
    files = r"(scores|scores_details)\.csv|records/(made|contents)-\w+\.jsonl"  # whichever is next
    assert re.search(rf"({files}): the disk is full: free some space", output), output
    assert not temporary_files(exp)
    scores = (exp / "scores.csv").read_bytes()
    assert 2 <= n_scores(exp) < 48
    assert whole.startswith(scores)
    assert scores.endswith(b"\n")
    small_disk.filler.unlink()
    runner.run("evaluate", f"path.exp_folder={exp}")
    assert (exp / "scores.csv").read_bytes() == whole


@pytest.fixture(scope="module")
def music(plugin: Path, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """A data set whose music at the microphones was generated with nothing to disturb it."""
    folder = tmp_path_factory.mktemp("music")
    data = make_tiny_dataset(folder / "data", seconds=20.0, at_mic=False)
    (data.metadata / "at_mic_music.train.json").unlink()
    runner = Runner(data.root, plugin, folder / "run")
    runner.run("generate_at_mic_musdb18", f"path.output_music_dir={folder / 'exp'}")
    (data.metadata / "at_mic_music.train.json").rename(folder / "at_mic_music.json")
    return Undisturbed(data, folder / "exp", plugin)


def wavs(folder: Path) -> dict[str, bytes]:
    """The at-mic music."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*.wav")
        if not path.name.startswith(".")
    }


def test_a_disk_too_small_for_the_music_is_refused_beforehand(
    music: Undisturbed, small_disk: SmallDisk, tmp_path
):
    runner = music.runner(tmp_path / "run")
    output = refused(
        runner, "generate_at_mic_musdb18", f"path.output_music_dir={small_disk.folder / 'out'}"
    )
    assert "70.6 MB" in output
    assert "1.0 MB are free" in output
    assert not wavs(small_disk.folder)
    assert not (music.data.metadata / "at_mic_music.train.json").exists()


def test_a_disk_that_fills_up_stops_generation(music: Undisturbed, small_disk: SmallDisk, tmp_path):
    script = "generate_at_mic_musdb18"
    small_disk.remount("size=100m")
    runner = music.runner(tmp_path / "run")
    out = small_disk.folder / "out"
    listing = tmp_path / "at_mic_music.json"
    arguments = (f"path.output_music_dir={out}", f"path.output_music_file={listing}")
    whole = wavs(music.exp)
    with runner.start(script, *arguments) as running:
        assert wait_until(lambda: out.exists() and len(wavs(out)) >= 2, running)
        small_disk.fill()
        running.wait(120)
    assert running.returncode == 1
    output = runner.output()
    assert has_one_message(output), output
    assert "the disk is full: free some space" in output
    assert not temporary_files(out)
    assert 2 <= len(wavs(out)) < len(whole)
    assert all(whole[name] == content for name, content in wavs(out).items())
    assert not listing.exists()
    small_disk.filler.unlink()
    runner.run(script, *arguments)
    assert wavs(out) == whole
    assert listing.read_bytes() == (music.exp.parent / "at_mic_music.json").read_bytes()


@pytest.mark.parametrize("script", ["enhance", "evaluate"])
def test_a_read_only_folder_is_a_message(
    snippets: Undisturbed, small_disk: SmallDisk, script, tmp_path
):
    small_disk.remount("size=64m")
    runner = snippets.runner(tmp_path / "run")
    exp = small_disk.folder / "exp"
    # Without and with a run's folders in it; nothing is evaluated without.
    for prepared in (False, True) if script == "enhance" else (True,):
        if prepared:
            shutil.copytree(snippets.exp, exp)
            gone = next((exp / "enhanced_signals").iterdir()) if script == "enhance" else None
            (gone or exp / "scores.csv").unlink()
        small_disk.remount("ro")
        output = refused(runner, script, f"path.exp_folder={exp}")
        assert "is on a read-only disk: choose another one" in output
        assert f"cannot go on with {exp}" in output
        small_disk.remount("rw")
    runner.run(script, f"path.exp_folder={exp}")
    assert signals(exp) == signals(snippets.exp)
    assert (exp / "scores.csv").read_bytes() == (snippets.exp / "scores.csv").read_bytes()


def test_a_read_only_folder_for_the_music_is_a_message(
    music: Undisturbed, small_disk: SmallDisk, tmp_path
):
    small_disk.remount("size=100m")
    small_disk.remount("ro")
    runner = music.runner(tmp_path / "run")
    out = small_disk.folder / "out"
    output = refused(runner, "generate_at_mic_musdb18", f"path.output_music_dir={out}")
    assert "is on a read-only disk: choose another one" in output
    assert not (music.data.metadata / "at_mic_music.train.json").exists()


def test_a_file_in_the_place_of_the_folder_is_a_message(snippets: Undisturbed, tmp_path):
    runner = snippets.runner(tmp_path / "run")
    (tmp_path / "exp").write_text("something else")
    for folder in (tmp_path / "exp", tmp_path / "exp" / "deeper"):
        assert "no such folder" in refused(runner, "evaluate", f"path.exp_folder={folder}")
        output = refused(runner, "enhance", f"path.exp_folder={folder}")
        assert f"{tmp_path / 'exp'}: a file is in the place of a folder: move it away" in output
    assert (tmp_path / "exp").read_text() == "something else"


def test_a_download_says_so_and_goes_on_when_there_is_space(small_disk: SmallDisk, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    song = np.random.RandomState(1).bytes(150_000)
    name = "cad_icassp_2024_core.v1.1.tgz"
    root = small_disk.folder / "data"
    with serving({name: make_archive({"audio/a.wav": song, "audio/b.wav": song[::-1]})}) as server:
        server.before_file = lambda: small_disk.fill(leave_bytes=100_000)
        with pytest.raises(RecipeError, match=r"No space left on device; then give"):
            download(root, ["core"], server.url)
        small_disk.filler.unlink()
        server.before_file = lambda: small_disk.fill(leave_bytes=400_000)
        with pytest.raises(RecipeError, match=r"cannot unpack .*No space left on device"):
            download(root, ["core"], server.url)
        assert [start > 0 for _, start in server.asked] == [False, True]
        small_disk.filler.unlink()
        download(root, ["core"], server.url)
        assert len(server.asked) == 2
    audio = root / "audio"
    assert {path.name: path.read_bytes() for path in audio.iterdir()} == {
        "a.wav": song,
        "b.wav": song[::-1],
    }
