"""Every number is of what is on the disk now: changed inputs, replaced signals, damaged files."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from clarity.evaluator import haaqi
from clarity.evaluator.haaqi import HaaqiResult
from recipes.cad_icassp_2024.baseline import evaluate
from recipes.cad_icassp_2024.baseline.enhance import enhance
from recipes.cad_icassp_2024.baseline.evaluate import run_calculate_aq
from recipes.cad_icassp_2024.baseline.merge_batches_results import merge_batches
from recipes.cad_icassp_2024.baseline.report import report
from recipes.cad_icassp_2024.data import content
from recipes.cad_icassp_2024.data.dataset import Dataset
from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.data.paths import DataPaths
from recipes.cad_icassp_2024.data.scenes import Pair
from recipes.cad_icassp_2024.reporting.results import load_results
from recipes.cad_icassp_2024.runs.config import OnError
from recipes.cad_icassp_2024.runs.failures import Failures
from recipes.cad_icassp_2024.runs.job import job
from recipes.cad_icassp_2024.runs.records import Records
from tests.recipes.baseline.helpers import make_config
from tests.recipes.tiny_dataset import read, write

# Separators whose weights no state dict shows.
OWN_MODULES = """
import sys

import numpy as np
import torch


class Hidden:
    sources = ("vocals", "drums", "bass", "other")

    def __init__(self, checkpoint=None, fault=None):
        self._weights = np.loadtxt(checkpoint)
        self._fault = fault

    def separate(self, mixture):
        stems = dict(zip(self.sources, self._weights[:, None, None] * mixture.signal))
        if self._fault == "few":
            del stems["bass"]
        elif self._fault == "quits":
            sys.exit(0)
        elif self._fault == "infinite":
            stems["bass"][7] = np.inf
        elif self._fault is not None:
            bass = stems["bass"]
            changed = {"mono": bass[:, 0], "short": bass[1:], "transposed": bass.T}
            stems["bass"] = changed[self._fault]
        return stems


class Nameless(Hidden):
    def fingerprint(self):
        return None


class Peeks:
    sources = Hidden.sources

    def separate(self, mixture):
        if not mixture.stem_files:
            raise ValueError("no true stems")
        return {name: mixture.signal / 4 for name in self.sources}


class Private(torch.nn.Module):
    def __init__(self, factor):
        super().__init__()
        self._factor = factor

    def forward(self, mixture):
        return self._factor * mixture[:, None].repeat(1, 4, 1, 1)
"""


@pytest.fixture(autouse=True)
def _likeness_instead_of_haaqi(monkeypatch):
    """A score that depends on both signals, in no time."""

    def likeness(reference, _, processed, *__, **___):
        n = min(len(reference), len(processed))
        return HaaqiResult(np.corrcoef(reference[:n], processed[:n])[0, 1], *range(6))

    monkeypatch.setattr(haaqi, "evaluate_haaqi", likeness)


@pytest.fixture
def own_modules(plugin):
    (plugin / "outside_hidden.py").write_text(OWN_MODULES)


@pytest.fixture
def run(plugin, own_tiny, tmp_path):
    """Give a function that runs a step in a folder."""

    def step(function, name, *overrides):
        function(
            make_config(plugin, own_tiny.root, f"path.exp_folder={tmp_path / name}", *overrides)
        )
        return tmp_path / name

    return step


@pytest.fixture
def exp(run) -> Path:
    run(enhance, "exp")
    return run(run_calculate_aq, "exp")


def signals(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted((folder / "enhanced_signals").glob("*.flac"))}


def replace_signals(exp: Path, seed: int) -> None:
    """Put other signals there; WAV, so that all have one size."""
    rng = np.random.default_rng(seed)
    for path in (exp / "enhanced_signals").iterdir():
        n_samples = soundfile.info(path).frames
        values = 0.1 * rng.standard_normal((n_samples, 2))
        soundfile.write(path, values, 32000, subtype="PCM_16", format="WAV")


def scores_from_scratch(run, exp: Path) -> bytes:
    """What the signals in a folder score when nobody has scored them before."""
    shutil.rmtree(exp.parent / "fresh", ignore_errors=True)
    shutil.copytree(exp / "enhanced_signals", exp.parent / "fresh" / "enhanced_signals")
    return (run(run_calculate_aq, "fresh") / "scores.csv").read_bytes()


def change_music(data, mixture: str) -> None:
    """Scale a song's drums, as long as before."""
    folder = data.at_mic_folder(mixture)
    for name in ("drums", "mixture"):
        signal, rate = soundfile.read(folder / f"{name}.wav")
        soundfile.write(folder / f"{name}.wav", 0.7 * signal[::-1], rate, subtype="PCM_16")


