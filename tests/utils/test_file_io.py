"""Audio, JSON, JSON Lines and CSV files; nothing is written by halves."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from clarity.utils.atomic_files import atomic_path
from clarity.utils.file_io import (
    read_json,
    read_jsonl,
    read_signal,
    write_csv,
    write_json,
    write_jsonl,
    write_signal,
)
from clarity.utils.signal_processing import resample
from tests.utils.references.signals import noise


@pytest.fixture
def stereo(tmp_path):
    """A file of 1,000 samples at 44.1 kHz, and what it holds."""
    samples = np.round(noise(1, (1000, 2)) * 32768).astype(np.int16)
    soundfile.write(tmp_path / "stereo.wav", samples, 44100)
    return tmp_path / "stereo.wav", samples / 32768


def test_atomic_path_replaces_the_file(tmp_path):
    file = tmp_path / "new" / "note.txt"
    for text in ("first", "second"):
        with atomic_path(file) as temporary:
            assert temporary.parent == file.parent
            assert temporary.suffix == ".txt"
            temporary.write_text(text)
        assert file.read_text() == text
    assert list(file.parent.iterdir()) == [file]


def test_file_is_on_the_disk_before_it_takes_its_name(tmp_path, monkeypatch):
    file = tmp_path / "note.txt"
    there_at_sync = []
    monkeypatch.setattr("os.fsync", lambda _descriptor: there_at_sync.append(file.exists()))
    with atomic_path(file) as temporary:
        temporary.write_text("note")
    assert there_at_sync == [False, True]  # The file, then the folder with its new name.


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_failure_leaves_no_file_and_spares_the_old(tmp_path, error):
    old = tmp_path / "old.txt"
    old.write_text("old")
    for file in (old, tmp_path / "fresh.txt"):
        with pytest.raises(type(error)), atomic_path(file) as temporary:
            temporary.write_text("ha")
            raise error
    assert list(tmp_path.iterdir()) == [old]
    assert old.read_text() == "old"


def test_csv_is_utf8_with_a_header_and_the_columns_asked_for(tmp_path):
    rows = [{"score": 0.1, "song": "Für, Elise", "other": 1}, {"song": None}]
    write_csv(tmp_path / "scores.csv", ("song", "score"), rows)
    expected = 'song,score\r\n"Für, Elise",0.1\r\n,\r\n'
    assert (tmp_path / "scores.csv").read_bytes() == expected.encode()


def test_writers_leave_no_file_when_the_disk_is_full(tmp_path, monkeypatch):
    def write_some(file, content):
        with file.open("wb") as stream:
            stream.write(bytes(content)[:4])
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write_some)
    with pytest.raises(OSError, match="No space left") as caught:
        write_signal(tmp_path / "signal.wav", np.zeros(9), 44100)
    assert caught.value.filename == str(tmp_path / "signal.wav")
    with pytest.raises(TypeError):
        write_json(tmp_path / "data.json", {"not": object()})
    assert not list(tmp_path.iterdir())


def test_json_round_trip(tmp_path):
    data = {"L1": [1, 2.5, None], "é": {"ok": True}}
    write_json(tmp_path / "data.json", data)
    assert read_json(tmp_path / "data.json") == data
    assert (tmp_path / "data.json").read_text() == json.dumps(data, indent=4)


def test_broken_json_is_named_with_line_and_column(tmp_path):
    file = tmp_path / "broken.json"
    file.write_text('{\n  "a": 1,\n  "b": oops\n}')
    with pytest.raises(ValueError, match=r"broken.json: not valid JSON at line 3, column 8"):
        read_json(file)
    file.write_bytes(b'"\xff"')
    with pytest.raises(ValueError, match=r"broken.json: not UTF-8 text at byte 1"):
        read_json(file)
    with pytest.raises(FileNotFoundError, match=r"none.json: no such file"):
        read_json(tmp_path / "none.json")


def test_json_lines_are_appended_as_the_peer_does(peer, tmp_path):
    numbers = peer["files"]
    file = tmp_path / "records.jsonl"
    write_jsonl(file, numbers["records"][:1])
    write_jsonl(file, numbers["records"][1:])
    assert file.read_text() == numbers["records_text"]
    assert read_jsonl(file) == numbers["records"]


def test_records_end_at_line_feeds_only(peer, tmp_path):
    numbers = peer["files"]
    (tmp_path / "x.jsonl").write_text(numbers["separators_text"], encoding="utf-8", newline="")
    assert read_jsonl(tmp_path / "x.jsonl") == numbers["separators"]
    (tmp_path / "x.jsonl").write_bytes(b'{"a":\r1}\n[2]')
    assert read_jsonl(tmp_path / "x.jsonl") == [{"a": 1}, [2]]


def test_broken_json_line_is_named(tmp_path):
    file = tmp_path / "broken.jsonl"
    file.write_text('{"a": 1}\n\n{"b":\n')
    with pytest.raises(ValueError, match=r"broken.jsonl: not valid JSON at line 3, column 6"):
        read_jsonl(file)


def test_16_bit_wav_is_the_peers(peer, tmp_path, caplog):
    numbers = peer["files"]
    write_signal(tmp_path / "levels.wav", numbers["levels"], 44100, floating_point=False)
    samples, rate = soundfile.read(tmp_path / "levels.wav", dtype="int16")
    assert samples.tolist() == numbers["written_16bit"]
    assert rate == 44100
    assert "levels.wav: 4 samples out of range" in caplog.text


def test_strict_refuses_what_16_bits_cannot_hold(tmp_path):
    with pytest.raises(ValueError, match="2 samples out of range"):
        write_signal(tmp_path / "x.wav", np.array([0.0, 1.0, -1.1]), 44100, False, True)
    write_signal(tmp_path / "x.wav", np.array([32767 / 32768, -1.0]), 44100, False, True)
    assert read_signal(tmp_path / "x.wav").tolist() == [32767 / 32768, -1.0]


def test_float_wav_keeps_float32_whatever_its_level(tmp_path):
    signal = noise(2, (100, 2), 3.0).astype(np.float32)
    write_signal(tmp_path / "x.wav", signal, 32000.0)
    np.testing.assert_array_equal(read_signal(tmp_path / "x.wav"), signal.astype(np.float64))
    assert soundfile.info(tmp_path / "x.wav").subtype == "FLOAT"


def test_wav_with_nan_or_half_a_hertz_is_refused(tmp_path):
    with pytest.raises(ValueError, match="1 NaN"):
        write_signal(tmp_path / "x.wav", np.array([np.nan]), 44100, floating_point=False)
    with pytest.raises(ValueError, match=r"44100.5"):
        write_signal(tmp_path / "x.wav", np.zeros(3), 44100.5)
    assert not list(tmp_path.iterdir())


def test_read_signal_whole_and_in_part(stereo):
    file, samples = stereo
    np.testing.assert_array_equal(read_signal(file), samples)
    np.testing.assert_array_equal(read_signal(file, 44100, n_channels=2), samples)
    np.testing.assert_array_equal(read_signal(file, 44100, allow_resample=False), samples)
    np.testing.assert_array_equal(read_signal(file, offset=0.01), samples[441:])
    part = read_signal(file, offset=900, offset_is_samples=True, n_samples=50)
    np.testing.assert_array_equal(part, samples[900:950])
    assert read_signal(file, n_samples=2000).shape == (1000, 2)
    assert read_signal(file, offset=1000, offset_is_samples=True).shape == (0, 2)


def test_an_offset_in_seconds_is_that_of_the_nearest_sample(peer, tmp_path):
    numbers = peer["files"]
    soundfile.write(tmp_path / "ramp.wav", np.arange(30000.0) / 32768, 44100, subtype="PCM_16")
    starts = [
        round(32768 * read_signal(tmp_path / "ramp.wav", offset=offset, n_samples=1)[0])
        for offset in numbers["offsets_s"]
    ]
    assert starts == numbers["starts"]


def test_reading_file_objects(stereo):
    path, samples = stereo
    with path.open("rb") as file:
        np.testing.assert_array_equal(read_signal(file, offset=0.01), samples[441:])
    np.testing.assert_array_equal(read_signal(io.BytesIO(path.read_bytes())), samples)
    with pytest.raises(ValueError, match="the audio file: cannot be read as audio"):
        read_signal(io.BytesIO(b"no audio"))


def test_read_signal_at_another_rate(peer, stereo, tmp_path):
    file, samples = stereo
    np.testing.assert_array_equal(read_signal(file, 32000), resample(samples, 44100, 32000))
    numbers = peer["files"]
    write_signal(tmp_path / "long.wav", noise(5, (1000, 2)), 44100)
    part = read_signal(tmp_path / "long.wav", **numbers["part"])
    np.testing.assert_allclose(part[::20], numbers["read_part_every_20th"], atol=1e-9)


def test_mono_and_empty_files(tmp_path):
    soundfile.write(tmp_path / "mono.wav", np.zeros(7), 16000)
    soundfile.write(tmp_path / "none.wav", np.zeros((0, 2)), 16000)
    assert read_signal(tmp_path / "mono.wav").shape == (7,)
    assert read_signal(tmp_path / "none.wav", 32000).shape == (0, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sample_rate": 32000, "allow_resample": False}, "32000 Hz expected, the file has 44100"),
        ({"n_channels": 1}, "1 channels expected, the file has 2"),
        ({"offset": 1001, "offset_is_samples": True}, "sample 1001 of a file of 1000 samples"),
        ({"offset": 1.0}, "sample 44100 of a file of 1000"),
        ({"offset": -1, "offset_is_samples": True}, "sample -1 of"),
        ({"sample_rate": -5}, "above 0 Hz"),
    ],
)
def test_read_signal_refuses(stereo, arguments, message):
    with pytest.raises(ValueError, match=message):
        read_signal(stereo[0], **arguments)


def test_read_signal_of_no_file_and_of_no_audio(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none.wav: no such file"):
        read_signal(tmp_path / "none.wav")
    for content in (b"", b"not audio at all" * 20):
        (tmp_path / "bad.wav").write_bytes(content)
        with pytest.raises(ValueError, match=r"bad.wav: cannot be read as audio"):
            read_signal(tmp_path / "bad.wav")


def test_a_byte_order_mark_is_no_part_of_json(tmp_path):
    (tmp_path / "a.json").write_bytes(b"\xef\xbb\xbf[1]")
    assert read_json(tmp_path / "a.json") == [1]
