"""Gains, loudness and the hearing aid."""

from __future__ import annotations

import numpy as np
import pytest

from clarity.enhancer.compressor import Compressor
from clarity.enhancer.nalr import NALR
from clarity.utils.audiogram import AUDIOGRAM_MILD, AUDIOGRAM_MODERATE, Listener
from clarity.utils.loudness import integrated_loudness
from recipes.cad_icassp_2024.baseline.hearing_aid import HearingAid
from recipes.cad_icassp_2024.baseline.remix import remix, remix_to_loudness
from recipes.cad_icassp_2024.pyclarity import (
    apply_gains,
    apply_ha,
    level_normalisation,
    process_remix_for_listener,
    remix_stems,
)
from tests.recipes.tiny_dataset import make_stems

RATE = 44100
GAINS = {"vocals": 6.0, "drums": 0.0, "bass": -3.0, "other": -10.0}


@pytest.fixture(scope="module")
def stems() -> dict[str, np.ndarray]:
    return make_stems(1.5, RATE, 3)


def sum_stems(stems):
    return remix(stems.items(), dict.fromkeys(stems, 0.0))


def test_a_gain_is_a_difference_in_loudness(stems):
    raised = apply_gains(stems, RATE, GAINS)
    for name, gain_db in GAINS.items():
        before = integrated_loudness(stems[name], RATE)
        assert integrated_loudness(raised[name], RATE) - before == pytest.approx(gain_db, abs=1e-9)
        assert raised[name].std() / stems[name].std() == pytest.approx(10 ** (gain_db / 20))


def test_a_silent_stem_stays_silent_whatever_its_gain(stems):
    silent = apply_gains({"vocals": np.zeros((RATE, 2))}, RATE, {"vocals": 10})
    assert not silent["vocals"].any()


def test_a_stem_without_a_gain_is_an_error(stems):
    for kind in (ValueError, KeyError):
        with pytest.raises(kind, match="no gain for drums"):
            apply_gains(stems, RATE, {"vocals": 1, "bass": 1, "other": 1})


def test_stems_with_channels_first_are_turned_round_as_the_peer_does(stems):
    turned = apply_gains({"bass": stems["bass"].T}, RATE, GAINS)
    np.testing.assert_array_equal(turned["bass"], apply_gains(stems, RATE, GAINS)["bass"])


def test_the_remix_has_the_loudness_of_the_mixture(stems):
    mixture = 0.5 * sum_stems(stems)
    remix = remix_stems(apply_gains(stems, RATE, GAINS), mixture, RATE)
    target = integrated_loudness(mixture, RATE)
    assert integrated_loudness(remix, RATE) == pytest.approx(target, abs=1e-9)
    np.testing.assert_allclose(
        remix_to_loudness(stems.items(), GAINS, target, RATE), remix, rtol=0, atol=1e-15
    )


def test_normalising_to_silence_goes_to_minus_80_lufs(stems):
    quiet = level_normalisation(stems["bass"], np.zeros((RATE, 2)), RATE)
    expected_db = -80 - integrated_loudness(stems["bass"], RATE)
    assert 20 * np.log10(quiet.std() / stems["bass"].std()) == pytest.approx(expected_db, abs=1e-9)


def test_stems_of_two_lengths_are_an_error(stems):
    other = {"vocals": stems["vocals"], "drums": stems["drums"][:-1]}
    with pytest.raises(ValueError, match="stem drums has the shape"):
        sum_stems(other)


def test_no_stems_is_an_error():
    with pytest.raises(ValueError, match="no stems"):
        sum_stems({})


def test_each_ear_gets_its_own_audiogram(stems):
    nalr = NALR(220, RATE)
    listener = Listener(AUDIOGRAM_MILD, AUDIOGRAM_MODERATE, "L1")
    both = process_remix_for_listener(stems["vocals"], nalr, None, listener)
    assert both.shape == (len(stems["vocals"]) + 220, 2)
    for ear, audiogram in enumerate((AUDIOGRAM_MILD, AUDIOGRAM_MODERATE)):
        expected = np.convolve(stems["vocals"][:, ear], nalr.build(audiogram)[0])
        np.testing.assert_allclose(both[:, ear], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("compressor", [None, Compressor(fs=RATE, threshold=0.1)])
def test_amplifying_in_blocks_is_the_same_as_ear_by_ear(stems, compressor):
    nalr, signal = NALR(220, RATE), stems["vocals"]
    listener = Listener(AUDIOGRAM_MILD, AUDIOGRAM_MODERATE, "L1")
    aid = HearingAid(nalr, compressor)
    blocks = list(aid.amplify_blocks(signal, listener))
    assert (len(blocks) > 1) == aid.works_in_blocks == (compressor is None)
    for ear, audiogram in enumerate((AUDIOGRAM_MILD, AUDIOGRAM_MODERATE)):
        alone = apply_ha(nalr, compressor, signal[:, ear], audiogram, compressor is not None)
        np.testing.assert_array_equal(np.concatenate(blocks)[:, ear], alone)


class Halver:
    """An entrant's own hearing aid: no nfir, and every second sample only."""

    def build(self, audiogram):
        return 0.5, None

    def apply(self, fir, signal):
        return fir * signal[::2]


def test_any_hearing_aid_with_build_and_apply_will_do(stems):
    listener = Listener(AUDIOGRAM_MILD, AUDIOGRAM_MODERATE, "L1")
    assert not HearingAid(Halver()).works_in_blocks
    out = process_remix_for_listener(stems["bass"], Halver(), None, listener)
    np.testing.assert_array_equal(out, 0.5 * stems["bass"][::2])
    for wrong in (stems["bass"].T, np.zeros((900, 3)), np.zeros(900)):
        with pytest.raises(ValueError, match=r"has the shape \(samples, 2\), left and right, not"):
            process_remix_for_listener(wrong, NALR(220, RATE), None, listener)


def test_the_compressor_follows_when_asked_for(stems):
    nalr, ear = NALR(220, RATE), stems["vocals"][:, 0]
    compressor = Compressor(fs=RATE, attack=50, release=1000, threshold=0.1, attenuation=0.1)
    plain = apply_ha(nalr, compressor, ear, AUDIOGRAM_MILD)
    compressed = apply_ha(nalr, compressor, ear, AUDIOGRAM_MILD, apply_compressor=True)
    np.testing.assert_array_equal(compressed, compressor.process(plain)[0])
    assert compressed.std() < 0.99 * plain.std()
    with pytest.raises(ValueError, match="no compressor"):
        apply_ha(nalr, None, ear, AUDIOGRAM_MILD, apply_compressor=True)