def test_scores_follow_signals_that_were_replaced(exp, run, caplog):
    before = (exp / "scores.csv").read_bytes()
    replace_signals(exp, 1)
    run(run_calculate_aq, "exp", "evaluate.small_test=true")
    assert "7 of 8 scores were made from signals that have since changed: evaluate.py without" in (
        caplog.text
    )
    run(run_calculate_aq, "exp")
    assert "8 of 8 signals are others than enhance.py has made; they are scored as" in caplog.text
    assert "7 of 8 scores were made from signals that have since changed: scored" in caplog.text
    assert (exp / "scores.csv").read_bytes() == scores_from_scratch(run, exp) != before


def test_scores_follow_a_signal_that_is_replaced_while_it_is_scored(exp, run, monkeypatch):
    replace_signals(exp, 1)
    plain, lock, replaced = haaqi.evaluate_haaqi, threading.Lock(), []

    def replacing(*values, **named):
        with lock:  # several pairs are scored at a time
            if not replaced:
                replace_signals(exp, 2)
                replaced.append(True)
        return plain(*values, **named)

    monkeypatch.setattr(haaqi, "evaluate_haaqi", replacing)
    with pytest.raises(RecipeError):  # the next pairs' signals have changed since they were met
        run(run_calculate_aq, "exp")
    run(run_calculate_aq, "exp")
    assert (exp / "scores.csv").read_bytes() == scores_from_scratch(run, exp)


def test_a_signal_with_the_time_of_the_old_one_is_found_by_verify(exp, run):
    replace_signals(exp, 1)
    long_ago = time.time_ns() - 10**12
    for path in (exp / "enhanced_signals").iterdir():
        os.utime(path, ns=(long_ago, long_ago))
    run(run_calculate_aq, "exp")
    before = (exp / "scores.csv").read_bytes()
    replace_signals(exp, 2)
    for path in (exp / "enhanced_signals").iterdir():
        os.utime(path, ns=(long_ago, long_ago))
    run(run_calculate_aq, "exp")
    assert (exp / "scores.csv").read_bytes() == before  # as git's index would have it
    run(run_calculate_aq, "exp", "verify=true")
    assert (exp / "scores.csv").read_bytes() == scores_from_scratch(run, exp) != before


def test_signals_follow_music_that_changes_between_two_halves(run, own_tiny, tmp_path, caplog):
    halves = ("evaluate.batch_size=2", "evaluate.batch=0"), ("evaluate.batch_size=2",)
    run(enhance, "exp", *halves[1], "evaluate.batch=1")
    for mixture in own_tiny.mixtures:
        change_music(own_tiny, mixture)
    run(enhance, "exp", *halves[0])
    run(enhance, "exp")
    assert "4 of 8 signals were made from music that has since changed: made again" in caplog.text
    assert signals(tmp_path / "exp") == signals(run(enhance, "fresh"))


def test_scores_follow_music_that_changes_after_all_is_done(exp, run, own_tiny, caplog):
    before = (exp / "scores.csv").read_bytes()
    change_music(own_tiny, own_tiny.mixtures[0])
    run(run_calculate_aq, "exp")
    assert "2 of 8 scores were made from music that has since changed: scored again" in caplog.text
    stale = "2 of 8 signals were made from music that has since changed; their scores are those of"
    assert stale in caplog.text
    assert (exp / "scores.csv").read_bytes() == scores_from_scratch(run, exp) != before
    run(enhance, "exp")
    caplog.clear()
    run(run_calculate_aq, "exp")
    assert stale not in caplog.text


def test_a_signal_that_was_not_made_here_is_refused_by_enhance(exp, run):
    whole = signals(exp)
    replace_signals(exp, 1)
    with pytest.raises(RecipeError, match=r"8 signals have no record .*\n.*scene_10001_L0001"):
        run(enhance, "exp")
    run(enhance, "exp", "overwrite=true")
    assert signals(exp) == whole


