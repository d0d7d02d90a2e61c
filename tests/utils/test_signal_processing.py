"""Levels, clipping, sample formats and sampling rates."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from clarity.utils.signal_processing import (
    Clipping,
    clip_signal,
    compute_rms,
    denormalize_signals,
    limited_to_16bit,
    normalize_signal,
    resample,
    resample_blocks,
    to_16bit,
)
from tests.utils.references.signals import noise


@pytest.fixture
def numbers(peer):
    return peer["signal_processing"]


@pytest.mark.parametrize(
    ("soft", "signal_key", "count_key"),
    [(False, "clipped", "n_clipped"), (True, "soft_clipped", "n_soft_clipped")],
)
def test_clipping_is_the_peers(numbers, soft, signal_key, count_key):
    levels = np.array(numbers["levels"])
    clipped, n_clipped = clip_signal(levels, soft)
    np.testing.assert_allclose(clipped, numbers[signal_key], rtol=1e-15)
    assert n_clipped == numbers[count_key]
    assert levels.tolist() == numbers["levels"], "the caller's signal was written to"


def test_lists_can_be_clipped():
    for soft, expected in ((False, [1.0, -1.0, 0.5]), (True, np.tanh([2.0, -3.0, 0.5]))):
        clipped, n_clipped = clip_signal([2.0, -3.0, 0.5], soft)
        np.testing.assert_allclose(clipped, expected, rtol=1e-15)
        assert n_clipped == (0 if soft else 2)


def test_clipping_counts_all_channels_but_not_nan():
    clipped, n_clipped = clip_signal(np.array([[2.0, -2.0], [np.nan, 1.0]]))
    assert n_clipped == 2
    np.testing.assert_array_equal(clipped, [[1.0, -1.0], [np.nan, 1.0]])


def test_what_was_limited_is_counted_over_all_blocks_and_channels():
    clipping = Clipping()
    blocks = [np.array([[0.5, -3.0], [1.5, 0.0]]), np.array([[2.0, 0.25]])]
    limited = list(limited_to_16bit(iter(blocks), False, clipping))
    assert np.concatenate(limited).tolist() == [[16384, -32768], [32767, 0], [32767, 8192]]
    assert clipping == Clipping(n_clipped=3, n_samples=6, peak=3.0)


def test_16_bit_samples_are_the_peers(numbers):
    samples = to_16bit(numbers["levels"])
    assert samples.dtype == np.int16
    assert samples.tolist() == numbers["to_16bit"]


def test_16_bit_samples_give_back_a_16_bit_file():
    every_sample = np.arange(-32768, 32768)
    assert to_16bit(every_sample / 32768).tolist() == every_sample.tolist()


def test_nan_has_no_16_bit_sample():
    with pytest.raises(ValueError, match="2 NaN samples"):
        to_16bit([0.0, np.nan, np.nan])


def test_rms(numbers):
    assert compute_rms(noise(1, (2, 500), 0.3) + 0.1) == pytest.approx(numbers["rms"], rel=1e-14)
    assert compute_rms([3.0, -4.0]) == pytest.approx(np.sqrt(12.5), rel=1e-15)
    assert compute_rms(np.array([30000, 30000], dtype=np.int16)) == 30000.0
    assert compute_rms([]) == 0.0


def test_normalisation_is_the_peers(numbers):
    normalized, ref = normalize_signal(noise(1, (2, 500), 0.3) + 0.1)
    np.testing.assert_allclose(normalized[:, ::50], numbers["normalized_every_50th"], rtol=1e-12)
    np.testing.assert_allclose(ref[::50], numbers["ref_every_50th"], rtol=1e-13)
    restored = denormalize_signals(noise(2, (4, 2, 500)), ref)
    np.testing.assert_allclose(
        restored[..., ::50], numbers["denormalized_every_50th"], rtol=1e-12, atol=1e-15
    )


def test_normalisation_can_be_undone():
    signal = noise(7, (2, 1000)) + 0.3
    normalized, ref = normalize_signal(signal)
    assert normalized.mean() == pytest.approx(0.0, abs=1e-14)
    assert normalized.mean(0).std() == pytest.approx(1.0)
    np.testing.assert_allclose(denormalize_signals(normalized, ref), signal, atol=1e-14)


@pytest.mark.parametrize("signal", [np.zeros((2, 10)), np.outer([1.0, -1.0], np.arange(10.0))])
def test_normalisation_of_silence_and_of_channels_that_cancel(signal):
    normalized, ref = normalize_signal(signal)
    np.testing.assert_array_equal(normalized, signal)
    np.testing.assert_array_equal(denormalize_signals(normalized, ref), signal)


def test_resampling_is_the_peers(numbers):
    for case in numbers["resampled"]:
        resampled = resample(noise(3, (1000, 2)), *case["rates"], case["method"])
        assert len(resampled) == case["n_samples"], case["method"]
        np.testing.assert_allclose(
            resampled[::50], case["every_50th"], atol=1e-12, err_msg=f"{case['rates']}"
        )


def test_resampling_in_three_dimensions_is_the_peers(numbers):
    for case in numbers["resampled_in_3d"]:
        resampled = resample(noise(9, (40, 2, 3)), 44100, 32000, case["method"])
        assert resampled.shape[1:] == (2, 3)
        np.testing.assert_allclose(resampled[::5], case["resampled_every_5th"], atol=1e-12)


@pytest.mark.parametrize("method", ["soxr", "polyphase", "fft"])
def test_resampled_tone_keeps_its_pitch_and_level(method):
    def tone(rate):
        return 0.5 * np.sin(2 * np.pi * 1000 * np.arange(rate) / rate)

    inner = slice(3000, -3000)
    np.testing.assert_allclose(
        resample(tone(44100), 44100, 32000, method)[inner], tone(32000)[inner], atol=1e-3
    )


def test_equal_rates_leave_the_signal_alone():
    signal = noise(8, 100)
    assert resample(signal, 44100, 44100.0) is signal


@pytest.mark.parametrize("method", ["soxr", "fft"])
def test_resampling_of_nothing(method):
    assert resample(np.zeros((0, 2)), 44100, 32000, method).shape == (0, 2)


def test_integers_that_no_audio_file_has_become_floats():
    ramp = np.arange(1000)
    np.testing.assert_allclose(resample(ramp, 2, 1), resample(ramp.astype(float), 2, 1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros(9), 44100, 0), "above 0 Hz"),
        ((np.zeros(9), -1, 44100), "above 0 Hz"),
        ((np.zeros((3, 3, 3)), 44100, 32000), r"\(3, 3, 3\)"),
        ((np.float64(1), 44100, 32000, "fft"), r"\(\)"),
        ((np.zeros(9), 44100, 32000, "linear"), "'linear': choose soxr, polyphase or fft"),
    ],
)
def test_resampling_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        resample(*arguments)


@pytest.mark.parametrize("rates", [(44100, 32000), (32000, 24000), (24000, 44100), (8000, 8000)])
@pytest.mark.parametrize("shape", [(10007,), (10007, 2), (1, 2), (3, 2)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_resampling_in_blocks_is_the_same(rates, shape, dtype):
    signal = noise(12, shape).astype(dtype)
    cuts = [0, 1, 2, 900, 901, 7000, len(signal)]
    blocks = [signal[start:stop] for start, stop in pairwise(cuts) if start < len(signal)]
    together = np.concatenate(list(resample_blocks(blocks, *rates)))
    np.testing.assert_array_equal(together, resample(signal, *rates))


def test_resampling_of_no_blocks():
    assert list(resample_blocks([], 44100, 32000)) == []


@pytest.mark.parametrize(
    ("shape", "rates", "message"),
    [((9,), (44100, 0), "above 0 Hz"), ((9,), (-1, 8), "above 0 Hz"), ((3, 3, 3), (2, 1), "3, 3")],
)
def test_resampling_in_blocks_refuses_the_same(shape, rates, message):
    with pytest.raises(ValueError, match=message):
        list(resample_blocks([np.zeros(shape)], *rates))
