"""Stages of the differentiable HAAQI against loops and the ear model's own functions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clarity.evaluator.ear_model import covariance as exact_covariance
from clarity.evaluator.ear_model.adaptation import adapt
from clarity.evaluator.ear_model.alignment import DISPERSION_SAMPLES, bulk_delay
from clarity.evaluator.ear_model.band_alignment import MAX_LAG
from clarity.evaluator.ear_model.bandwidth import bandwidth_at_level as exact_bandwidth_at_level
from clarity.evaluator.ear_model.compression import (
    compression_gain as exact_compression_gain,
    smooth_gain as exact_smooth_gain,
)
from clarity.evaluator.ear_model.gammatone import (
    centre_frequencies_hz,
    gammatone,
    gammatone_filters,
)
from clarity.evaluator.ear_model.hearing_loss import hearing_loss, max_bandwidth
from clarity.evaluator.ear_model.middle_ear import middle_ear as exact_middle_ear
from clarity.evaluator.ear_model.resampling import to_model_rate as exact_to_model_rate
from clarity.evaluator.ear_model.spectrum import average_spectrum_db as exact_average_spectrum_db
from clarity.evaluator.haaqi_torch import EarParameters, haaqi
from clarity.evaluator.haaqi_torch.alignment import audible_spans, band_correlation, band_lags
from clarity.evaluator.haaqi_torch.covariance import segment_covariance
from clarity.evaluator.haaqi_torch.features import spectral_differences
from clarity.evaluator.haaqi_torch.filterbank import control_power, envelope_and_motion
from clarity.evaluator.haaqi_torch.gammatone import control_history_samples, history_samples
from clarity.evaluator.haaqi_torch.hair_cells import (
    _adaptation_modes,
    average_spectrum_db,
    bandwidth_at_level,
    compression_gain,
    smooth_gain,
)
from clarity.evaluator.haaqi_torch.middle_ear import middle_ear
from clarity.evaluator.haaqi_torch.noise import TorchNoise
from clarity.evaluator.haaqi_torch.precision import product
from clarity.evaluator.haaqi_torch.resampling import to_model_rate
from clarity.evaluator.haaqi_torch.scan import scan
from clarity.evaluator.haaqi_torch.shift import _shift_by_copying, _shift_by_gathering
from clarity.utils.audiogram import STANDARD_AUDIOGRAMS
from clarity.utils.precision import full_precision

N = 24000
LEVEL1 = 85.0
EACH_TYPE = pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-5)], ids=["f64", "f32"]
)


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    """White noise with a gap."""
    x = 0.1 * np.random.RandomState(seed).standard_normal(shape)
    x[..., shape[-1] // 3 : shape[-1] // 2] = 0.0
    return x


@EACH_TYPE
def test_scan_equals_the_recursion(dtype: torch.dtype, tolerance: float) -> None:
    """Gain's low-pass and adaptation, and with a state handed on."""
    x = 30 * np.abs(noise(3, N))
    gain = smooth_gain(torch.from_numpy(x).to(dtype))
    np.testing.assert_allclose(gain, exact_smooth_gain(x), rtol=0, atol=10 * tolerance)
    level = torch.from_numpy(x).to(dtype)
    whole, _ = scan(level, _adaptation_modes())
    first, state = scan(level[:, :9600], _adaptation_modes())
    second, _ = scan(level[:, 9600:], _adaptation_modes(), state)
    rate, _ = adapt(x, np.zeros_like(x))
    for voltage in (whole, torch.cat((first, second), -1)):
        ours = (2 * (level - voltage)).clamp_min(0)
        np.testing.assert_allclose(ours, rate, rtol=0, atol=30 * tolerance)