def test_broken_signals_are_made_again(exp, run, caplog):
    whole = signals(exp)
    first, second, third, fourth, *_ = (exp / "enhanced_signals").iterdir()
    first.write_bytes(b"")
    second.write_bytes(b"fLaC but not really")
    third.write_bytes(third.read_bytes()[:-5000])  # the header is whole
    content = bytearray(fourth.read_bytes())
    content[len(content) // 2] ^= 1
    fourth.write_bytes(content)
    run(enhance, "exp")
    assert "4 signals are broken: made again" in caplog.text
    assert signals(exp) == whole


def test_the_peak_beside_a_signal_is_a_part_of_it(exp, run, caplog):
    """It scales the signal when it is read, as pyClarity has it."""
    before = (exp / "scores_details.csv").read_text().splitlines()[1].split(",")
    path = exp / "enhanced_signals" / "scene_10001_L0001_remix.txt"
    for peak in (0.5, 0.25):
        path.write_text(str(peak))
        caplog.clear()
        run(run_calculate_aq, "exp")
        assert "1 of 8 scores were made from signals that have since changed" in caplog.text
        row = (exp / "scores_details.csv").read_text().splitlines()[1].split(",")
        assert float(row[-2]) == peak * float(before[-2])
    with pytest.raises(RecipeError, match=r"1 signals have no record .* or were changed since"):
        run(enhance, "exp")
    run(enhance, "exp", "overwrite=true")
    assert not path.exists()
    run(enhance, "exp")


HIDDEN = (
    "separator.module._target_=outside_hidden.Hidden",
    "~separator.module.shares",
    "+separator.module.checkpoint=${separator.checkpoint}",
)


@pytest.mark.usefixtures("own_modules")
def test_other_weights_that_no_state_dict_shows_are_refused(run, tmp_path):
    for name, weights in (("one.txt", [0.4, 0.3, 0.2, 0.1]), ("two.txt", [0.1, 0.2, 0.3, 0.4])):
        np.savetxt(tmp_path / name, weights)
    first = (*HIDDEN, f"separator.checkpoint={tmp_path}/one.txt")
    run(enhance, "exp", *first, "evaluate.batch_size=2")
    with pytest.raises(RecipeError, match="separator fingerprint"):
        run(enhance, "exp", *HIDDEN, f"separator.checkpoint={tmp_path}/two.txt")
    shutil.copyfile(tmp_path / "one.txt", tmp_path / "moved.txt")
    run(enhance, "exp", *HIDDEN, f"separator.checkpoint={tmp_path}/one.txt")


@pytest.mark.usefixtures("own_modules")
def test_a_separator_that_does_not_say_which_weights_it_has_is_refused(run, tmp_path):
    np.savetxt(tmp_path / "w.txt", [0.25] * 4)
    nameless = ("separator.module._target_=outside_hidden.Nameless", *HIDDEN[1:])
    with pytest.raises(RecipeError, match=r"^separator 'my_shares': fingerprint\(\) of Nameless"):
        run(enhance, "exp", *nameless, f"separator.checkpoint={tmp_path}/w.txt")


@pytest.mark.usefixtures("own_modules")
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("few", "returned no bass"),
        ("mono", r"returned for bass the shape \(44100,\)"),
        ("short", r"\(44099, 2\), expected \(44100, 2\)"),
        ("transposed", r"\(2, 44100\)"),
        ("infinite", "NaN or infinite samples for bass"),
        ("quits", r"ended by sys\.exit\(0\)"),
    ],
)
def test_stems_of_ones_own_separator_are_looked_at(run, tmp_path, fault, message):
    def as_a_script(config):
        with job("enhance", config, results=None) as checked:
            enhance(checked)

    np.savetxt(tmp_path / "w.txt", [0.25] * 4)
    overrides = (
        *HIDDEN,
        f"separator.checkpoint={tmp_path}/w.txt",
        f"+separator.module.fault={fault}",
    )
    with pytest.raises(RecipeError, match=message):
        run(as_a_script, "exp", *overrides)


@pytest.mark.usefixtures("own_modules")
def test_other_arguments_of_a_module_are_separated_again(run, tmp_path):
    cache = f"separator.cache_dir={tmp_path / 'stems'}"
    module = ("separator.module._target_=outside_hidden.Private", "~separator.module.shares")
    first = run(enhance, "one", *module, "+separator.module.factor=0.2", cache)
    run(enhance, "two", *module, "+separator.module.factor=0.3", cache)
    assert len(list((tmp_path / "stems").iterdir())) == 2 * 4
    assert signals(first).keys() == signals(tmp_path / "two").keys()


def lines_of(path: Path) -> list[str]:
    return path.read_bytes().decode().splitlines(keepends=True)


@pytest.mark.parametrize(
    ("spoil", "warning"),
    [
        (lambda lines: [*lines, lines[3]], "1 pairs are there twice: scored again"),
        (
            lambda lines: [*lines, lines[3].replace("scene_10002", "scene_9")],
            "1 rows are of pairs that the data set does not have: taken out",
        ),
        (
            lambda lines: [*lines[:3], ",".join([*lines[3].split(",")[:3], "nan,nan,nan\r\n"])],
            "1 rows have scores that are NaN or not between -1 and 1.1: scored again",
        ),
        (
            lambda lines: [*lines[:3], ",".join([*lines[3].split(",")[:3], "1.7,1.7,1.7\r\n"])],
            "1 rows have scores that are NaN or not between -1 and 1.1: scored again",
        ),
        (
            lambda lines: [*lines[:3], ",".join([*lines[3].split(",")[:3], ".5,.5,.5\r\n"])],
            "1 scores have no record of what they were made from: scored again",
        ),
    ],
)
def test_rows_that_do_not_hold_are_named_and_scored_again(exp, run, caplog, spoil, warning):
    path = exp / "scores.csv"
    whole = path.read_bytes()
    path.write_bytes("".join(spoil(lines_of(path))).encode())
    run(run_calculate_aq, "exp")
    assert warning in caplog.text
    assert path.read_bytes() == whole


