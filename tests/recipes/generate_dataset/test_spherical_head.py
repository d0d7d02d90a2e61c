"""The spherical head against the figures of Brown and Duda (1998) and against physics."""

from __future__ import annotations

import numpy as np
import pytest

from recipes.cad_icassp_2024.generate_dataset.spherical_head import (
    arrival_time_s,
    incidence_deg,
    shadow_filter,
    shadow_gain,
    spherical_head_hrir,
)

RATE = 44100
ANGLES = [22.5, 30.0, 37.5, 60.0, 90.0]
RADIUS_S = 0.0875 / 343.0


def spectrum(azimuth_deg: float, rate: int = RATE) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies in Hz and the spectra of both ears, shape (bins, 2)."""
    hrir = spherical_head_hrir(azimuth_deg, rate, 4096)
    return np.fft.rfftfreq(16384, 1 / rate), np.fft.rfft(hrir, 16384, axis=0)


def itd_s(azimuth_deg: float, frequency_hz: float) -> float:
    """Interaural phase delay: how much later the left ear is."""
    rate = 176400  # far above the frequency, so that the bilinear transform does not bend it
    frequencies, spectra = spectrum(azimuth_deg, rate)
    phase = np.unwrap(np.angle(spectra[:, 1] / spectra[:, 0]))
    return float(
        np.interp(frequency_hz, frequencies[1:], phase[1:] / (2 * np.pi * frequencies[1:]))
    )


@pytest.mark.parametrize("angle", ANGLES)
def test_gain_is_one_at_low_frequencies(angle: float) -> None:
    np.testing.assert_allclose(spherical_head_hrir(angle).sum(axis=0), 1.0, atol=1e-9)


@pytest.mark.parametrize("angle", ANGLES)
def test_left_and_right_are_mirror_images(angle: float) -> None:
    np.testing.assert_allclose(
        spherical_head_hrir(-angle), spherical_head_hrir(angle)[:, ::-1], atol=1e-15
    )


def test_in_front_both_ears_hear_the_same() -> None:
    hrir = spherical_head_hrir(0.0)
    assert np.array_equal(hrir[:, 0], hrir[:, 1])


def test_shadow_gain_of_the_paper() -> None:
    # Eq. 5 with alpha_min = 0.1 and theta_min = 150 degrees, worked out by hand.
    assert shadow_gain(0.0) == pytest.approx(2.0)
    assert shadow_gain(60.0) == pytest.approx(1.3436, abs=5e-5)
    assert shadow_gain(120.0) == pytest.approx(0.2814, abs=5e-5)
    assert shadow_gain(150.0) == pytest.approx(0.1)


@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize("frequency_hz", [200.0, 1000.0, 4000.0])
def test_magnitude_is_that_of_equation_3(angle: float, frequency_hz: float) -> None:
    rate = 352800
    frequencies, spectra = spectrum(angle, rate)
    for ear, incidence in enumerate((angle + 90.0, abs(angle - 90.0))):
        j = 1j * 2 * np.pi * frequency_hz * RADIUS_S / 2
        expected = abs((1 + shadow_gain(incidence) * j) / (1 + j))
        found = np.interp(frequency_hz, frequencies, np.abs(spectra[:, ear]))
        assert found == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("angle", ANGLES)
def test_the_far_ear_loses_high_frequencies(angle: float) -> None:
    frequencies, spectra = spectrum(angle)
    level_db = 20 * np.log10(np.abs(spectra[:, 1]) / np.abs(spectra[:, 0]))
    at = {f: np.interp(f, frequencies, level_db) for f in (100.0, 500.0, 2000.0, 20000.0)}
    assert 0.0 < at[100.0] < 0.5
    assert at[100.0] < at[500.0] < at[2000.0] < at[20000.0]
    ratio = shadow_gain(90.0 - angle) / shadow_gain(90.0 + angle)
    assert at[20000.0] == pytest.approx(20 * np.log10(ratio), abs=0.5)


@pytest.mark.parametrize("angle", ANGLES)
def test_time_difference_at_high_frequencies_is_woodworths(angle: float) -> None:
    azimuth = np.radians(angle)
    woodworth = RADIUS_S * (azimuth + np.sin(azimuth))
    delays = [arrival_time_s(incidence_deg(angle, ear)) for ear in (-90.0, 90.0)]
    assert delays[0] - delays[1] == pytest.approx(woodworth, rel=1e-12)
    assert itd_s(angle, 15000.0) == pytest.approx(woodworth, rel=0.08)


@pytest.mark.parametrize("angle", [22.5, 30.0, 37.5])
def test_time_difference_at_low_frequencies_is_half_as_long_again(angle: float) -> None:
    # Kuhn (1977), quoted by Brown and Duda: 3 a / c sin(azimuth), about 50 % more than Woodworth.
    assert itd_s(angle, 100.0) == pytest.approx(3 * RADIUS_S * np.sin(np.radians(angle)), rel=0.06)
    assert itd_s(angle, 100.0) / itd_s(angle, 15000.0) == pytest.approx(1.5, abs=0.12)


def test_low_frequency_time_difference_at_30_degrees() -> None:
    # Ray delays by eq. 2 plus (1 - alpha) / (2 w0) by eq. 3 for each ear: 261.1 + 135.5 us.
    assert itd_s(30.0, 50.0) == pytest.approx(396.6e-6, abs=1e-6)


def test_filter_is_stable_and_ends_within_the_response() -> None:
    for incidence in (0.0, 60.0, 120.0, 180.0):
        _, a = shadow_filter(incidence, RATE)
        assert abs(np.roots(a)[0]) < 1
    for angle in ANGLES:
        hrir = spherical_head_hrir(angle)
        assert np.abs(hrir[-32:]).max() < 1e-9
        assert np.abs(hrir[0]).max() < 1e-3
