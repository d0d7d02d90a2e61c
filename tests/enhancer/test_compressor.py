"""Compressor: the peer's numbers, a plain loop, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from clarity.enhancer.compressor import Compressor
from clarity.utils.file_io import read_signal
from tests.utils.references.signals import bursts, noise


def test_output_is_the_peers(peer):
    for case in peer["compressor"]:
        output, rms, gains = Compressor(**case["settings"]).process(bursts(2, 44100, 44100))
        for computed, key in (
            (output, "output_every_500th"),
            (rms, "rms_every_500th"),
            (gains, "gains_every_500th"),
        ):
            np.testing.assert_allclose(
                computed[::500], case[key], rtol=0, atol=1e-10, err_msg=f"{key} {case['settings']}"
            )
        assert np.sum(np.square(output)) == pytest.approx(case["output_square_sum"], rel=1e-10)
        assert np.sum(gains) == pytest.approx(case["gains_sum"], rel=1e-12)


def test_output_on_real_music_is_the_peers(golden, cadenza_mini):
    (song,) = (cadenza_mini / "audio" / "music" / "train").glob("*/")
    music = read_signal(song / "mixture.wav")[:88200, 0]
    for case in json.loads((golden / "compressor.json").read_text())["cases"]:
        output, rms, gains = Compressor(**case["settings"]).process(music)
        for computed, key in ((output, "output"), (rms, "rms"), (np.array(gains), "gain")):
            np.testing.assert_allclose(computed[case["index"]], case[key], rtol=0, atol=1e-10)
        assert output.sum() == pytest.approx(case["output_sum"], abs=1e-8)
        assert np.sum(gains) == pytest.approx(case["gain_sum"], abs=1e-8)


@pytest.mark.parametrize("n_window", [1, 2, 7, 99, 100, 101, 500])
def test_level_is_that_of_every_window(n_window):
    signal = noise(3, 100)
    _, rms, _ = Compressor(fs=1000, rms_buffer_size=(n_window + 0.5) / 1000).process(signal)
    windows = [signal[max(0, i + 1 - n_window) : i + 1] for i in range(100)]
    expected = [np.sqrt(np.sum(window**2) / n_window + 1e-8) for window in windows]
    np.testing.assert_allclose(rms, expected, rtol=1e-13)


def test_silence_after_loud_sound_is_silent():
    signal = np.concatenate((noise(4, 44100, 1e4), np.zeros(44100)))
    _, rms, _ = Compressor(rms_buffer_size=0.064).process(signal)
    np.testing.assert_array_equal(rms[44100 + 2822 :], 1e-4)


def test_nan_is_forgotten_with_its_window():
    signal = noise(5, 1000)
    signal[100] = np.nan
    output, rms, gains = Compressor(fs=1000, rms_buffer_size=0.05).process(signal)
    assert np.flatnonzero(np.isnan(rms)).tolist() == list(range(100, 150))
    assert np.flatnonzero(np.isnan(output)).tolist() == [100]
    assert np.all(np.isfinite(gains))


def test_steady_loud_tone_is_led_to_the_target_and_back():
    # A constant of 0.8 has that RMS: the gain tends to 0.5 * 0.8 + 0.5 * 0.2.
    compressor = Compressor(
        fs=1000, attack=10, release=10, threshold=0.2, attenuation=0.5, rms_buffer_size=0.01
    )
    output, _, gains = compressor.process(np.concatenate((np.full(500, 0.8), np.zeros(500))))
    assert gains[499] == pytest.approx(0.5, abs=1e-6)
    assert output[499] == pytest.approx(0.4, abs=1e-6)
    assert gains[-1] == pytest.approx(1.0, abs=1e-9)
    # From one sample to the next a tenth of the way is gone: 1000 Hz times 10 ms is ten samples.
    assert gains[0] == pytest.approx(0.9 + 0.1 * (0.5 * np.sqrt(0.064 + 1e-8) + 0.1), rel=1e-12)


def test_soft_sound_passes_and_is_made_up():
    signal = noise(6, 1000, 0.01)
    output, _, gains = Compressor(threshold=0.5, makeup_gain=2.0).process(signal)
    assert set(gains) == {1.0}
    np.testing.assert_array_equal(output, 2.0 * signal)


def test_level_at_the_threshold_is_not_above_it():
    silence = np.zeros(100)
    level = float(np.sqrt(1e-8))
    assert set(Compressor(threshold=level).process(silence)[2]) == {1.0}
    assert Compressor(threshold=np.nextafter(level, 0)).process(silence)[2][0] < 1.0


def test_each_signal_starts_anew():
    compressor = Compressor(threshold=0.05, rms_buffer_size=0.01)
    first, second = (compressor.process(bursts(7, 9000, 44100)) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    assert first[2] == second[2]


def test_times_can_be_changed():
    compressor = Compressor(threshold=0.05)
    compressor.set_attack(10)
    compressor.set_release(50)
    expected = Compressor(threshold=0.05, attack=10, release=50)
    assert compressor.attack == expected.attack == pytest.approx(1 / 441, rel=1e-14)
    assert compressor.release == expected.release == pytest.approx(1 / 2205, rel=1e-14)


def test_the_window_has_the_length_of_the_level():
    window = Compressor(fs=1000, rms_buffer_size=0.0505).window
    assert window.tolist() == [1.0] * 50


def test_unknown_keywords_warn():
    # Configurations are passed whole, as compressor(**cfg.compressor).
    with pytest.warns(UserWarning, match="the compressor has no parameter ratio, knee") as caught:
        compressor = Compressor(threshold=0.35, ratio=2, knee=1)
    assert compressor.threshold == 0.35
    assert caught[0].filename == __file__


def test_integers_and_lists_are_signals():
    compressor = Compressor(threshold=0.5)
    expected = compressor.process(np.array([200.0, 30000.0]))
    np.testing.assert_array_equal(
        compressor.process(np.array([200, 30000], dtype=np.int16))[1], expected[1]
    )
    assert compressor.process([200, 30000])[2] == expected[2]


@pytest.mark.parametrize("signal", [np.zeros(0), np.zeros((10, 2)), 1.0])
def test_one_channel_at_a_time(signal):
    with pytest.raises(ValueError, match="one channel at a time"):
        Compressor().process(signal)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"attack": 0}, r"attack must be one sample \(0.0227 ms\) or longer, got 0 ms"),
        ({"release": -5}, "release must be"),
        ({"attack": np.nan}, "attack must be"),
        ({"rms_buffer_size": 0}, "rms_buffer_size must be"),
        ({"rms_buffer_size": 1e-5}, "rms_buffer_size must be"),
        ({"fs": 0}, "fs must be"),
        ({"threshold": -0.1}, "threshold must be 0 or more"),
        ({"attenuation": np.nan}, "attenuation must be"),
        ({"makeup_gain": np.inf}, "makeup_gain must be"),
    ],
)
def test_compressors_that_cannot_be(settings, message):
    with pytest.raises(ValueError, match=message):
        Compressor(**settings)
    if settings.keys() & {"attack", "release"}:
        ((name, value),) = settings.items()
        with pytest.raises(ValueError, match=message):
            getattr(Compressor(), f"set_{name}")(value)
        with pytest.raises(ZeroDivisionError, match=message):
            Compressor(**settings)