@pytest.mark.parametrize("name", ["scores.csv", "scores_details.csv"])
@pytest.mark.parametrize(
    "content",
    [
        b"\0\1\2" * 50,
        "scene,song,listener\r\n".encode("utf-16"),
        b"song,scene,listener,left_score,right_score,score\r\n",
        b"scene,song,listener,left_score,right_score,score\rx,y,z,1,1,1\r",
        None,
    ],
)
def test_a_file_that_is_none_of_scores_is_one_message_that_works(exp, run, name, content):
    whole = (exp / "scores.csv").read_bytes()
    path = exp / name
    path.unlink()
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(RecipeError, match=rf"{name}.*move it away") as caught:
        run(run_calculate_aq, "exp")
    advised = ["overwrite=true"] if "overwrite=true" in str(caught.value) else []
    if not advised:
        path.rename(exp / "away")
    run(run_calculate_aq, "exp", *advised)
    assert path.exists()
    assert (exp / "scores.csv").read_bytes() == whole


def as_a_script(function):
    """Give a step the messages that its script gives."""

    def step(config):
        with job(function.__name__, config, makes_folder=True) as checked:
            function(checked)

    return step


@pytest.mark.parametrize("name", ["enhanced_signals", "records", "settings"])
def test_a_file_in_the_place_of_a_folder_is_one_message_that_works(exp, run, name):
    (exp / name).rename(exp / "away")
    (exp / name).write_text("")
    for function in (enhance, run_calculate_aq, merge_batches):
        with pytest.raises(RecipeError, match=rf"exp/{name}: a file is in .*: move it away, or"):
            run(as_a_script(function), "exp")
    (exp / name).unlink()
    (exp / "away").rename(exp / name)
    assert len(lines_of(exp / "scores.csv")) == 1 + 8  # nothing was thrown away before
    run(as_a_script(enhance), "exp")


@pytest.mark.parametrize(
    ("function", "name"), [(enhance, "enhance"), (run_calculate_aq, "evaluate")]
)
def test_a_folder_in_the_place_of_a_record_is_one_message_that_works(exp, run, function, name):
    path = exp / "settings" / f"{name}.json"
    path.rename(exp / "away.json")
    path.mkdir()
    with pytest.raises(RecipeError, match=rf"{name}\.json: a folder is in .*: move it away, then"):
        run(as_a_script(function), "exp")
    path.rmdir()
    (exp / "away.json").rename(path)
    run(as_a_script(function), "exp")


def test_an_old_row_of_a_pair_that_fails_goes(exp, run, own_tiny):
    gone = next(iter(sorted((exp / "enhanced_signals").iterdir())))
    gone.unlink()
    with pytest.raises(RecipeError, match="1 pairs failed"):
        run(run_calculate_aq, "exp", "on_error=skip")
    rows = lines_of(exp / "scores.csv")
    assert len(rows) == 8
    assert not any(row.startswith("scene_10001,Song A-hp_0001,L0001") for row in rows)


@pytest.mark.parametrize("content", [b"\xff\xfe\0", b"{", b"[1]"])
def test_a_damaged_record_of_settings_is_one_message_that_works(exp, run, content):
    whole = signals(exp)
    (exp / "settings" / "enhance.json").write_bytes(content)
    with pytest.raises(
        RecipeError, match=r"enhance\.json.*start over with enhance.py overwrite=true"
    ):
        run(enhance, "exp")
    run(enhance, "exp", "overwrite=true")
    assert signals(exp) == whole


def test_a_damaged_list_of_failures_is_made_anew(tmp_path, caplog):
    path = tmp_path / "failed.csv"
    path.write_bytes("step,scene".encode("utf-16"))
    with Failures("enhance", None, path):
        pass
    assert not path.exists()
    assert "was damaged" in caplog.text


