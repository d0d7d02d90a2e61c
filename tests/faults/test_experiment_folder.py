"""What an experiment folder withstands, without processes: quick."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import shutil
import time

import numpy as np
import pytest

from clarity.separation.base import VDBO, Mixture
from clarity.separation.cache import CachedSeparator
from clarity.utils.results_support import ResultsFile
from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.runs.disk import require_space
from recipes.cad_icassp_2024.runs.experiment import Batch, Experiment
from recipes.cad_icassp_2024.runs.job import _LogFile


@pytest.fixture
def experiment(tmp_path) -> Experiment:
    return Experiment(tmp_path)


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOTSUP])
def test_a_file_system_without_locks_gives_a_warning(experiment, monkeypatch, caplog, code):
    def flock(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", flock)
    with experiment.locked("enhance", Batch(0, 2)):
        experiment.check_or_record_settings("enhance", {"a": 1}, overwrite=False, stale=[])
    assert experiment.record("enhance") == {"a": 1}
    assert "has no locks" in caplog.text
    assert "no two processes do the same work" in caplog.text


def test_other_failures_of_a_lock_are_not_passed_over(experiment, monkeypatch):
    def flock(*_: object) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(OSError, match="broken"), experiment.locked("enhance", Batch()):
        pass


@pytest.mark.parametrize(
    ("held", "wanted", "message"),
    [
        (Batch(), Batch(), "on the same batch"),
        (Batch(2, 4), Batch(2, 4), "on the same batch"),
        (Batch(2, 4), Batch(), "on batch 2 of 4"),
        (Batch(), Batch(0, 2), "on all batches"),
        (Batch(1, 3), Batch(1, 2), "on batch 1 of 3"),
        (Batch(2, 4), Batch(1, 4), None),
    ],
)
def test_batches_that_overlap_exclude_each_other(experiment, held, wanted, message):
    with experiment.locked("enhance", held):
        with experiment.locked("evaluate", wanted):  # another step is no matter
            pass
        if message is None:
            with experiment.locked("enhance", wanted):
                pass
        else:
            with (
                pytest.raises(RecipeError, match=message) as caught,
                experiment.locked("enhance", wanted),
            ):
                pass
            assert f"process {os.getpid()} on " in str(caught.value)
    with experiment.locked("enhance", wanted):
        pass


def test_results_of_unknown_settings_are_not_taken_for_ones_own(experiment):
    signal = experiment.signals / "scene_1_L1_remix.flac"
    signal.parent.mkdir()
    signal.touch()
    with pytest.raises(RecipeError, match="nothing says which settings it was made with") as caught:
        experiment.check_or_record_settings("enhance", {"a": 1}, overwrite=False, stale=[signal])
    assert str(signal) in str(caught.value)
    assert signal.exists()
    assert experiment.record("enhance") is None
    experiment.check_or_record_settings("enhance", {"a": 1}, overwrite=True, stale=[signal])
    assert not signal.exists()
    assert experiment.record("enhance") == {"a": 1}


def test_leftovers_of_all_kinds_are_removed(experiment, caplog):
    leftovers = [
        experiment.folder / ".failed_1-2.csv.4711.tmp.csv",
        experiment.folder / "settings" / ".enhance.json.4711.tmp.json",
    ]
    kept = experiment.folder / ".failed_2-2.csv.4712.tmp.csv"  # of another batch, perhaps alive
    for path in [*leftovers, kept]:
        path.parent.mkdir(exist_ok=True)
        path.write_text("half")
    with experiment.locked("enhance", Batch(0, 2)):
        experiment.check_or_record_settings("enhance", {"a": 1}, overwrite=False, stale=[])
    for path in leftovers:
        assert not path.exists()
        assert f"removed {path}, left half-written" in caplog.text
    assert kept.exists()


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [(12_300, "12.3 kB"), (7_000_000, "7.0 MB"), (25_400_000_000, "25.4 GB")],
)
def test_space_is_compared_and_told_in_units_that_fit(tmp_path, monkeypatch, caplog, n_bytes, text):
    free = shutil.disk_usage(tmp_path)._replace(free=n_bytes)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    caplog.set_level(logging.INFO)
    require_space(tmp_path, n_bytes, "this", "do that")
    assert f"this will take up to {text} in {tmp_path}, {text} are free" in caplog.text
    with pytest.raises(RecipeError, match=f"{text} are free: free some space, or do that"):
        require_space(tmp_path, n_bytes + 1, "this", "do that")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")  # noqa: PTH110
def test_a_log_on_a_full_disk_says_nothing_of_itself(capfd):
    handler = _LogFile("/dev/full", delay=True)
    for n in range(3):
        handler.handle(logging.makeLogRecord({"msg": f"line {n}", "levelno": logging.INFO}))
    handler.close()
    assert capfd.readouterr() == ("", "")


def test_a_log_in_a_folder_that_cannot_be_written_says_nothing_of_itself(tmp_path, capfd):
    handler = _LogFile(tmp_path / "no" / "such" / "folder.log", delay=True)
    handler.handle(logging.makeLogRecord({"msg": "line", "levelno": logging.INFO}))
    handler.close()
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")  # noqa: PTH110
def test_a_row_that_does_not_fit_names_the_file(tmp_path):
    path = tmp_path / "scores.csv"
    results = ResultsFile(path, ["a"])
    path.unlink()
    path.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as caught:
        results.add_result({"a": 1})
    assert caught.value.filename == str(path)


class Halves:
    """A separator that gives every stem a quarter."""

    sources = VDBO

    def separate(self, mixture):
        return {name: np.float32(0.25 * mixture.signal) for name in VDBO}


def test_the_stem_cache_clears_up_behind_dead_processes_only(tmp_path):
    separator = CachedSeparator(Halves(), tmp_path / "cache", "key")
    mixture = Mixture(np.random.default_rng(0).standard_normal((900, 2)), 44100)
    whole = separator.separate(mixture)
    (entry,) = (tmp_path / "cache").iterdir()
    entry.rename(tmp_path / "away")
    dead, alive = (entry.with_name(f".{entry.name}.{pid}.tmp") for pid in (4711, 4712))
    for folder in (dead, alive):
        shutil.copytree(tmp_path / "away", folder)
    long_ago = time.time() - 7200
    os.utime(dead, (long_ago, long_ago))
    again = separator.separate(mixture)
    assert {path.name for path in (tmp_path / "cache").iterdir()} == {entry.name, alive.name}
    assert all((again[name] == whole[name]).all() for name in VDBO)
