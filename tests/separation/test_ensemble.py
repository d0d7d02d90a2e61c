"""The ensemble is the weighted mean, and its models can take turns in memory."""

from __future__ import annotations

import weakref

import numpy as np
import pytest

from clarity.separation.base import VDBO, Mixture, needs_true_stems
from clarity.separation.ensemble import EnsembleSeparator, OnDemandSeparator, shares
from clarity.separation.oracle import OracleSeparator
from clarity.separation.passthrough import PassthroughSeparator

MIXTURE = Mixture(np.random.default_rng(6).uniform(-1, 1, (40000, 2)), 8000)


class Noise:
    """Noise of its own for each stem."""

    sources = VDBO

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        self.stems = {
            name: rng.standard_normal(MIXTURE.signal.shape, dtype=np.float32) for name in VDBO
        }

    def separate(self, mixture):
        assert mixture is MIXTURE
        return self.stems


@pytest.fixture
def members():
    return [Noise(seed) for seed in range(3)]


def expect(stems, members, weights):
    assert list(stems) == list(VDBO)
    for name, stem in stems.items():
        assert stem.dtype == np.float32
        stacked = np.array([member.stems[name].astype(np.float64) for member in members])
        expected = np.average(stacked, axis=0, weights=weights[name])
        np.testing.assert_allclose(stem, expected, rtol=0, atol=3e-7 * np.abs(stacked).max())


@pytest.mark.parametrize("weights", [None, [1, 1, 1], [0.7, 0.3, 0.5], [0, 0, 2]])
def test_the_mean_of_the_members(members, weights):
    ensemble = EnsembleSeparator(members, VDBO, weights)
    kept = members[0].stems["bass"].copy()
    expect(ensemble.separate(MIXTURE), members, dict.fromkeys(VDBO, weights))
    np.testing.assert_array_equal(members[0].stems["bass"], kept)


def test_each_stem_can_have_weights_of_its_own(members):
    weights = {"vocals": [1, 0, 0], "drums": [1, 2, 3], "bass": [0, 1, 1], "other": [5, 5, 5]}
    stems = EnsembleSeparator(members, VDBO, weights).separate(MIXTURE)
    expect(stems, members, weights)
    np.testing.assert_array_equal(stems["vocals"], members[0].stems["vocals"])


def test_one_model_in_memory_at_a_time():
    alive = weakref.WeakSet()

    class Model(Noise):
        def __init__(self, seed):
            super().__init__(seed)
            alive.add(self)
            assert len(alive) == 1

    on_demand = [OnDemandSeparator(lambda seed=seed: Model(seed), VDBO) for seed in range(3)]
    stems = EnsembleSeparator(on_demand, VDBO, [1, 2, 3]).separate(MIXTURE)
    expect(stems, [Noise(seed) for seed in range(3)], {name: [1, 2, 3] for name in VDBO})
    assert not alive


def test_an_ensemble_with_the_oracle_reads_the_true_stems():
    assert needs_true_stems(EnsembleSeparator([Noise(1), OracleSeparator()], VDBO))
    assert not needs_true_stems(EnsembleSeparator([Noise(1), PassthroughSeparator()], VDBO))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1], r"2 members need 2 weights, vocals has \[1\]"),
        ([1, -1], "weights must be 0 or more and not all 0"),
        ([0, 0], "not all 0"),
        ([1, np.nan], "0 or more"),
        ([1, np.inf], "0 or more"),
        ("heavy", "no list of numbers"),
        ({"vocals": [1, 1]}, "weights for the stems vocals: must be for vocals, drums"),
        ({name: [1, 1] for name in (*VDBO, "guitar")}, "guitar: must be for"),
        ({**{name: [1, 1] for name in VDBO}, "bass": [0, 0]}, "not all 0, bass has"),
    ],
)
def test_weights_that_cannot_be(weights, message):
    with pytest.raises(ValueError, match=message):
        shares(weights, 2, VDBO)


def test_an_ensemble_of_none():
    with pytest.raises(ValueError, match="one member or more"):
        EnsembleSeparator([], VDBO)


def test_passthrough_shares_the_mixture_out():
    stems = PassthroughSeparator().separate(MIXTURE)
    assert list(stems) == list(VDBO)
    for stem in stems.values():
        assert stem.dtype == np.float32
        np.testing.assert_array_equal(stem, (MIXTURE.signal / 4).astype(np.float32))