def test_many_failures_are_twenty_lines_and_a_count(tmp_path, plugin, own_tiny, caplog):
    config = make_config(plugin, own_tiny.root)
    pairs = Dataset.load(DataPaths.from_config(config.path)).pairs * 3
    many = [Pair(dataclasses.replace(p.scene, id=f"s{n}"), p.listener) for n, p in enumerate(pairs)]
    with (
        pytest.raises(RecipeError) as caught,
        Failures("evaluate", OnError.skip, tmp_path / "failed.csv") as failures,
    ):
        failures.take((pair, "no such file") for pair in many)
    for text in (str(caught.value), caplog.text):
        assert "24 pairs" in text
        assert text.count(": no such file") == 20
        assert "... and 4 more" in text
    assert len(lines_of(tmp_path / "failed.csv")) == 1 + 24


def split_scores(exp: Path, count: int) -> list[Path]:
    header, *rows = lines_of(exp / "scores.csv")
    (exp / "scores.csv").unlink()
    paths = [exp / f"scores_{batch + 1}-{count}.csv" for batch in range(count)]
    for batch, path in enumerate(paths):
        path.write_bytes("".join([header, *rows[batch::count]]).encode())
    return paths


def test_rows_of_another_batch_are_taken_out_as_merging_advises(exp, run, caplog):
    whole = (exp / "scores.csv").read_bytes()
    batch = ("evaluate.batch_size=2", "evaluate.batch=0")
    first, second = split_scores(exp, 2)
    first.write_bytes(first.read_bytes() + lines_of(second)[2].encode())
    with pytest.raises(RecipeError, match=r"scores_1-2\.csv: 1 pairs do not belong.*\n.*evaluate"):
        run(merge_batches, "exp")
    run(run_calculate_aq, "exp", *batch)
    assert "1 rows are of other batches: taken out" in caplog.text
    run(merge_batches, "exp")
    assert (exp / "scores.csv").read_bytes() == whole


def test_a_small_test_of_a_batch_keeps_the_other_rows_of_the_batch(exp, run):
    first, _ = split_scores(exp, 2)
    whole = first.read_bytes()
    run(run_calculate_aq, "exp", "evaluate.batch_size=2", "evaluate.small_test=true")
    assert first.read_bytes() == whole


@pytest.mark.parametrize("name", ["scores_1-2.csv", "scores_details_1-2.csv"])
def test_merging_says_of_a_damaged_batch_which_script_helps(exp, run, name):
    whole = (exp / "scores.csv").read_bytes()
    split_scores(exp, 2)
    (exp / name).write_bytes("scene,song,listener\r\n".encode("utf-16"))
    with pytest.raises(
        RecipeError, match=rf"{name} is .*start over with evaluate\.py overwrite=true"
    ):
        run(merge_batches, "exp")
    run(run_calculate_aq, "exp", "evaluate.batch_size=2", "overwrite=true")
    run(merge_batches, "exp")
    assert (exp / "scores.csv").read_bytes() == whole


@pytest.mark.parametrize("key", ["HAAQI_sample_rate=16000", "nalr.nfir=100"])
def test_the_report_refuses_scores_of_another_measure(exp, run, own_tiny, plugin, key):
    shutil.copytree(exp / "enhanced_signals", exp.parent / "other" / "enhanced_signals")
    other = run(run_calculate_aq, "other", key)
    dataset = Dataset.load(DataPaths.from_config(make_config(plugin, own_tiny.root).path))
    with pytest.raises(RecipeError, match=rf"other was scored with {key}, .*exp with (24000|220)"):
        load_results(dataset, [exp, other])


def test_merging_refuses_scores_of_two_makings(exp, run, plugin):
    other = run(enhance, "other", "nalr.nfir=200")
    run(run_calculate_aq, "other", "nalr.nfir=200")
    paths, others = split_scores(exp, 2), split_scores(other, 2)
    shutil.copyfile(others[1], paths[1])
    with pytest.raises(RecipeError, match=r"4 of 8 scores have no record.*copy the files in rec"):
        run(merge_batches, "exp")
    for path in (other / "records").glob("made-*"):
        shutil.copy(path, exp / "records")
    with pytest.raises(RecipeError, match="4 of 8 scores were made from other settings than"):
        run(merge_batches, "exp")


def change_gains(data, mixture: str) -> None:
    path = data.metadata / "gains.json"
    gains = read(path)
    for gain_set in gains.values():
        gain_set["bass"] += 1
    write(path, gains)


def change_audiograms(data, mixture: str) -> None:
    path = data.metadata / f"listeners.{data.split}.json"
    listeners = read(path)
    for listener in listeners.values():
        listener["audiogram_levels_r"] = [x + 30 for x in listener["audiogram_levels_r"]]
    write(path, listeners)


# Batch 2 has one of the two pairs of each scene; of the three listeners' pairs the fewer are apart.
CHANGES = [
    (change_music, "music", 1),
    (change_gains, "gains", 4),
    (change_audiograms, "audiograms", 3),
]