@EACH_TYPE
def test_curves_over_the_level(dtype: torch.dtype, tolerance: float) -> None:
    """Compression, bandwidth and average spectrum at levels below, between and above the knees."""
    audiograms = list(STANDARD_AUDIOGRAMS.values())
    ears = EarParameters.from_audiograms(audiograms)
    levels_db = np.linspace(-20.0, 130.0, 151)
    rms = 10.0 ** ((levels_db - LEVEL1) / 20.0)
    power = torch.from_numpy(rms**2).to(dtype).expand(len(ears), 32, -1)
    gain = compression_gain(power, ears, LEVEL1)
    for row, audiogram in enumerate(audiograms):
        loss = hearing_loss(audiogram, centre_frequencies_hz())
        expected = exact_compression_gain(np.tile(rms, (32, 1)), loss, LEVEL1)
        np.testing.assert_allclose(gain[row], expected, rtol=10 * tolerance)
        for level_db, one in zip(levels_db[::10], rms[::10], strict=True):
            same = torch.full((len(ears), 32), one, dtype=torch.float64)
            control, envelope = np.full(32, one), np.full(32, 2 * one)
            np.testing.assert_allclose(
                average_spectrum_db(2 * same, same, ears, LEVEL1)[row],
                exact_average_spectrum_db(envelope, control, loss, LEVEL1),
                atol=1e-9,
            )
            np.testing.assert_allclose(
                bandwidth_at_level(
                    torch.full((len(ears), 32), level_db, dtype=torch.float64), ears
                )[row],
                exact_bandwidth_at_level(level_db, loss.min_bandwidth, max_bandwidth()),
                rtol=1e-9,
            )


@EACH_TYPE
def test_filter_bank_equals_the_recursion(dtype: torch.dtype, tolerance: float) -> None:
    """All bands, both kinds of filter, in several blocks and behind a lead."""
    x = noise(N)
    frequencies = centre_frequencies_hz()
    bandwidth = 1.0 + 0.5 * np.cos(np.arange(32)) ** 2
    filters = gammatone_filters(bandwidth, frequencies)
    envelope, motion = gammatone(x, filters)
    control, _ = gammatone(x, gammatone_filters(max_bandwidth(), frequencies))
    pole = torch.from_numpy(filters.pole)[None]
    batch = torch.from_numpy(x)[None].to(dtype)
    for lead in (0, 7000):
        for first in (0, 8, 24):
            bands = slice(first, first + 8)
            ours = envelope_and_motion(batch, pole[:, bands], bands, lead, (N - lead,))
            power = control_power(batch, bands, lead)
            triples = zip((*ours, power.sqrt()), (envelope, motion, control), strict=True)
            for mine, theirs in triples:
                expected = theirs[bands, lead:]
                error = np.abs(mine[0].numpy() - expected).max()
                assert error < 100 * tolerance * np.abs(expected).max()


def test_filters_have_forgotten_what_is_cut_off() -> None:
    """The recursion's response to a click behind the history that blocks overlap by."""
    click = np.zeros(2 * history_samples(0))
    click[0] = 1.0
    frequencies = centre_frequencies_hz()
    for bandwidth, forgotten_after in (
        (np.ones(32), history_samples),
        (max_bandwidth(), control_history_samples),
    ):
        envelope, _ = gammatone(click, gammatone_filters(bandwidth, frequencies))
        for first in range(32):
            left = envelope[first:, forgotten_after(first) :].max(axis=1)
            assert (left < 1e-16 * envelope[first:].max(axis=1)).all()


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000, 96000])
def test_resampling(rate: int) -> None:
    signals = [noise(n, seed=n) for n in (9000, 12345)]
    batch = torch.from_numpy(np.stack([np.pad(x, (0, 12345 - x.size)) for x in signals]))
    ours, lengths = to_model_rate(batch, [9000, 12345], rate)
    for row, n, x in zip(ours.numpy(), lengths, signals, strict=True):
        np.testing.assert_allclose(row[:n], exact_to_model_rate(x, rate), rtol=0, atol=1e-12)
        assert not row[n:].any()


def test_middle_ear_and_control_energy() -> None:
    signals = [noise(n, seed=n) for n in (7000, N)]
    batch = torch.from_numpy(np.stack([np.pad(x, (0, N - x.size)) for x in signals]))
    cochlear = middle_ear(batch, [7000, N])
    for i, x in enumerate(signals):
        y = exact_middle_ear(x)
        np.testing.assert_allclose(cochlear.x[i, : x.size], y, rtol=0, atol=1e-14)
        control, _ = gammatone(y, gammatone_filters(max_bandwidth(), centre_frequencies_hz()))
        energy = np.sum(control**2, axis=1)
        np.testing.assert_allclose(cochlear.control_energy[i], energy, rtol=1e-6)


