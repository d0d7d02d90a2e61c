"""Integrated loudness."""

from __future__ import annotations

import json

import numpy as np
import pyloudnorm
import pytest

from clarity.utils.file_io import read_signal
from clarity.utils.loudness import SILENCE_LUFS, integrated_loudness
from tests.utils.references.signals import noise


@pytest.fixture
def numbers(peer):
    return peer["signal_processing"]


def test_loudness_is_the_peers(numbers):
    for case in numbers["loudness"]:
        signal = noise(4, (2 * case["rate"], 2), case["rms"])
        assert integrated_loudness(signal, case["rate"]) == pytest.approx(case["lufs"], abs=1e-9)


def test_loudness_of_the_standards_tone():
    # ITU-R BS.1770-4, Annex 1: a 997 Hz sine at 0 dBFS in one front channel reads -3.01 LUFS;
    # EBU Tech 3341 allows a meter 0.1 LU.
    rate = 48000
    tone = np.sin(2 * np.pi * 997 * np.arange(4 * rate) / rate)
    assert integrated_loudness(tone, rate) == pytest.approx(-3.01, abs=0.1)


def test_loudness_of_the_real_data(golden, cadenza_mini):
    expected = json.loads((golden / "small.json").read_text())["integrated_loudness_lufs"]
    (song,) = (cadenza_mini / "audio" / "music" / "train").glob("*/")
    for name, lufs in expected.items():
        loudness = integrated_loudness(read_signal(song / f"{name}.wav"), 44100)
        assert loudness == pytest.approx(lufs, abs=1e-9), name


@pytest.mark.parametrize("n_samples", [0, 1, 1000, 17639, 17640, 44100])
@pytest.mark.parametrize("amplitude", [0.0, 1e-6])
def test_what_the_gate_shuts_out_is_silent(n_samples, amplitude):
    assert integrated_loudness(np.full((n_samples, 2), amplitude), 44100) == SILENCE_LUFS == -80


def test_loudness_of_a_signal_shorter_than_a_block():
    # The same energy in one block: half as long is 3 dB softer.
    short = noise(9, (4410, 2))
    padded = np.concatenate((short, np.zeros((17640 - 4410, 2))))
    loudness = integrated_loudness(short, 44100)
    assert loudness == integrated_loudness(padded, 44100)
    assert integrated_loudness(2 * short, 44100) - loudness == pytest.approx(20 * np.log10(2))


@pytest.mark.parametrize("position", [5, 60000, -1])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_loudness_of_nan_is_refused(bad, position):
    signal = noise(10, 62000)  # ends in a part of a hop
    signal[position] = bad
    with pytest.raises(ValueError, match="NaN or infinite"):
        integrated_loudness(signal, 44100)


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
@pytest.mark.parametrize("n_channels", [1, 2, 5])
def test_loudness_is_pyloudnorms(rate, n_channels):
    # Loud, soft and silent passages, so that both gates shut, and lengths that leave a part block.
    rng = np.random.default_rng(rate + n_channels)
    for seconds in (0.4, 0.47, 1.0, 3.333, 7.05):
        signal = 0.1 * rng.standard_normal((int(rate * seconds), n_channels))
        for gain_db in (-30, -70, 10):
            start, stop = sorted(rng.integers(0, len(signal), 2))
            signal[start:stop] *= 10 ** (gain_db / 20)
        expected = pyloudnorm.Meter(rate).integrated_loudness(signal)
        assert integrated_loudness(signal, rate) == pytest.approx(expected, abs=1e-10)


def test_both_gates_change_the_loudness():
    # 10 s of noise, then 10 s that are 15 dB softer: 3 dB less if they counted.
    rate = 44100
    loud = noise(11, (10 * rate, 2))
    alone = integrated_loudness(loud, rate)
    for gain_db, counts in ((-15, False), (-80, False), (-5, True)):
        both = np.concatenate((loud, loud * 10 ** (gain_db / 20)))
        fraction = (1 + 10 ** (gain_db / 10)) / 2 if counts else 1.0
        assert integrated_loudness(both, rate) == pytest.approx(
            alone + 10 * np.log10(fraction), abs=0.1
        )


def test_loudness_of_six_channels_is_refused():
    with pytest.raises(ValueError, match="up to five channels, the signal has 6"):
        integrated_loudness(np.ones((44100, 6)), 44100)