@pytest.mark.parametrize(("change", "what", "n_apart"), CHANGES)
def test_merging_and_the_report_refuse_scores_of_other_inputs(
    exp, run, own_tiny, plugin, change, what, n_apart
):
    change(own_tiny, own_tiny.mixtures[0])
    run(enhance, "other")
    other = run(run_calculate_aq, "other")
    dataset = Dataset.load(DataPaths.from_config(make_config(plugin, own_tiny.root).path))
    with pytest.raises(RecipeError, match=rf"other was scored with other {what} than .*exp \("):
        load_results(dataset, [exp, other])
    paths, others = split_scores(exp, 2), split_scores(other, 2)
    shutil.copyfile(others[1], paths[1])
    for path in (other / "records").glob("made-*"):
        shutil.copy(path, exp / "records")
    with pytest.raises(
        RecipeError, match=f"{n_apart} of 8 scores were made from other {what} than"
    ):
        run(merge_batches, "exp")


@pytest.mark.parametrize(("change", "what"), [c[:2] for c in CHANGES])
def test_evaluation_warns_of_signals_that_are_of_other_inputs(
    exp, run, own_tiny, caplog, change, what
):
    change(own_tiny, own_tiny.mixtures[0])
    run(run_calculate_aq, "exp", "overwrite=true")
    warning = rf"\d of 8 signals were made from {what} that (has|have) since changed; their scores"
    assert re.search(warning, caplog.text)
    run(enhance, "exp", "overwrite=true")
    caplog.clear()
    run(run_calculate_aq, "exp", "overwrite=true")
    assert "since changed" not in caplog.text


def test_evaluation_warns_of_signals_from_another_folder_with_their_records(exp, run, caplog):
    other = run(enhance, "other", "apply_compressor=true")
    name = "scene_10002_L0003_remix.flac"
    shutil.copyfile(other / "enhanced_signals" / name, exp / "enhanced_signals" / name)
    for path in (other / "records").glob("made-*"):
        shutil.copy(path, exp / "records")
    run(run_calculate_aq, "exp")
    assert "1 of 8 signals were made from settings that have since changed; their" in caplog.text
    run(enhance, "exp")
    caplog.clear()
    run(run_calculate_aq, "exp")
    assert "signals were made from" not in caplog.text


def test_evaluation_warns_of_signals_that_were_made_with_other_keys(exp, run, caplog):
    run(run_calculate_aq, "exp", "overwrite=true", "nalr.nfir=100", "HAAQI_sample_rate=16000")
    warned = [r.getMessage() for r in caplog.records if "than they are scored with" in r.message]
    assert [text.splitlines()[1:] for text in warned] == [["  nalr.nfir: 220 -> 100"]]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda exp, data: replace_signals(exp, 1), "8 of 8 scores .* signals that have since"),
        (
            lambda exp, data: (exp / "enhanced_signals" / "scene_10002_L0003_remix.flac").touch(),
            None,
        ),
        (lambda exp, data: shutil.rmtree(exp / "enhanced_signals"), None),
        (lambda exp, data: change_gains(data, ""), "8 of 8 scores .* gains that have since"),
        (
            lambda exp, data: change_audiograms(data, ""),
            "8 of 8 scores .* audiograms that have since",
        ),
    ],
)
def test_merging_and_the_report_refuse_scores_of_what_has_changed(
    exp, run, own_tiny, plugin, change, line
):
    change(exp, own_tiny)
    dataset = Dataset.load(DataPaths.from_config(make_config(plugin, own_tiny.root).path))
    refused = contextlib.nullcontext() if line is None else pytest.raises(RecipeError, match=line)
    with refused:
        load_results(dataset, [exp])
    split_scores(exp, 2)
    with refused:
        run(merge_batches, "exp")


def test_merging_and_the_report_refuse_scores_of_music_that_has_changed(exp, run, own_tiny, plugin):
    for path in own_tiny.root.rglob("*.wav"):
        os.utime(path, (1, 1))  # what is younger than two seconds is not remembered
    run(run_calculate_aq, "exp")
    dataset = Dataset.load(DataPaths.from_config(make_config(plugin, own_tiny.root).path))
    load_results(dataset, [exp])
    change_music(own_tiny, own_tiny.mixtures[0])
    line = "2 of 8 scores were made from music that has since changed"
    with pytest.raises(RecipeError, match=line):
        load_results(dataset, [exp])
    split_scores(exp, 2)
    with pytest.raises(RecipeError, match="music that has since changed"):
        run(merge_batches, "exp")
    own_tiny.at_mic_folder(own_tiny.mixtures[0]).rename(own_tiny.root / "elsewhere")
    run(merge_batches, "exp")  # music need not be there