def test_lag_of_the_whole_in_a_batch() -> None:
    """As in the ear model, up to the lags at which a short pair has but one sample in common."""
    n, longest = 600, 2400
    clicks = np.zeros((2, n))
    clicks[0, 0] = clicks[1, -1] = 1.0
    first, last = clicks
    pairs = [
        (first, last),
        (last, first),
        (first, -first),
        (noise(n) + 3, 2 - np.roll(noise(n), 50)),
    ]
    pairs.append((noise(longest), 0.5 - np.roll(noise(longest), 77)))
    batch = [
        torch.from_numpy(np.stack([np.pad(x, (0, longest - x.size)) for x in signals]))
        for signals in zip(*pairs, strict=True)
    ]
    spans = audible_spans(*batch, [x.size for x, _ in pairs])
    lags = [span.lag + DISPERSION_SAMPLES for span in spans]
    assert lags == [bulk_delay(*pair) for pair in pairs]
    assert lags[:3] == [n - 1, 1 - n, 0]


def test_lag_of_a_short_pair_is_one_that_it_has() -> None:
    """Where rounding decides, because nothing of one signal is in the other."""
    n, longest = 600, 6000
    t = np.arange(n) - n / 2
    window = np.exp(-((t / 30) ** 2) / 2)
    tones = [window * np.sin(2 * np.pi * f * t) for f in (0.05, 0.45, 0.06, 0.44, 0.07, 0.43)]
    pairs = np.stack([np.pad(x, (0, longest - n)) for x in tones]).reshape(3, 2, longest)
    batch = [torch.from_numpy(np.concatenate((pairs[:, i], noise(1, longest)))) for i in (0, 1)]
    spans = audible_spans(*batch, [n, n, n, longest])
    assert all(abs(span.lag + DISPERSION_SAMPLES) < n for span in spans[:3])


def test_band_lags() -> None:
    """Every lag that there is, the last of equal ones, and none beyond a short pair."""
    x, y = noise(1, 2, 900), noise(1, 2, 1500, seed=1)
    values = band_correlation(*map(torch.from_numpy, (x, y)), 300)[0]
    for mine, one, other in zip(values.numpy(), x[0], y[0], strict=True):
        expected = np.zeros(2 * MAX_LAG)  # lags of `correlate` run from -899 to 1499
        expected[MAX_LAG - 300 - 899 : MAX_LAG - 300 + 1500] = np.correlate(other, one, "full")
        np.testing.assert_allclose(mine, expected, rtol=0, atol=1e-12)
    correlation = torch.zeros(2, 1, 2 * MAX_LAG)
    correlation[..., [MAX_LAG - 70, MAX_LAG + 50]] = 1.0
    correlation[..., MAX_LAG + 800] = 2.0
    assert band_lags(correlation, [800, 9000]).tolist() == [[50], [800]]


def test_no_slope_where_spectra_are_equal() -> None:
    """The root of a spread of 0 has an infinite one."""
    x = torch.linspace(0, 40, 32, dtype=torch.float64)[None]
    y = x.clone().requires_grad_()
    loudness, normalised = spectral_differences(x, y)
    (loudness + normalised).sum().backward()
    assert torch.equal(y.grad, torch.zeros_like(y))


def test_covariance_of_signals_whose_power_is_no_float32() -> None:
    """Mean squares of 1e-26 have a product that float32 has not."""
    x, y = (torch.from_numpy(noise(1, 1, 192 * 8, seed=seed)) for seed in (0, 1))
    y = y + x
    last = torch.tensor([7])
    expected = segment_covariance(x, y, True, last)[0]
    soft = segment_covariance(*(1e-12 * z.float() for z in (x, y)), True, last)[0]
    np.testing.assert_allclose(soft, expected, rtol=0, atol=1e-5)


def test_noise_from_torch_is_standard_normal() -> None:
    """Also of its own for each signal, band and block."""
    source = TorchNoise(torch.Generator().manual_seed(0), 2, torch.zeros((), dtype=torch.float64))
    starts = [(signal, first) for signal in (0, 1) for first in (0, 9)]
    parts = [source(signal, slice(0, 4), first, first + 5000) for signal, first in starts]
    rows = torch.cat([part.flatten(0, 1) for part in parts])
    assert rows.shape == (32, 5000)
    moments = rows @ rows.mT / 5000
    np.testing.assert_allclose(moments, np.eye(32), rtol=0, atol=0.1)
    assert float(rows.mean()) == pytest.approx(0.0, abs=0.01)
    assert float(rows.std()) == pytest.approx(1.0, abs=0.01)


