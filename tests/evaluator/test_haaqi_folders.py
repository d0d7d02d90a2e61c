"""The command line on two folders: pairs by name, a table, going on, files that do not match."""

from __future__ import annotations

import csv
import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import soundfile

from clarity.evaluator.haaqi import evaluate_haaqi, folders
from clarity.evaluator.haaqi.__main__ import main
from clarity.evaluator.haaqi.files import FileScorer
from clarity.utils.audiogram import STANDARD_AUDIOGRAMS, Audiogram

RATE = 24000
CFS = [250, 500, 1000, 2000, 4000, 6000]
LISTENERS = {
    name: {
        "name": name,
        "audiogram_cfs": CFS,
        "audiogram_levels_l": [left] * 6,
        "audiogram_levels_r": [60] * 6,
    }
    for name, left in (("L1", 20), ("L12", 40))
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three stereo references with one processed file each, and one for each of two listeners."""
    rng = np.random.default_rng(0)
    for folder in ("reference", "processed", "heard"):
        (tmp_path / folder / "sub").mkdir(parents=True)
    for name in ("a", "b", "sub/c"):
        stereo = 0.1 * rng.standard_normal((12000, 2))
        soundfile.write(tmp_path / "reference" / f"{name}.wav", stereo, RATE, subtype="DOUBLE")
        folder, _, stem = f"/{name}".rpartition("/")
        for target in (
            f"processed/{name}.flac",
            f"heard{folder}/{stem}_L1.flac",
            f"heard{folder}/L12-{stem}.wav",
        ):
            limit = rng.uniform(0.02, 0.1)
            soundfile.write(tmp_path / target, np.clip(stereo, -limit, limit), RATE)
    (tmp_path / "listeners.json").write_text(json.dumps(LISTENERS))
    return tmp_path


def run(data: Path, *arguments: object, processed: str = "processed") -> int:
    return main([str(data / "reference"), str(data / processed), *map(str, arguments)])


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_rows_are_the_scores_of_the_pairs(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = data / "scores.csv"
    assert run(data, "--audiogram", "N3", "--level1", 80, "--seed", 3, "--output", output) == 0
    rows = table(output)
    assert [row["file"] for row in rows[::2]] == ["a.flac", "b.flac", "sub/c.flac"]
    for name, left, right in zip(("a", "b", "sub/c"), rows[::2], rows[1::2], strict=True):
        stream = np.random.RandomState(3)
        reference = soundfile.read(data / "reference" / f"{name}.wav")[0]
        processed = soundfile.read(data / "processed" / f"{name}.flac")[0]
        for channel, row in enumerate((left, right)):
            expected = evaluate_haaqi(
                reference[:, channel],
                RATE,
                processed[:, channel],
                RATE,
                STANDARD_AUDIOGRAMS["N3"],
                1,
                80.0,
                random_state=stream,
            )
            assert row["ear"] == ("left", "right")[channel]
            assert float(row["score"]) == expected.score
            assert float(row["bm_sync5"]) == expected.bm_sync5
    mean = np.mean([float(row["score"]) for row in rows])
    assert f"3 files, mean HAAQI {mean:.4f}" in capsys.readouterr().out


def test_listeners_are_in_the_names(data: Path) -> None:
    output = data / "scores.json"
    listeners = ("--listeners", data / "listeners.json")
    assert run(data, *listeners, "--output", output, processed="heard") == 0
    rows = {(row["file"], row["ear"]): row for row in json.loads(output.read_text())}
    assert len(rows) == 12
    for name, listener, reference in (("a_L1.flac", "L1", "a"), ("sub/L12-c.wav", "L12", "sub/c")):
        levels = {"left": LISTENERS[listener]["audiogram_levels_l"], "right": [60] * 6}
        stream = np.random.RandomState(0)
        for channel, ear in enumerate(levels):
            expected = evaluate_haaqi(
                soundfile.read(data / "reference" / f"{reference}.wav")[0][:, channel],
                RATE,
                soundfile.read(data / "heard" / name)[0][:, channel],
                RATE,
                Audiogram(levels[ear], CFS),
                1,
                random_state=stream,
            )
            assert rows[name, ear]["listener"] == listener
            assert rows[name, ear]["score"] == expected.score


@pytest.mark.parametrize("suffix", ["csv", "json"])
def test_a_second_run_scores_what_is_missing_or_has_changed(
    data: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = data / f"scores.{suffix}"
    scored: list[str] = []
    score = folders._score

    def note(pair: folders.FilePair, scorer: FileScorer) -> object:
        scored.append(pair.name)
        return score(pair, scorer)

    monkeypatch.setattr(folders, "_score", note)
    arguments = ("--audiogram", "N3", "--output", output)
    assert run(data, *arguments) == 0
    first = output.read_bytes()
    assert run(data, *arguments) == 0
    assert sorted(scored) == ["a.flac", "b.flac", "sub/c.flac"]
    assert output.read_bytes() == first

    changed = data / "processed" / "b.flac"
    soundfile.write(changed, 0.5 * soundfile.read(changed)[0], RATE)
    os.utime(changed, ns=(1, 1))
    assert run(data, *arguments) == 0
    assert scored[3:] == ["b.flac"]
    assert output.read_bytes() != first
    assert run(data, "--audiogram", "N4", "--output", output) == 0
    assert len(scored) == 7


def test_a_stopped_run_keeps_what_is_scored(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop_at_b(pair: folders.FilePair, scorer: FileScorer) -> object:
        if pair.name == "b.flac":
            raise KeyboardInterrupt
        return score(pair, scorer)

    score = folders._score
    monkeypatch.setattr(folders, "_score", stop_at_b)
    pairs = folders.match_files(data / "reference", data / "processed")
    output = data / "scores.csv"
    with pytest.raises(KeyboardInterrupt):
        folders.score_folders(pairs, FileScorer(STANDARD_AUDIOGRAMS["N3"]), output, 1)
    assert {row["file"] for row in table(output)} == {"a.flac"}


def test_ctrl_c_ends_with_one_line(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop_at_a(pair: folders.FilePair, scorer: FileScorer) -> object:
        return signal.raise_signal(signal.SIGINT) if pair.name == "a.flac" else score(pair, scorer)

    score = folders._score
    monkeypatch.setattr(folders, "_score", stop_at_a)
    output = data / "scores.csv"
    assert run(data, "--audiogram", "N3", "--output", output) == 130
    assert capsys.readouterr().err.endswith("\nStopped. The same command goes on from here.\n")
    assert "a.flac" not in {row["file"] for row in table(output)}


def test_files_that_do_not_match_are_listed(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / "processed" / "b.flac").rename(data / "processed" / "d.flac")
    output = data / "scores.csv"
    assert run(data, "--audiogram", "N3", "--output", output) == 1
    message = capsys.readouterr().err
    assert f"d.flac: no reference d in {data / 'reference'}" in message
    assert f"b.wav: no processed file of this name in {data / 'processed'}" in message
    assert not output.exists()


def test_a_pair_that_cannot_be_scored_is_named_and_the_others_are_scored(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soundfile.write(data / "reference" / "b.wav", np.zeros((12000, 2)), RATE)
    output = data / "scores.csv"
    assert run(data, "--audiogram", "N3", "--output", output) == 1
    message = capsys.readouterr().err
    assert "b.flac: the reference signal is silent" in message
    assert "(left ear)" in message
    assert {row["file"] for row in table(output)} == {"a.flac", "sub/c.flac"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--audiogram", "N3"], "folders need --output"),
        (["--audiogram", "N3", "--output", "x.txt"], "must end in .csv or .json"),
        (["--audiogram", "N3", "--output", "mine.csv"], "is no table of these scores"),
        (["--listeners", "listeners.json", "--output", "x.csv"], "no id of a listener"),
    ],
)
def test_bad_options_are_one_message(
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(data)
    (data / "mine.csv").write_text("my,precious\n1,2\n")
    assert run(data, *arguments) == 1
    assert message in capsys.readouterr().err
    assert (data / "mine.csv").read_text() == "my,precious\n1,2\n"


@pytest.mark.parametrize(
    ("processed", "message"),
    [("nothing", "nothing: no such folder; --output"), ("processed/a.flac", "a.flac: is a file")],
)
def test_what_is_no_folder_is_named(
    data: Path, capsys: pytest.CaptureFixture[str], processed: str, message: str
) -> None:
    output = data / "scores.csv"
    assert run(data, "--audiogram", "N3", "--output", output, processed=processed) == 1
    assert message in capsys.readouterr().err
    assert not output.exists()