def age(*folders: Path) -> None:
    """Make all files old enough to be remembered, as they are where a user comes back to them."""
    for path in (path for folder in folders for path in folder.rglob("*.*")):
        os.utime(path, (1, 1))


@pytest.mark.parametrize("change", [c[0] for c in CHANGES])
@pytest.mark.parametrize("scored_since", [False, True])
def test_the_report_and_merging_say_all_steps_in_their_order(
    exp, run, own_tiny, plugin, change, scored_since
):
    age(own_tiny.root, exp / "enhanced_signals")
    run(run_calculate_aq, "exp")
    change(own_tiny, own_tiny.mixtures[0])
    if scored_since:  # new scores of old signals
        run(run_calculate_aq, "exp", "overwrite=true")
    dataset = Dataset.load(DataPaths.from_config(make_config(plugin, own_tiny.root).path))
    with pytest.raises(RecipeError, match=r"signals were made from .* since changed") as caught:
        load_results(dataset, [exp])
    split_scores(exp, 2)
    with pytest.raises(RecipeError) as merging:
        run(merge_batches, "exp")
    steps = [
        re.findall(r"(enhance|evaluate)\.py( overwrite=true)?", str(error).splitlines()[-1])
        for error in (caught.value, merging.value)
    ]
    assert [name for name, _ in steps[0]] == ["enhance", "evaluate"]
    assert steps[0] == steps[1]
    for name, overwrite in steps[0]:
        function = {"enhance": enhance, "evaluate": run_calculate_aq}[name]
        run(function, "exp", *overwrite.split())
    load_results(dataset, [exp])
    run(enhance, "fresh")
    fresh = run(run_calculate_aq, "fresh")
    assert (exp / "scores.csv").read_bytes() == (fresh / "scores.csv").read_bytes()


def test_the_report_verifies_when_told_to(exp, run, own_tiny, plugin):
    age(own_tiny.root)
    run(run_calculate_aq, "exp")
    change_music(own_tiny, own_tiny.mixtures[0])
    age(own_tiny.root)
    report(make_config(plugin, own_tiny.root, f"path.exp_folder={exp}"))
    with pytest.raises(RecipeError, match="music that has since changed"):
        report(make_config(plugin, own_tiny.root, f"path.exp_folder={exp}", "verify=true"))


def test_where_signals_are_gone_the_steps_begin_with_making_them(exp, run, own_tiny, plugin):
    change_gains(own_tiny, "")
    for path in (exp / "enhanced_signals").iterdir():
        path.unlink()
    dataset = Dataset.load(DataPaths.from_config(make_config(plugin, own_tiny.root).path))
    steps = r"enhance\.py overwrite=true, then evaluate\.py overwrite=true"
    with pytest.raises(RecipeError, match=steps):
        load_results(dataset, [exp])


def test_scores_without_any_record_are_counted_with_a_warning(exp, own_tiny, plugin, caplog):
    dataset = Dataset.load(DataPaths.from_config(make_config(plugin, own_tiny.root).path))
    load_results(dataset, [exp])
    assert "no score has a record" not in caplog.text
    shutil.rmtree(exp / "records")
    load_results(dataset, [exp])
    assert "no score has a record of what it was made from; they count as they" in caplog.text


def test_music_that_was_hashed_when_it_was_generated_is_not_hashed_again(
    run, own_tiny, tmp_path, monkeypatch
):
    age(own_tiny.root)
    music = own_tiny.root / "audio" / "at_mic_music"
    with Records(music / "records") as records:
        for path in music.rglob("*.wav"):
            records.contents.digest(path)
    real, read = content.digest_of_file, []
    monkeypatch.setattr(content, "digest_of_file", lambda path: read.append(path) or real(path))
    run(enhance, "exp")
    run(run_calculate_aq, "exp")
    assert [path for path in read if path.is_relative_to(own_tiny.root)] == []


def as_a_spreadsheet_saves(path: Path) -> None:
    """Round all numbers to six digits."""
    header, *rows = (line.strip().split(",") for line in lines_of(path))
    rounded = [[*row[:3], *(f"{float(value):.6f}" for value in row[3:])] for row in rows]
    path.write_text("".join(",".join(row) + "\n" for row in (header, *rounded)))


def test_scores_that_a_spreadsheet_has_saved_are_told_with_what_helps(exp, run, own_tiny, plugin):
    path = exp / "scores.csv"
    whole = path.read_bytes()
    as_a_spreadsheet_saves(path)
    dataset = Dataset.load(DataPaths.from_config(make_config(plugin, own_tiny.root).path))
    told = r"8 of 8 scores have no record.*by a spreadsheet.*put back.*score them again with eval"
    with pytest.raises(RecipeError, match=told):
        load_results(dataset, [exp])
    rounded = path.read_bytes()
    path.write_bytes(whole)
    load_results(dataset, [exp])
    path.write_bytes(rounded)
    run(run_calculate_aq, "exp")
    assert path.read_bytes() == whole


