"""Harmonic-percussive separation: what must hold for any, and for simple, signals."""

import itertools

import numpy as np
import pytest
import torch
from scipy.ndimage import median_filter

from clarity.separation.base import VDBO, Mixture
from clarity.separation.hpss import HarmonicPercussive, _median_network, running_median
from clarity.separation.segmented import SegmentedSeparator

RATE = 44100


@pytest.mark.parametrize("n_values", [1, 3, 5, 7, 9, 11, 13])
def test_the_network_finds_the_median_of_all_binary_lists(n_values):
    # A network of minima and maxima that is right for zeros and ones is right for all numbers
    # (the 0-1 principle, Knuth 5.3.4).
    for bits in itertools.product([0, 1], repeat=n_values):
        values = list(bits)
        for low, high in _median_network(n_values):
            values[low], values[high] = sorted((values[low], values[high]))
        assert values[n_values // 2] == sorted(bits)[n_values // 2]


@pytest.mark.parametrize("n_window", [1, 3, 17, 31])
@pytest.mark.parametrize("dim", [1, 2])
def test_running_median_equals_scipys(n_window, dim):
    signal = torch.from_numpy(np.random.default_rng(n_window).standard_normal((2, 30, 12)))
    size = [1, 1, 1]
    size[dim] = n_window
    expected = median_filter(signal.numpy(), size=size, mode="nearest")
    np.testing.assert_array_equal(running_median(signal, n_window, dim).numpy(), expected)


@pytest.mark.parametrize("n_samples", [1, 2, 1000, 4097, 50001])
@pytest.mark.parametrize("n_channels", [1, 2])
def test_the_stems_sum_to_the_mixture(n_samples, n_channels):
    mixture = torch.from_numpy(
        np.random.default_rng(1).uniform(-1, 1, (2, n_channels, n_samples)).astype(np.float32)
    )
    stems = HarmonicPercussive(sample_rate=RATE)(mixture)
    assert stems.shape == (2, 4, n_channels, n_samples)
    np.testing.assert_allclose(stems.sum(dim=1), mixture, atol=1e-6)


def test_the_stems_of_a_song_in_segments_sum_to_it():
    song = np.random.default_rng(6).uniform(-1, 1, (12 * RATE, 2))
    separator = SegmentedSeparator(
        HarmonicPercussive(sample_rate=RATE), sources=VDBO, sample_rate=RATE, device="cpu"
    )
    stems = separator.separate(Mixture(song, RATE))
    np.testing.assert_allclose(sum(stems.values()), song, atol=1e-6)


def strongest(left, right):
    """Which stem gets a signal, and what share of its energy."""
    mixture = torch.from_numpy(np.stack([left, right]).astype(np.float32))[None]
    energies = HarmonicPercussive(sample_rate=RATE)(mixture)[0].square().sum(dim=(1, 2))
    share = energies / mixture.square().sum()
    return VDBO[int(share.argmax())], float(share.max())


def test_simple_sounds_go_where_they_belong():
    time = np.arange(RATE) / RATE
    low, mid = np.sin(2 * np.pi * 80 * time), np.sin(2 * np.pi * 1000 * time)
    clicks = np.zeros_like(time)
    clicks[5000::11025] = 1.0
    silence = np.zeros_like(time)
    for stem, left, right in [
        ("drums", clicks, clicks),
        ("bass", low, low),
        ("vocals", mid, mid),
        ("vocals", mid, -mid),  # the similarity knows no phase: ears differ in it
        ("other", mid, silence),
        ("other", silence, mid),
    ]:
        name, share = strongest(left, right)
        assert name == stem
        assert share > 0.95


def test_the_stems_of_a_mixture_do_not_depend_on_its_level():
    mixture = torch.from_numpy(np.random.default_rng(2).uniform(-1, 1, (1, 2, 20000)))
    model = HarmonicPercussive(sample_rate=RATE).double()
    np.testing.assert_allclose(model(0.01 * mixture), 0.01 * model(mixture), atol=1e-7)


def test_silence_gives_silence():
    assert not HarmonicPercussive()(torch.zeros(1, 2, 9000)).any()


def test_a_median_filter_without_a_middle_is_refused():
    with pytest.raises(ValueError, match="odd"):
        HarmonicPercussive(n_median=16)
