"""NAL-R: the peer's filters, the prescription by hand, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import scipy.signal

from clarity.enhancer.nalr import MAX_NFIR, NALR, NALR_FREQS, insertion_gain_db
from clarity.utils.audiogram import AUDIOGRAM_MILD, AUDIOGRAM_REF, STANDARD_AUDIOGRAMS, Audiogram
from tests.utils.references.signals import noise


def test_filters_are_the_peers(peer):
    for case in peer["nalr"]:
        nfir = case["nfir"]
        nalr = NALR(nfir, case["sample_rate"])
        fir, delay = nalr.build(Audiogram(case["levels"], case["frequencies"]))
        assert fir.shape == delay.shape == (nfir + 1,)
        np.testing.assert_allclose(fir[: nfir // 2 + 1], case["first_half"], rtol=0, atol=1e-12)
        np.testing.assert_allclose(fir, fir[::-1], rtol=0, atol=1e-11)
        assert delay.tolist() == [float(i == case["delay_peak"]) for i in range(nfir + 1)]
        output = nalr.apply(fir, noise(1, 500))
        assert output.shape == (500 + nfir,)
        np.testing.assert_allclose(output[::50], case["output_every_50th"], rtol=0, atol=1e-12)


def test_filters_of_real_listeners(golden):
    for case in json.loads((golden / "nalr.json").read_text())["cases"]:
        fir, _ = NALR(case["nfir"], case["sample_rate"]).build(
            Audiogram(case["levels"], case["frequencies"])
        )
        np.testing.assert_allclose(fir, case["fir"], rtol=0, atol=1e-12, err_msg=case["listener"])


def test_prescription_worked_out_by_hand():
    # N3: X = 0.05 (35 + 40 + 50) = 6.25; 0.31 H = 10.85, 10.85, 12.4, 15.5, 18.6, 20.15.
    expected = [0.1, 9.1, 19.65, 20.75, 22.85, 24.4]
    np.testing.assert_allclose(insertion_gain_db(STANDARD_AUDIOGRAMS["N3"]), expected, atol=1e-12)
    # N6: X = 9 + 0.116 (80 + 85 + 90 - 180) = 17.7.
    assert insertion_gain_db(STANDARD_AUDIOGRAMS["N6"])[2] == pytest.approx(17.7 + 26.35 + 1)


def test_filter_has_the_prescribed_gain():
    audiogram = STANDARD_AUDIOGRAMS["N4"]
    fir, _ = NALR(1000, 44100).build(audiogram)
    phases = np.exp(-2j * np.pi * np.outer(NALR_FREQS[1:], np.arange(1001)) / 44100)
    gain_db = 20 * np.log10(np.abs(phases @ fir))
    np.testing.assert_allclose(gain_db, insertion_gain_db(audiogram)[1:], atol=1.0)


def test_no_loss_gives_a_delay():
    nalr = NALR(220, 44100)
    fir, delay = nalr.build(AUDIOGRAM_REF)
    signal = noise(2, 300)
    np.testing.assert_allclose(nalr.apply(fir, signal)[110:410], signal, rtol=0, atol=1e-15)
    fir[0] = 9.0
    assert nalr.build(AUDIOGRAM_REF)[0][0] == delay[0] == 0.0, "filters share memory"


@pytest.mark.parametrize("n_samples", [1, 220, 1024, 12863, 12864, 12865, 50000])
@pytest.mark.parametrize("nfir", [1, 220, 256, 257, MAX_NFIR, 4096, 20000])
def test_the_filtered_signal_is_the_full_convolution(nfir, n_samples):
    nalr = NALR(220, 44100)  # which filters with any other filter, too
    fir = noise(3, nfir + 1)
    signal = noise(4, n_samples)
    expected = scipy.signal.fftconvolve(signal, fir)
    np.testing.assert_allclose(nalr.apply(fir, signal), expected, rtol=0, atol=1e-12)
    pieces = list(nalr.apply_blocks(fir, signal))
    np.testing.assert_array_equal(np.concatenate(pieces), nalr.apply(fir, signal))
    assert max(piece.size for piece in pieces) <= max(16 * 4096, 4 * 4 * nfir)


def test_filter_takes_float32_and_integers():
    nalr = NALR(220, 44100)
    fir, _ = nalr.build(AUDIOGRAM_MILD)
    samples = np.array([1, 2, 3], dtype=np.int16)
    np.testing.assert_array_equal(nalr.apply(fir, samples), nalr.apply(fir, samples / 1.0))
    assert nalr.apply(fir, samples.astype(np.float32)).dtype == np.float64


@pytest.mark.parametrize("fir", [np.zeros(0), np.zeros((3, 3)), 1.0])
def test_a_filter_is_a_list_of_taps(fir):
    with pytest.raises(ValueError, match=r"a filter has the shape \(taps,\)"):
        NALR(220, 44100).apply(fir, noise(1, 10))


def test_a_level_that_was_not_measured_is_named():
    nalr = NALR(220, 44100)
    gap = Audiogram([20, 30, 40, None, 50, 60, 60], [250, 500, 1000, 3000, 4000, 6000, 8000])
    with pytest.raises(ValueError, match=r"NAL-R needs the level at 2000 Hz; .* none at 3000 Hz"):
        nalr.build(gap)
    with pytest.raises(ValueError, match="NAL-R needs the level at 2000 Hz"):
        insertion_gain_db(gap)
    needless = Audiogram([20, 30, 40, 45, None, 50, 60], [250, 500, 1000, 2000, 3000, 4000, 6000])
    measured = Audiogram([20, 30, 40, 45, 50, 60], NALR_FREQS)
    np.testing.assert_array_equal(nalr.build(needless)[0], nalr.build(measured)[0])


@pytest.mark.parametrize("shape", [0, (300, 2), (2, 300), ()])
def test_one_ear_at_a_time(shape):
    nalr = NALR(220, 44100)
    with pytest.raises(ValueError, match="one ear at a time"):
        nalr.apply(nalr.delay, np.ones(shape))


@pytest.mark.parametrize(
    ("nfir", "rate", "message"),
    [
        (0, 44100, "nfir"),
        (MAX_NFIR + 1, 44100, "nfir must be a whole number from 1 to 1022"),
        (220.5, 44100, "nfir"),
        (220, 0, "sample_rate"),
        (220, np.nan, "sample_rate"),
    ],
)
def test_filters_that_cannot_be(nfir, rate, message):
    with pytest.raises(ValueError, match=message):
        NALR(nfir, rate)