@pytest.mark.parametrize("how", ["rounded", "of another experiment"])
def test_details_that_were_not_written_with_their_scores_do_not_count(
    exp, run, own_tiny, plugin, caplog, how
):
    path = exp / "scores_details.csv"
    whole = path.read_bytes()
    dataset = Dataset.load(DataPaths.from_config(make_config(plugin, own_tiny.root).path))
    if how == "rounded":
        as_a_spreadsheet_saves(path)
    else:
        run(enhance, "other", "nalr.nfir=100")
        other = run(run_calculate_aq, "other", "nalr.nfir=100")
        shutil.copy(other / path.name, path)
        for records in (other / "records").glob("made-*"):
            shutil.copy(records, exp / "records")
    changed = path.read_bytes()
    told = pytest.raises(RecipeError, match="8 of 8 rows of details were not written with their")
    with told:
        load_results(dataset, [exp])
    scores = (exp / "scores.csv").read_bytes()
    split_scores(exp, 2)
    shutil.copy(path, exp / "scores_details_1-2.csv")
    with told:
        run(merge_batches, "exp")
    (exp / "scores.csv").write_bytes(scores)
    path.unlink()  # as advised
    load_results(dataset, [exp])
    path.write_bytes(changed)
    run(run_calculate_aq, "exp")
    assert "8 rows have details that were not written with them: scored again" in caplog.text
    assert path.read_bytes() == whole
    load_results(dataset, [exp])


@pytest.mark.parametrize("goes", [True, False])
def test_a_peak_that_comes_or_goes_while_its_signal_is_scored_ends_the_run(
    exp, run, monkeypatch, goes
):
    peak = exp / "enhanced_signals" / "scene_10001_L0001_remix.txt"
    if goes:
        peak.write_text("0.5")
    (exp / "scores.csv").unlink()
    real = evaluate.read_flac_signal

    def reading(path):
        if path.with_suffix(".txt") == peak:
            peak.unlink() if goes else peak.write_text("0.5")
        return real(path)

    monkeypatch.setattr(evaluate, "read_flac_signal", reading)
    told = "No such file .*L0001_remix.txt" if goes else r"L0001_remix\.txt: came while this run"
    with pytest.raises(RecipeError, match=told):
        run(run_calculate_aq, "exp")


@pytest.mark.usefixtures("own_modules")
def test_a_separator_that_does_not_say_that_it_reads_true_stems_gets_none(run):
    module = ("separator.module._target_=outside_hidden.Peeks", "~separator.module.shares")
    with pytest.raises(RecipeError, match="no true stems"):
        run(enhance, "exp", *module)


def test_merging_lists_twenty_missing_batches_and_a_count(exp, run):
    split_scores(exp, 2)[1].rename(exp / "scores_30-30.csv")
    (exp / "scores_1-2.csv").unlink()
    with pytest.raises(RecipeError) as caught:
        run(merge_batches, "exp")
    text = str(caught.value)
    assert text.count(": is missing") + text.count("belong") == 20
    assert "... and 10 more" in text


def test_details_are_of_the_signal_and_logs_are_quiet(exp, run, caplog):
    header, *rows = lines_of(exp / "scores_details.csv")
    columns = header.strip().split(",")
    assert len(rows) == 8
    for line in rows:
        row = dict(zip(columns, line.strip().split(","), strict=True))
        path = exp / "enhanced_signals" / f"{row['scene']}_{row['listener']}_remix.flac"
        samples, _ = soundfile.read(path, dtype="int16")
        assert float(row["peak"]) == np.abs(samples.astype(int)).max() / 32768
        assert float(row["clipped_share"]) == np.isin(samples, (-32768, 32767)).mean()
        assert [float(row[f"left_{name}"]) for name in ("nonlinear", "linear")] == [0, 1]
        assert [float(row[f"right_{name}"]) for name in ("CepHigh", "Dnorm")] == [2, 5]
    caplog.set_level("INFO")
    shutil.rmtree(exp)
    run(enhance, "exp")
    run(run_calculate_aq, "exp")
    said = [r.getMessage() for r in caplog.records if r.levelname == "INFO"]
    assert sum("signals written" in text for text in said) == 4 + 1  # each mixture, all together
    assert sum("pairs scored" in text for text in said) == 4 + 1
    assert not any("scene_10002_L0003: " in text for text in said)
