"""The separator around a torch module."""

import numpy as np
import pytest
import torch

from clarity.separation.base import VDBO, Mixture
from clarity.separation.segmented import SegmentedSeparator


class Shares(torch.nn.Module):
    """Fixed shares of the mixture; remembers what it was given."""

    def __init__(self, shares=(0.4, 0.3, 0.2, 0.1)):
        super().__init__()
        self.shares = shares
        self._seen = []

    def forward(self, mixture):
        assert torch.is_inference_mode_enabled()
        assert mixture.dtype == torch.float32
        self._seen.append(mixture)
        return torch.stack([share * mixture for share in self.shares], dim=1)


def make(module=None, **settings):
    settings = {"sources": VDBO, "sample_rate": 1000, "device": "cpu", **settings}
    return SegmentedSeparator(module or Shares(), **settings)


def noise(n_samples, seed=0, n_channels=2):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (n_samples, n_channels))


@pytest.mark.parametrize("n_samples", [1, 2, 99, 100, 12000, 34567])
def test_stems_have_the_length_of_the_mixture(n_samples):
    signal = noise(n_samples)
    stems = make().separate(Mixture(signal, 1000))
    assert list(stems) == list(VDBO)
    for stem, share in zip(stems.values(), (0.4, 0.3, 0.2, 0.1), strict=True):
        assert stem.dtype == np.float32
        if n_samples == 100 or n_samples > 11000:
            np.testing.assert_allclose(stem, share * signal, atol=1e-7)
        assert stem.shape == signal.shape


def test_batching_changes_nothing():
    signal = noise(60000)
    one = make().separate(Mixture(signal, 1000))
    four = make(batch_size=4).separate(Mixture(signal, 1000))
    for name in VDBO:
        np.testing.assert_allclose(one[name], four[name], atol=1e-6)


def test_normalise_standardises_by_the_mono_mixture_and_back():
    signal = noise(15000) * [1.0, 0.2] + 0.3
    module = Shares((1.0, 0.5, 0.25, 0.0))
    stems = make(module, normalise=True).separate(Mixture(signal, 1000))

    mono = 0.5 * (signal[:, 0] + signal[:, 1])
    deviation = np.sqrt(np.mean((mono - mono.mean()) ** 2))
    standardised = (signal[:11000] - mono.mean()) / deviation
    np.testing.assert_allclose(module._seen[0][0].numpy().T, standardised, atol=2e-6)
    for stem, share in zip(stems.values(), module.shares, strict=True):
        expected = share * (signal - mono.mean()) + mono.mean()
        np.testing.assert_allclose(stem, expected, atol=1e-6)


def test_the_fade_at_the_end_goes_to_the_mean():
    signal = noise(3000) + 0.25
    stems = make(normalise=True).separate(Mixture(signal, 1000))
    mean = signal.mean()
    fade = np.concatenate([np.ones(2900), np.linspace(1, 0, 100)])[:, None]
    for stem, share in zip(stems.values(), Shares().shares, strict=True):
        np.testing.assert_allclose(stem, share * (signal - mean) * fade + mean, atol=1e-6)


@pytest.mark.parametrize("level", [0.0, 0.25])
def test_normalise_of_a_constant_mixture_is_no_nan(level):
    signal = np.full((12000, 2), level)
    stems = make(normalise=True).separate(Mixture(signal, 1000))
    for stem in stems.values():
        np.testing.assert_array_equal(stem, np.float32(level))


@pytest.mark.parametrize("n_samples", [1, 7, 1001, 30011])
@pytest.mark.parametrize("rate", [1600, 700])
def test_a_mixture_at_another_rate_is_resampled_and_back(n_samples, rate):
    time = np.arange(n_samples) / rate
    signal = 0.5 * np.sin(2 * np.pi * np.outer(time, [30.0, 55.0]))
    module = Shares()
    stems = make(module).separate(Mixture(signal, rate))
    n_model = sum(seen.shape[-1] for seen in module._seen)
    assert n_model >= min(100, n_samples * 1000 / rate)
    for stem, share in zip(stems.values(), module.shares, strict=True):
        assert stem.shape == signal.shape
        if n_samples == 30011:  # the ends lack what lies beyond them
            np.testing.assert_allclose(stem[300:-300], share * signal[300:-300], atol=2e-4)


def test_silence_stays_silence():
    for stem in make(normalise=True).separate(Mixture(np.zeros((500, 2)), 1000)).values():
        assert not stem.any()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sources": []}, "each stem once"),
        ({"sources": ["vocals", "vocals"]}, "each stem once"),
        ({"sample_rate": 0}, "sample_rate must be positive"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"mixed_precision": True}, "mixed_precision needs a CUDA device"),
        ({"overlap": -1.0}, "overlap"),
        ({"device": "abacus"}, "abacus"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        make(**settings)


@pytest.mark.parametrize(
    ("signal", "rate", "message"),
    [
        (np.zeros(10), 1000, "mono"),
        (np.zeros((0, 2)), 1000, "empty"),
        (np.full((10, 2), np.nan), 1000, "NaN"),
        (np.zeros((10, 2)), 0, "rate"),
    ],
)
def test_a_bad_mixture_is_refused(signal, rate, message):
    with pytest.raises(ValueError, match=message):
        Mixture(signal, rate)


def test_the_module_is_left_in_the_mode_it_was_in():
    class Noisy(Shares):
        def __init__(self):
            super().__init__()
            self.dropout = torch.nn.Dropout()
            self.frozen = torch.nn.BatchNorm1d(2)

        def forward(self, mixture):
            assert not (self.training or self.dropout.training)
            return super().forward(mixture)

    module = Noisy().train()
    module.frozen.eval()
    make(module).separate(Mixture(noise(50), 1000))
    assert (module.training, module.dropout.training, module.frozen.training) == (True, True, False)
    make(module.eval()).separate(Mixture(noise(50), 1000))
    assert not module.dropout.training
    module.train()
    with pytest.raises(ValueError, match="as many stems"):
        make(module, sources=["rest"]).separate(Mixture(noise(50), 1000))
    assert module.training


def test_sources_that_the_module_does_not_give_are_an_error():
    with pytest.raises(ValueError, match="as many stems"):
        make(sources=["vocals", "rest"]).separate(Mixture(noise(50), 1000))


def test_a_module_that_returns_no_tensor_is_an_error():
    class Named(torch.nn.Module):
        def forward(self, mixture):
            return {"vocals": mixture}

    with pytest.raises(ValueError, match="Named returned a dict, not a tensor"):
        make(Named()).separate(Mixture(noise(50), 1000))


def test_the_fingerprint_tells_settings_and_modules_apart():
    base = make().fingerprint()
    assert base == make().fingerprint()
    assert base == make(batch_size=7).fingerprint()
    others = [
        make(Shares((0.25, 0.25, 0.25, 0.25))),
        make(normalise=True),
        make(segment=5.0),
        make(overlap=0.2),
        make(sources=VDBO[::-1]),
        make(sample_rate=2000),
    ]
    assert len({base, *(other.fingerprint() for other in others)}) == 7
