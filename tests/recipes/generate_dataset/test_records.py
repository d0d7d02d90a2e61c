"""Music at the microphones of something else than what is on disk: made again, or refused."""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from recipes.cad_icassp_2024.data.content import Contents
from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.generate_dataset import at_mic_songs, generate_at_mic_musdb18
from recipes.cad_icassp_2024.generate_dataset.config import generate_config
from recipes.cad_icassp_2024.generate_dataset.generate_at_mic_musdb18 import run
from recipes.cad_icassp_2024.runs.records import Records
from tests.conftest import ROOT
from tests.recipes.tiny_dataset import TinyDataset, make_tiny_dataset, read, write


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> TinyDataset:
    data = make_tiny_dataset(tmp_path_factory.mktemp("tiny"), seconds=0.5, at_mic=False)
    (data.metadata / "at_mic_music.train.json").unlink()
    run(generate_config(data.root))
    return data


@pytest.fixture
def data(template: TinyDataset, tmp_path: Path) -> TinyDataset:
    return template.copied_to(tmp_path / "data")


def music(data: TinyDataset) -> dict[str, bytes]:
    folder = data.root / "audio" / "at_mic_music"
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.wav")}


def from_nothing(data: TinyDataset, tmp_path: Path) -> dict[str, bytes]:
    """What an empty folder would be filled with now."""
    fresh = tmp_path / "fresh"
    copy = data.copied_to(fresh)
    shutil.rmtree(fresh / "audio" / "at_mic_music")
    run(generate_config(fresh))
    return music(copy)


def other_position(data: TinyDataset) -> None:
    """Song A at hp_0001, and Song B there if it is, from other angles."""
    path = data.metadata / "head_loudspeaker_positions.json"
    positions = read(path)
    positions["hp_0001"] |= {"left_angle": -37.5, "right_angle": 22.5}
    write(path, positions)


def change_samples(path: Path) -> None:
    """Change a file and keep its size."""
    size = path.stat().st_size
    header = soundfile.info(path)
    signal, rate = soundfile.read(path)
    signal[100:400] *= 0.5
    soundfile.write(path, signal, rate, subtype=header.subtype)
    assert path.stat().st_size == size


def other_hrtf(data: TinyDataset) -> None:
    change_samples(data.root / "audio" / "hrtf" / "BTE_fr-VP_E1-n22.5.wav")


def other_source(data: TinyDataset) -> None:
    change_samples(data.root / "audio" / "music" / "train" / "Song A" / "drums.wav")


CHANGES: dict[str, tuple[Callable[[TinyDataset], None], str]] = {
    "head position": (other_position, "HRTFs and head position that have"),
    "HRTF": (other_hrtf, "HRTFs that have"),
    "source": (other_source, "music that has"),
}


