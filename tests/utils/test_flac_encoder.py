"""FLAC files: lossless, the peer's samples, whole or not at all."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import soundfile

from clarity.utils.flac_encoder import (
    FileDecoder,
    FlacEncoder,
    WavEncoder,
    read_flac_signal,
    save_flac_signal,
)
from clarity.utils.memory import BLOCK_ROWS
from tests.utils.references.signals import noise


@pytest.mark.parametrize("level", [0, 5, 8])
@pytest.mark.parametrize("shape", [1, 1000, (1000, 2)])
def test_round_trip_is_lossless(tmp_path, level, shape):
    samples = np.random.RandomState(1).randint(-32768, 32768, shape).astype(np.int16)
    encoded = FlacEncoder(level).encode(samples, 32000, tmp_path / "x.flac")
    assert (tmp_path / "x.flac").read_bytes() == encoded
    decoded, rate = FlacEncoder.decode(tmp_path / "x.flac")
    assert rate == 32000.0
    assert decoded.dtype == np.int16
    np.testing.assert_array_equal(decoded, samples)


@pytest.mark.parametrize("shape", [(10007,), (10007, 2)])
def test_blocks_make_the_same_stream(shape):
    samples = np.random.RandomState(2).randint(-32768, 32768, shape).astype(np.int16)
    blocks = [samples[:1], samples[1:1], samples[1:5000], samples[5000:]]
    assert FlacEncoder().encode(iter(blocks), 32000) == FlacEncoder().encode(samples, 32000)
    with pytest.raises(ValueError, match="needs one sample or more"):
        FlacEncoder().encode(iter([samples[:0]]), 32000)
    with pytest.raises(ValueError, match="16-bit integer samples here, got float64"):
        FlacEncoder().encode(iter([samples / 2]), 32000)


def test_a_signal_in_blocks_takes_little_memory(tmp_path):
    block = np.zeros((44100, 2))
    tracemalloc.start()
    save_flac_signal((block for _ in range(60)), tmp_path / "x.flac", 44100, 32000, True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert FlacEncoder.decode(tmp_path / "x.flac")[0].shape == (60 * 32000, 2)
    assert peak < 8 * block.nbytes < 60 * block.nbytes / 5


def test_higher_levels_are_smaller():
    tones = np.sin(np.outer(np.arange(44100) / 44100, [2000, 3000])) * 9000
    sizes = [len(FlacEncoder(level).encode(tones.astype(np.int16), 44100)) for level in (0, 5, 8)]
    assert sizes[0] > sizes[1] >= sizes[2]


def test_encoder_refuses_what_it_would_change(tmp_path):
    with pytest.raises(ValueError, match="float64"):
        FlacEncoder().encode(np.zeros(9), 44100)
    with pytest.raises(ValueError, match="one sample or more"):
        FlacEncoder().encode(np.zeros((0, 2), dtype=np.int16), 44100)
    with pytest.raises(ValueError, match="from 0 to 8, got 9"):
        FlacEncoder(9)
    soundfile.write(tmp_path / "deep.flac", noise(1, 100), 44100, subtype="PCM_24")
    with pytest.raises(ValueError, match=r"deep.flac: holds PCM_24 samples"):
        FlacEncoder.decode(tmp_path / "deep.flac")


def test_saved_and_read_signals_are_the_peers(peer, tmp_path):
    for case in peer["flac"]["cases"]:
        file = tmp_path / "x.flac"
        save_flac_signal(noise(6, (500, 2), 0.4), file, 44100, **case["options"])
        samples, rate = FlacEncoder.decode(file)
        assert rate == case["rate"]
        # One step for a resampled value that lies within rounding of a whole number.
        atol = 1 if "output_sample_rate" in case["options"] else 0
        np.testing.assert_allclose(samples[::10], case["samples_every_10th"], rtol=0, atol=atol)
        read, _ = read_flac_signal(file)
        assert read.dtype == np.float32
        np.testing.assert_allclose(read[::50], case["read_every_50th"], rtol=1e-6, atol=atol / 3e4)
        peak_file = file.with_suffix(".txt")
        if case["peak_text"] is None:
            assert not peak_file.exists()
        else:
            assert float(peak_file.read_text()) == pytest.approx(float(case["peak_text"]))


def test_clipping_is_counted(tmp_path, caplog):
    signal = np.array([[0.5, 1.5], [-1.5, -1.0], [2.0, 0.0]])
    save_flac_signal(signal, tmp_path / "x.flac", 44100, do_clip_signal=True)
    assert "x.flac: 3 samples clipped" in caplog.text
    assert FlacEncoder.decode(tmp_path / "x.flac")[0].tolist() == [
        [16384, 32767],
        [-32768, -32768],
        [32767, 0],
    ]


def test_scaling_of_silence_gives_silence(tmp_path):
    save_flac_signal(np.zeros((100, 2)), tmp_path / "x.flac", 44100, do_scale_signal=True)
    assert not read_flac_signal(tmp_path / "x.flac")[0].any()


def test_peak_of_an_earlier_version_is_forgotten(tmp_path):
    signal = noise(2, 100)
    save_flac_signal(signal, tmp_path / "x.flac", 44100, do_scale_signal=True)
    save_flac_signal(signal, tmp_path / "x.flac", 44100)
    np.testing.assert_allclose(read_flac_signal(tmp_path / "x.flac")[0], signal, atol=1 / 32768)


def test_a_text_file_that_is_none_of_ours_stays(tmp_path):
    notes = tmp_path / "x.txt"
    notes.write_text("take 3, 2 microphones")
    save_flac_signal(noise(2, 100), tmp_path / "x.flac", 44100)
    assert notes.read_text() == "take 3, 2 microphones"
    with pytest.raises(ValueError, match=r"x.txt: holds something else than a peak; move it away"):
        save_flac_signal(noise(2, 100), tmp_path / "x.flac", 44100, do_scale_signal=True)
    assert notes.read_text() == "take 3, 2 microphones"


def test_encoder_and_decoder_of_one_file(tmp_path):
    samples = np.random.RandomState(3).randint(-32768, 32768, (1000, 2)).astype(np.int16)
    encoder = WavEncoder(samples, 32000, tmp_path / "x.flac", verify=True)
    assert encoder.process() == (tmp_path / "x.flac").read_bytes()
    decoded, rate = FileDecoder(tmp_path / "x.flac", tmp_path / "x.wav").process()
    assert (decoded.dtype, rate, type(rate)) == (np.int16, 32000, int)
    np.testing.assert_array_equal(decoded, samples)
    np.testing.assert_array_equal(soundfile.read(tmp_path / "x.wav", dtype="int16")[0], samples)
    assert WavEncoder(samples[:, 0], 32000, compression_level=8).process().startswith(b"fLaC")


def test_nan_is_refused_and_leaves_no_file(tmp_path):
    with pytest.raises(ValueError, match="NaN"):
        save_flac_signal(np.array([0.0, np.nan]), tmp_path / "x.flac", 44100, do_clip_signal=True)
    assert not list(tmp_path.iterdir())


def test_reading_no_flac(tmp_path):
    for read in (read_flac_signal, FlacEncoder.decode):
        with pytest.raises(FileNotFoundError, match=r"none.flac: no such file"):
            read(tmp_path / "none.flac")
        for content in (b"", b"fLaC and nothing more"):
            (tmp_path / "bad.flac").write_bytes(content)
            with pytest.raises(ValueError, match=r"bad.flac: cannot be read as audio"):
                read(tmp_path / "bad.flac")


def test_a_long_signal_is_clipped_and_counted_from_end_to_end(tmp_path, caplog):
    signal = noise(5, (2 * BLOCK_ROWS + 7, 2)).clip(-0.9, 0.9)
    signal[[0, BLOCK_ROWS - 1, BLOCK_ROWS, -1]] = 1.5, -1.5
    save_flac_signal(signal, tmp_path / "x.flac", 44100, do_clip_signal=True)
    assert "x.flac: 8 samples clipped" in caplog.text
    written, _ = FlacEncoder.decode(tmp_path / "x.flac")
    expected = np.trunc(32768 * signal).clip(-32768, 32767)
    np.testing.assert_array_equal(written, expected)


def test_reading_half_a_flac(tmp_path):
    encoded = FlacEncoder().encode((noise(3, 50000) * 32768).astype(np.int16), 44100)
    (tmp_path / "half.flac").write_bytes(encoded[: len(encoded) // 2])
    with pytest.raises(ValueError, match=r"half.flac"):
        read_flac_signal(tmp_path / "half.flac")


def test_reading_with_a_peak_that_is_no_number(tmp_path):
    save_flac_signal(noise(4, 100), tmp_path / "x.flac", 44100)
    (tmp_path / "x.txt").write_text("notes on this song")
    with pytest.raises(ValueError, match=r"x.txt: must hold the peak that x.flac was scaled by"):
        read_flac_signal(tmp_path / "x.flac")
