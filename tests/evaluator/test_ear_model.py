"""Every stage of the ear model, and every feature, against the peer's numbers for that stage."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clarity.evaluator import ear_model
from clarity.evaluator.ear_model import (
    adaptation,
    alignment,
    band_alignment,
    bandwidth,
    compression,
    covariance,
    envelope,
    gammatone,
    group_delay,
    hearing_loss,
    levels,
    middle_ear,
    quality,
    resampling,
    sensation_level,
    spectrum,
    threshold_noise,
)
from clarity.evaluator.ear_model.model import require_length, select_bands
from clarity.evaluator.haaqi import features, inputs
from clarity.evaluator.haaqi.regression import haaqi_result
from clarity.utils.audiogram import Audiogram
from tests.evaluator import stage_inputs as given
from tests.evaluator.stage_inputs import LEVEL1_DB, N_BANDS, thinned

PEER = json.loads((Path(__file__).parent / "references" / "stage_references.json").read_text())[
    "stages"
]
FREQUENCIES_HZ = gammatone.centre_frequencies_hz()


def losses() -> list[hearing_loss.HearingLoss]:
    """Hearing losses of the audiograms."""
    audiograms = [Audiogram(levels_db, given.AUDIOGRAM_HZ) for levels_db in given.AUDIOGRAMS]
    return [hearing_loss.hearing_loss(audiogram, FREQUENCIES_HZ) for audiogram in audiograms]


def assert_equal(ours: Any, peers: Any, tolerance: float = 1e-12) -> None:
    """Equal to a fraction of each number or of their median."""
    typical = np.median(np.abs(peers)[np.abs(peers) > 0])
    np.testing.assert_allclose(ours, peers, rtol=tolerance, atol=tolerance * typical)


@pytest.mark.parametrize("rate", given.RATES_HZ)
def test_resampling(rate: int) -> None:
    y = resampling.to_model_rate(given.noise(rate // 20, 0), rate)
    assert_equal(thinned(y), PEER["resampling"][str(rate)])


@pytest.mark.parametrize("case", range(5))
def test_alignment(case: int) -> None:
    reference, processed = given.to_align()[case]
    span = alignment.audible_span(reference)
    aligned = alignment.align_and_prune(reference, processed, span)
    assert_equal(thinned(*aligned), PEER["alignment"][case])


def test_delay_of_a_constant_is_the_last() -> None:
    constant, noise = np.full(1000, 0.1), given.noise(1000, 1)
    for pair in ((constant, noise), (noise, constant), (constant, constant)):
        _, shifted = alignment.align_and_prune(*pair, slice(0, 1000))
        np.testing.assert_array_equal(shifted[:49], pair[1][951:])
        assert not shifted[49:].any()


def test_middle_ear() -> None:
    assert_equal(thinned(middle_ear.middle_ear(given.noise(2000, 0))), PEER["middle_ear"])


def test_centre_frequencies() -> None:
    assert_equal(FREQUENCIES_HZ, PEER["centre_frequencies"])


@pytest.mark.parametrize("case", range(2))
def test_hearing_loss(case: int) -> None:
    loss, (ohc, width, knee, ratio, ihc) = losses()[case], PEER["hearing_loss"][case]
    assert_equal(loss.ohc_db, ohc)
    assert_equal(loss.ihc_db, ihc)
    assert_equal(loss.lower_knee_db, knee)
    assert_equal(loss.compression_ratio, ratio)
    assert_equal(loss.min_bandwidth, width)


@pytest.mark.parametrize("band", given.GAMMATONE_BANDS)
@pytest.mark.parametrize("width", given.BANDWIDTHS)
def test_gammatone(band: int, width: float) -> None:
    filters = gammatone.gammatone_filters(np.full(N_BANDS, width), FREQUENCIES_HZ)
    outputs = gammatone.gammatone(
        given.noise(3000, 0), select_bands(filters, slice(band, band + 1))
    )
    # The peer multiplies the four poles out, whose coefficients' rounding is this in the low bands.
    tolerance = max(1e-8, 1e-15 / (1 - filters.pole[band]) ** 4)
    assert_equal(thinned(*outputs), PEER["gammatone"][f"{band} {width}"], tolerance)


def test_gain_at_the_centre_frequency_is_one() -> None:
    """A property of the filter, not a number of the peer: a sinusoid keeps its amplitude."""
    filters = gammatone.gammatone_filters(np.array([1.5]), np.array([1000.0]))
    x = np.cos(2 * np.pi * 1000 * np.arange(4800) / given.RATE_HZ)
    amplitude, motion = gammatone.gammatone(x, filters)
    np.testing.assert_allclose(amplitude[0, 2400:], 1.0, atol=1e-3)
    np.testing.assert_allclose(motion[0, 2400:], x[2400:], atol=2e-3)


def test_bandwidth() -> None:
    level_db = np.array(given.CONTROL_LEVELS_DB)
    widths = [
        bandwidth.bandwidth_at_level(
            np.full(N_BANDS, level), losses()[0].min_bandwidth, hearing_loss.max_bandwidth()
        )
        for level in level_db
    ]
    assert_equal(thinned(widths), PEER["bandwidth"])


def test_compression() -> None:
    x, motion = given.envelopes(), given.bands(1200, 11)
    gain = compression.smooth_gain(
        compression.compression_gain(
            x[::-1], select_bands(losses()[0], given.UPPER_BANDS), LEVEL1_DB
        )
    )
    assert_equal(thinned(gain * x, gain * motion), PEER["compression"])


@pytest.mark.parametrize("lag", given.ALIGNMENT_LAGS)
def test_band_alignment(lag: int) -> None:
    """Lags that are found, at the ends of the range and beyond, in long and in short signals."""
    reference, processed = given.impulses(lag)
    noise = given.noise(1500, 1)
    aligned = (
        band_alignment.align_bands(reference, processed),
        band_alignment.align_bands(noise[np.newaxis], np.roll(noise, lag)[np.newaxis]),
    )
    assert_equal(thinned(*aligned), PEER["band_alignment"][str(lag)])


def test_of_equal_correlations_the_last_counts() -> None:
    silence, long = np.zeros((2, 300)), np.zeros((1, 5000))
    np.testing.assert_array_equal(band_alignment.band_lags(silence, silence), [299, 299])
    np.testing.assert_array_equal(band_alignment.band_lags(long, long), [2399])
    negative = band_alignment.band_lags(silence + 1, silence - 1)
    np.testing.assert_array_equal(negative, [299, 299])


def test_sensation_level() -> None:
    outputs = sensation_level.sensation_level(
        given.envelopes(), given.bands(1200, 11), losses()[0].ihc_db[given.UPPER_BANDS], LEVEL1_DB
    )
    assert_equal(thinned(*outputs), PEER["sensation_level"])


def test_adaptation() -> None:
    outputs = adaptation.adapt(given.levels_sl(), given.bands(6000, 12))
    assert_equal(thinned(*outputs), PEER["adaptation"], 1e-11)


def test_threshold_noise() -> None:
    noise = threshold_noise.threshold_noise(np.random.RandomState(9), 3, 500, LEVEL1_DB)
    assert_equal(thinned(noise), PEER["threshold_noise"])


@pytest.mark.parametrize("case", range(2))
def test_group_delay(case: int) -> None:
    width = (losses()[0].min_bandwidth, hearing_loss.max_bandwidth())[case]
    delays = group_delay.band_delays(gammatone.gammatone_filters(width, FREQUENCIES_HZ))
    delayed = group_delay.compensate_group_delay(np.ones((N_BANDS, 600)), delays)
    np.testing.assert_array_equal(delayed.sum(axis=1), PEER["group_delay"][case])
    assert all(not band[:delay].any() for band, delay in zip(delayed, delays, strict=True))


def test_group_delay_in_closed_form() -> None:
    """4a/(1 + 2a) + 4a/(1 - a) (haaqi.md 3.15)."""
    filters = gammatone.gammatone_filters(hearing_loss.max_bandwidth(), FREQUENCIES_HZ)
    a = filters.pole
    expected = np.rint(4 * a / (1 + 2 * a) + 4 * a / (1 - a))
    np.testing.assert_array_equal(group_delay.group_delay_samples(filters), expected)


def test_spectrum() -> None:
    rms, control_rms = (0.01 * x for x in given.spectra())
    ours = spectrum.average_spectrum_db(rms, control_rms, losses()[0], LEVEL1_DB)
    assert_equal(ours, PEER["spectrum"])


def test_level_of_silence() -> None:
    """`TINY` is 600 dB below an amplitude of 1."""
    np.testing.assert_allclose(levels.level_db(np.array([0.0, 0.5]), 65.0), [-535, 58.9794], 1e-6)


def test_envelope() -> None:
    assert_equal(thinned(envelope.smooth_envelope(given.levels_sl())), PEER["envelope"])


@pytest.mark.parametrize("milliseconds", given.SEGMENTS_MS)
def test_covariance(milliseconds: float) -> None:
    x, y = given.motions()
    covariances, mean_square = covariance.segment_covariance(
        x, y, inputs.segment_samples(milliseconds)
    )
    assert_equal(thinned(covariances, 2 * mean_square), PEER["covariance"][str(milliseconds)])


def test_shortest_signal() -> None:
    """Two half segments, or what the longest delay needs (haaqi.md 6.4)."""
    delays = np.array([0, 433])
    require_length(433, delays)
    with pytest.raises(ValueError, match=r"has 432 samples .* at least 433 \(18 ms\)"):
        require_length(432, delays)
    with pytest.raises(ValueError, match="at least 384"):
        require_length(383, delays // 2)


def test_audible() -> None:
    """The same level in all bands is the level of the frame."""
    levels_db = np.tile([2.499, 2.501, 0.0, 60.0], (N_BANDS, 1))
    assert features.audible(levels_db, 2.5).tolist() == [False, True, False, True]


def test_cep_high() -> None:
    x, y = given.frames()
    keep = features.audible(x, quality.SILENCE_THRESHOLD_DB)
    assert 0 < np.count_nonzero(~keep) < 100
    cep_high = features.cepstral_correlation_high(
        *(features.cepstra(matrix[:, keep]) for matrix in (x, y))
    )
    assert_equal(cep_high, PEER["cep_high"])


def test_bm_sync5() -> None:
    ours = features.basilar_membrane_sync(
        *given.tiles(), FREQUENCIES_HZ, quality.SILENCE_THRESHOLD_DB
    )
    assert_equal(ours, PEER["bm_sync5"])


def test_spectral_differences() -> None:
    assert_equal(features.spectral_differences(*given.spectra()), PEER["spectral_differences"])


def test_regression() -> None:
    """Kates & Arehart 2016 as the peer computes it (its docstring has the weights otherwise)."""
    result = haaqi_result(0.9, 0.8, 0.5, 10.0)
    assert result.raw == pytest.approx([0.9, 0.8, 0.8, 0.6])
    assert result.nonlinear == pytest.approx(0.754 * 0.9**3 + 0.246 * 0.8)
    assert result.linear == pytest.approx(0.329 * 0.8 + 0.671 * 0.6)
    n, m = result.nonlinear, result.linear
    assert result.score == pytest.approx(0.336 * n + 0.001 * m + 0.501 * n**2 + 0.161 * m**2)
    assert haaqi_result(1.0, 1.0, 9.0, -1.0).raw == [1.0, 1.0, 0.0, 1.0]


def test_the_table_of_stages_names_what_there_is() -> None:
    row = re.compile(r"^\S.*?  +(\w+)\.(\w+)  +(?:(\w+)\.(\w+)|the same)  ", re.MULTILINE)
    rows = row.findall(ear_model.__doc__)
    assert len(rows) == 19
    for module, function, engine_module, kernel in rows:
        assert callable(getattr(getattr(ear_model, module), function))
        if kernel:
            engine = importlib.import_module(f"clarity.evaluator.engine.{engine_module}")
            assert hasattr(engine, kernel), f"engine.{engine_module}.{kernel}"