def test_the_record_of_a_file_has_its_rate(data: TinyDataset) -> None:
    folder = data.root / "audio" / "at_mic_music"
    songs = at_mic_songs.plan_songs(generate_config(data.root), Contents())
    with Records(folder / "records") as records:
        for song in songs:
            for name, path in song.results.items():
                (made_from,) = records.made_from(
                    song.result_name(name), records.contents.digest(path)
                )
                assert made_from["sampling rate"] == f"{soundfile.info(path).samplerate} Hz"


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Messages that are warnings; whether others are logged depends on the tests before."""
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


@pytest.mark.parametrize("change", CHANGES)
def test_music_of_something_else_is_made_again(
    change: str, data: TinyDataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = music(data)
    change_it, words = CHANGES[change]
    change_it(data)
    run(generate_config(data.root))
    assert music(data) == from_nothing(data, tmp_path) != before
    assert len(warnings_in(caplog)) == 1
    assert f"of 20 files of music at the microphones were made from {words}" in caplog.text
    assert "since changed: made again" in caplog.text
    caplog.clear()
    run(generate_config(data.root))
    assert not warnings_in(caplog)


def test_a_change_that_is_taken_back_needs_no_work_where_nothing_was_made(
    data: TinyDataset, caplog: pytest.LogCaptureFixture
) -> None:
    path = data.root / "audio" / "music" / "train" / "Song A" / "drums.wav"
    kept = path.read_bytes()
    other_source(data)
    path.write_bytes(kept)
    run(generate_config(data.root))
    assert not warnings_in(caplog)


def test_another_rate_and_another_version_are_made_again(
    data: TinyDataset, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(at_mic_songs, "__version__", "9.9")
    run(generate_config(data.root))
    assert "20 of 20 files" in caplog.text
    assert "package version that has since changed" in caplog.text


def test_an_old_time_hides_a_change_from_all_but_verify(data: TinyDataset, tmp_path: Path) -> None:
    path = data.root / "audio" / "music" / "train" / "Song A" / "drums.wav"
    old_ns = 1_600_000_000_000_000_000
    os.utime(path, ns=(old_ns, old_ns))
    run(generate_config(data.root))  # which sees and remembers it
    before = music(data)
    change_samples(path)
    os.utime(path, ns=(old_ns, old_ns))
    run(generate_config(data.root))
    assert music(data) == before
    run(generate_config(data.root, verify=True))
    assert music(data) == from_nothing(data, tmp_path) != before


def changed_result(data: TinyDataset) -> None:
    change_samples(data.at_mic_folder("Song A-hp_0001") / "bass.wav")


def no_record(data: TinyDataset) -> None:
    shutil.rmtree(data.root / "audio" / "at_mic_music" / "records")


@pytest.mark.parametrize(("change", "n_files"), [(changed_result, 1), (no_record, 20)])
def test_music_that_was_not_made_here_is_refused_and_kept(
    change: Callable[[TinyDataset], None], n_files: int, data: TinyDataset, tmp_path: Path
) -> None:
    change(data)
    before = music(data)
    message = rf"(?s)^{n_files} files in .* have no record .*overwrite=true.*Song A-hp_0001/bass"
    with pytest.raises(RecipeError, match=message):
        run(generate_config(data.root))
    assert music(data) == before
    run(generate_config(data.root, overwrite=True))
    assert music(data) == from_nothing(data, tmp_path)


def test_a_source_that_changes_while_it_is_filtered_makes_no_music(
    data: TinyDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = data.root / "audio" / "music" / "train" / "Song A" / "drums.wav"
    real = generate_at_mic_musdb18.read_stereo

    def reads_what_changes(file: Path, rate: int) -> np.ndarray:
        signal = real(file, rate)
        if file == path:
            change_samples(file)
        return signal

    monkeypatch.setattr(generate_at_mic_musdb18, "read_stereo", reads_what_changes)
    shutil.rmtree(data.root / "audio" / "at_mic_music")
    with pytest.raises(RecipeError, match=r"drums\.wav: was changed while this run went on"):
        run(generate_config(data.root))
    assert "train/Song A-hp_0001/drums.wav" not in music(data)


def test_two_processes_do_not_write_into_one_folder(data: TinyDataset) -> None:
    code = (
        "import sys, time; from pathlib import Path\n"
        "from recipes.cad_icassp_2024.runs import locks\n"
        "with locks.hold(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    path = data.root / "audio" / "at_mic_music" / "locks" / "generate.lock"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        message = rf"process {other.pid} on .* is putting music at the microphones into .*at_mic"
        with pytest.raises(RecipeError, match=message):
            run(generate_config(data.root))
        other.kill()
    run(generate_config(data.root))


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["n22.5"], ["n22.5"]),
        (["n22.5", "p22.5"], ["n22.5", "p22.5"]),  # both of a head position
        (["n30.0", "n37.5", "p22.5", "p30.0"], ["n22.5", "p37.5"]),  # most are taken for whole
    ],
)
def test_shorter_hrtfs_are_refused_by_name(
    data: TinyDataset, names: list[str], told: list[str]
) -> None:
    for name in names:
        path = data.root / "audio" / "hrtf" / f"BTE_fr-VP_E1-{name}.wav"
        taps, rate = soundfile.read(path)
        soundfile.write(path, taps[:100], rate, subtype="FLOAT")
    with pytest.raises(RecipeError) as caught:
        run(generate_config(data.root))
    assert re.findall(r"VP_E1-(\S+)\.wav: has \d+ taps", str(caught.value)) == told