def test_shift_on_a_gpu_is_the_one_on_a_cpu() -> None:
    x = torch.from_numpy(noise(3, 4, 50))
    lag = torch.tensor([[0, 7, -7, 60], [-60, 1, -1, 49], [3, -49, 50, -50]])
    start, end = torch.full_like(lag, 2), torch.full_like(lag, 40)
    arguments = (x, lag, start, end, 45)
    shifted = _shift_by_copying(*arguments)
    assert torch.equal(shifted, _shift_by_gathering(*arguments))
    assert torch.equal(shifted[0, 1, 2:40], x[0, 1, 9:47])
    assert torch.equal(shifted[0, 2, 7:40], x[0, 2, :33])
    assert not shifted[0, 2, :7].any()


def test_covariance_of_segments() -> None:
    """As in the ear model, for two lengths in a batch; segment 1 is one of the batch's own."""
    lengths = [192 * 9 + 50, 192 * 7]
    x, y = noise(2, 3, 192 * 10), noise(2, 3, 192 * 10, seed=1)
    y[..., 5:] += x[..., :-5]
    for i, n in enumerate(lengths):
        x[i, :, n // 192 * 192 :] = y[i, :, n // 192 * 192 :] = 0.0
    padded = [torch.nn.functional.pad(torch.from_numpy(z), (192, 0)) for z in (x, y)]
    last = torch.tensor([n // 192 for n in lengths])
    ours, mean_square, _ = segment_covariance(*padded, True, last)
    for i, n in enumerate(lengths):
        kept = [0, *range(2, n // 192 + 1)]
        expected = exact_covariance.segment_covariance(x[i, :, :n], y[i, :, :n])
        np.testing.assert_allclose(ours[i][:, kept], expected[0], rtol=0, atol=1e-12)
        np.testing.assert_allclose(mean_square[i][:, kept], expected[1], rtol=1e-10)


def test_products_stay_in_full_precision() -> None:
    """Whatever the process allows elsewhere, and it finds its settings as they were."""
    torch.set_float32_matmul_precision("medium")
    try:
        x, matrix = (torch.from_numpy(noise(300, 300, seed=s)) for s in (0, 1))
        ours = product(x.float(), matrix.float()).double()
        assert (ours - x @ matrix).abs().max() < 1e-5
        with full_precision():
            assert torch.backends.cuda.matmul.fp32_precision == "ieee"
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@pytest.mark.parametrize("tf32", [False, True])
def test_gpu_agrees_with_the_cpu(tf32: bool, record_property) -> None:
    """float64 to 1e-8 and float32 to 5e-5, scores and gradients, with TF32 allowed elsewhere."""
    x = torch.from_numpy(noise(4, 5 * N))
    y = x.clamp(-0.1, 0.1)
    ear = EarParameters.from_audiograms([STANDARD_AUDIOGRAMS["N3"]])
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    try:
        results = {}
        for device in ("cpu", "cuda"):
            for dtype in (torch.float64, torch.float32):
                torch.cuda.reset_peak_memory_stats()
                mine = y.detach().to(device, dtype, copy=True).requires_grad_()
                options = {"sample_rate": 24000, "level1": 80.0, "noise": 1, "dtype": dtype}
                score = haaqi(mine, x.to(device), ear.to(device), **options).score
                score.sum().backward()
                results[device, dtype] = score.detach().cpu(), mine.grad.double().cpu()
                record_property(f"{device} {dtype} GB", torch.cuda.max_memory_allocated() / 1e9)
    finally:
        torch.set_float32_matmul_precision("highest")
    expected, gradient = results["cpu", torch.float64]
    for dtype, tolerance, of_gradient in (
        (torch.float64, 1e-8, 1e-6),
        (torch.float32, 5e-5, 1e-2),
    ):
        score, mine = results["cuda", dtype]
        torch.testing.assert_close(score, expected, rtol=0, atol=tolerance)
        assert (mine - gradient).norm() < of_gradient * gradient.norm()


def test_modes_are_real_though_numpy_gives_complex_numbers(monkeypatch) -> None:
    """As NumPy 2.5 does for every matrix; the modes are those of real eigenvalues."""
    expected, eig = _adaptation_modes(), np.linalg.eig
    monkeypatch.setattr(np.linalg, "eig", lambda a: tuple(x + 0j for x in eig(a)))
    modes = _adaptation_modes.__wrapped__()
    assert modes == expected
    assert all(type(pole) is float for pole in modes.poles)
