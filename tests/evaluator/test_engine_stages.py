"""Every kernel of the engine against the function of `ear_model` that it must equal.

The signals are music (from the reference data where it is there, else from a seed), silence, a
click, tones at threshold; the bands are all 32, from the lowest to the highest.
"""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numba
import numpy as np
import pytest
import soundfile
import soxr

from clarity.evaluator.ear_model import (
    adaptation,
    alignment,
    band_alignment,
    compression,
    covariance,
    envelope,
    gammatone,
    group_delay,
    hearing_loss,
    middle_ear,
    sensation_level,
    threshold_noise,
)
from clarity.evaluator.ear_model.constants import N_BANDS
from clarity.evaluator.ear_model.model import compare_signals, select_bands
from clarity.evaluator.engine import (
    band_alignment as fast_alignment,
    band_data,
    fft as fast_fft,
    noise as fast_noise,
    rings,
    vector,
)
from clarity.evaluator.engine.adaptation import adapt_block, sensation_level_block
from clarity.evaluator.engine.alignment import bulk_delay as fast_bulk_delay
from clarity.evaluator.engine.comparison import CochlearComparison
from clarity.evaluator.engine.compression import gain_block, power_gain_curve
from clarity.evaluator.engine.constants import HOP
from clarity.evaluator.engine.covariance import covariance_hop, covariance_workspace
from clarity.evaluator.engine.elementary import exp2, log2, log2_and_inverse
from clarity.evaluator.engine.envelope import smooth_hop, smoothing_state
from clarity.evaluator.engine.estimates import reciprocal, sqrt
from clarity.evaluator.engine.gammatone import (
    Output,
    cascade_gain,
    control_block,
    filter_pair,
    main_block,
    resting_state,
)
from clarity.evaluator.engine.middle_ear import middle_ear as fast_middle_ear
from clarity.evaluator.engine.vector import WIDTH, aligned, aligned_zeros
from clarity.utils.audiogram import Audiogram
from tests.conftest import ROOT
from tests.evaluator.random_pairs import make_pair

TOLERANCE = 1e-10
LEVEL1_DB = 65.0
SIGNALS = ("music", "silence", "click", "tones")
GROUPS = [slice(first, first + WIDTH) for first in range(0, N_BANDS, WIDTH)]
FREQUENCIES_HZ = gammatone.centre_frequencies_hz()
LOSS = hearing_loss.hearing_loss(
    Audiogram([-5, 10, 25, 40, 60, 90], [250, 500, 1000, 2000, 4000, 6000]), FREQUENCIES_HZ
)
CONTROL = gammatone.gammatone_filters(hearing_loss.max_bandwidth(), FREQUENCIES_HZ)
MAIN = gammatone.gammatone_filters(LOSS.min_bandwidth, FREQUENCIES_HZ)
OTHER_MAIN = gammatone.gammatone_filters(1.2 * LOSS.min_bandwidth, FREQUENCIES_HZ)


def signal_pair(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Reference and processed signal of 31 hops."""
    n = 31 * HOP
    if kind == "silence":
        return np.zeros(n), np.zeros(n)
    if kind == "click":
        x = np.zeros(n)
        x[1000] = 1.0
        return x, np.roll(x, 30)
    if kind == "tones":
        t = np.arange(n) / 24000
        x = sum(np.sin(2 * np.pi * f * t) for f in (250, 1000, 3000, 6000))
        return 1e-3 * x, 2e-3 * x
    x = music()[:n]
    return x, np.clip(x, -0.5 * x.max(), 0.5 * x.max())


def music() -> np.ndarray:
    """Half a second and more of a song at 24 kHz."""
    songs = sorted((ROOT.parent / "shared" / "data" / "cadenza_mini").rglob("mixture*.wav"))
    if not songs:
        return make_pair("music_clipped").reference[24000:]
    x, rate = soundfile.read(songs[0], always_2d=True, stop=48000 * 4)
    x = soxr.resample(x[:, 0], rate, 24000)
    return x[np.argmax(np.abs(x)) // 2 :][:24000]


def rows(in_bands: np.ndarray) -> np.ndarray:
    """Rows of the bands side by side, as kernels want them."""
    return aligned(np.ascontiguousarray(in_bands.T))


def assert_equal(ours: np.ndarray, theirs: np.ndarray, tolerance: float = TOLERANCE) -> None:
    """Equal to a fraction of the largest number."""
    scale = np.max(np.abs(theirs), initial=0.0)
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=max(tolerance * scale, 1e-25))


@numba.njit(error_model="numpy")
def operate(x, y, out):
    """Every operation on vectors, a row of results each."""
    a, b = vector.load(x, 0), vector.load(y, 0)
    vector.store(out, 0, a + b)
    vector.store(out, 1, a - b)
    vector.store(out, 2, a * b)
    vector.store(out, 3, a / b)
    vector.store(out, 4, 2.0 + a)
    vector.store(out, 5, a - 3.0)
    vector.store(out, 6, 4.0 * a)
    vector.store(out, 7, 5.0 / a)
    vector.store(out, 8, vector.maximum(a, b))
    vector.store(out, 9, vector.minimum(a, 0.5))
    vector.store(out, 10, sqrt(b))
    vector.store(out, 11, vector.broadcast(7.0))
    total = a
    total += b
    vector.store(out, 12, total)
    vector.store(out, 13, reciprocal(b))
    vector.store(out, 14, sqrt(0.0 * b))
    vector.store(out, 16, vector.load_rows(x, 0) * vector.repeat(b))


def test_operations_are_those_of_numpy() -> None:
    rng = np.random.default_rng(0)
    x, y = (aligned(rng.uniform(0.1, 2.0, (4, WIDTH))) for _ in range(2))
    out = aligned_zeros(20, WIDTH)
    operate(x, y, out)
    a, b = x[0], y[0]
    expected = [a + b, a - b, a * b, a / b, 2 + a, a - 3, 4 * a, 5 / a]
    expected += [np.maximum(a, b), np.minimum(a, 0.5), out[10], np.full(WIDTH, 7.0), a + b]
    np.testing.assert_array_equal(out[:13], expected)
    np.testing.assert_array_equal(out[16:], x * b)
    np.testing.assert_allclose(out[[10, 13]], [np.sqrt(b), 1 / b], rtol=3e-16, atol=0)
    np.testing.assert_array_equal(out[14], np.zeros(WIDTH))


@numba.njit(error_model="numpy")
def elementary(x, out):
    for row in range(0, x.shape[0], vector.N_ROWS):
        values = vector.load_rows(x, row)
        logarithm, inverse = log2_and_inverse(values)
        vector.store(out[0], row, log2(values))
        vector.store(out[1], row, logarithm)
        vector.store(out[2], row, inverse)
        vector.store(out[3], row, exp2(log2(values)))


def test_elementary_functions_are_those_of_numpy() -> None:
    x = aligned(2.0 ** np.random.default_rng(1).uniform(-500, 500, (64, WIDTH)))
    x[0], x[1] = 1.0, 1.0 + 1e-9
    out = aligned_zeros(4, 64, WIDTH)
    elementary(x, out)
    np.testing.assert_allclose(out[:2], np.stack((np.log2(x), np.log2(x))), rtol=1e-14)
    np.testing.assert_allclose(out[2], 1 / x, rtol=1e-15)
    np.testing.assert_allclose(out[3], x, rtol=1e-13)


@pytest.mark.parametrize("kind", SIGNALS)
def test_middle_ear(kind: str) -> None:
    x, _ = signal_pair(kind)
    assert_equal(fast_middle_ear(x), middle_ear.middle_ear(x))


def exact_gammatone(
    x: np.ndarray, filters: gammatone.GammatoneFilters, band: int
) -> tuple[np.ndarray, np.ndarray]:
    """The filter in extended precision, (1 + 2a/z)^2 / (1 - a/z)^4 a section at a time."""
    a = np.longdouble(filters.pole[band])
    angle = 2 * np.pi * filters.frequencies_hz[band] / 24000 * np.arange(x.size)
    carrier = np.exp(-1j * angle)
    z = (x * carrier).astype(np.clongdouble)
    for _ in range(4):
        for n in range(1, z.size):
            z[n] += a * z[n - 1]
    for _ in range(2):
        z[1:] = z[1:] + 2 * a * z[:-1]
    z *= 2 * (1 - a) ** 4 / (1 + 2 * a) ** 2
    return np.abs(z).astype(float), (z * np.conj(carrier)).real.astype(float)


@pytest.mark.parametrize("kind", SIGNALS)
@pytest.mark.parametrize("group", range(len(GROUPS)))
def test_gammatone(kind: str, group: int) -> None:
    bands = GROUPS[group]
    x, y = (fast_middle_ear(z)[: 8 * HOP] for z in signal_pair(kind))
    gain = np.linspace(1, 2, x.size * WIDTH).reshape(x.size, WIDTH)
    outputs = [Output(aligned_zeros(x.size, WIDTH), aligned_zeros(x.size, WIDTH)) for _ in range(2)]
    power, energy = aligned_zeros(2, x.size, WIDTH), aligned_zeros(2, WIDTH)
    state, gains = resting_state(), (aligned(gain), aligned(gain))
    pair = filter_pair(MAIN, OTHER_MAIN, bands)
    for block in (slice(0, 1000), slice(1000, x.size)):  # the second goes on from the first
        rows_of_block = tuple(Output(o.envelope[block], o.motion[block]) for o in outputs)
        gain_of_block = gains[0][block], gains[1][block]
        main_block(state, pair, x[block], y[block], gain_of_block, rows_of_block, energy)
    control_block(resting_state(), filter_pair(CONTROL, CONTROL, bands), x, y, power)
    for s, (z, filters) in enumerate(((x, MAIN), (y, OTHER_MAIN))):
        factor = cascade_gain(filters)[bands]
        expected = gammatone.gammatone(z, select_bands(filters, bands))
        control, _ = gammatone.gammatone(z, select_bands(CONTROL, bands))
        scale = factor / gain
        assert_equal(outputs[s].envelope * scale, expected[0].T)
        assert_equal(outputs[s].motion * scale, expected[1].T)
        assert_equal(np.sqrt(power[s]) * cascade_gain(CONTROL)[bands], control.T)
        assert_equal(np.sqrt(energy[s]) * factor, np.sqrt(np.sum(expected[0] ** 2, 1)))
        exact = exact_gammatone(z, filters, bands.start)
        ours = outputs[s].envelope[:, 0] * scale[:, 0], outputs[s].motion[:, 0] * scale[:, 0]
        for i in range(2):
            assert_equal(ours[i], exact[i], 1e-11)
            assert_equal(expected[i][0], exact[i], 1e-11)


@pytest.mark.parametrize("kind", SIGNALS)
@pytest.mark.parametrize("group", range(len(GROUPS)))
def test_compression(kind: str, group: int) -> None:
    bands = GROUPS[group]
    control, _ = gammatone.gammatone(
        fast_middle_ear(signal_pair(kind)[0]), select_bands(CONTROL, bands)
    )
    control = np.maximum(control, 1e-70)
    curve = power_gain_curve(compression.gain_curve(LOSS), CONTROL.gain, MAIN.gain, LEVEL1_DB)
    power = rows((control / CONTROL.gain[bands, np.newaxis]) ** 2)
    gain, memory = aligned_zeros(*power.shape), aligned_zeros(1, WIDTH)
    for block in (slice(0, HOP), slice(HOP, None)):
        gain_block(memory, aligned(curve[:, bands]), power[block], gain[block])
    expected = compression.smooth_gain(
        compression.compression_gain(control, select_bands(LOSS, bands), LEVEL1_DB)
    )
    np.testing.assert_allclose(gain, (expected.T * MAIN.gain[bands]), rtol=TOLERANCE)


@pytest.mark.parametrize("kind", SIGNALS)
@pytest.mark.parametrize("group", range(len(GROUPS)))
def test_inner_hair_cells(kind: str, group: int) -> None:
    bands = GROUPS[group]
    z = fast_middle_ear(signal_pair(kind)[0])
    loudness, motion = gammatone.gammatone(z, select_bands(MAIN, bands))
    level, level_motion = sensation_level.sensation_level(
        loudness, motion, LOSS.ihc_db[bands], LEVEL1_DB
    )
    inverse, rate, ours = rows(loudness), aligned_zeros(z.size, WIDTH), rows(motion)
    full_scale_db = aligned((LEVEL1_DB - LOSS.ihc_db[bands])[np.newaxis])
    sensation_level_block(full_scale_db, inverse, rate)
    assert_equal(rate, level.T)
    np.testing.assert_allclose(inverse, 1 / (loudness.T + 1e-30), rtol=TOLERANCE)
    voltages = aligned_zeros(2, WIDTH)
    for block in (slice(0, 777), slice(777, None)):
        adapt_block(voltages, inverse[block], rate[block], ours[block])
    expected_rate, expected_motion = adaptation.adapt(level, level_motion)
    assert_equal(rate, expected_rate.T)
    assert_equal(ours, expected_motion.T)


@pytest.mark.parametrize("kind", SIGNALS)
def test_smoothing(kind: str) -> None:
    rates = np.abs(signal_pair(kind)[0]) * np.linspace(1, 70, WIDTH)[:, np.newaxis]
    hop = envelope.ENVELOPE_HOP
    window, sums = smoothing_state()
    frames = np.zeros((WIDTH, rates.shape[1] // hop))
    for i in range(frames.shape[1]):
        smooth_hop(rows(rates[:, i * hop : (i + 1) * hop]), window, sums, i, frames)
    assert_equal(frames, envelope.smooth_envelope(rates))


@pytest.mark.parametrize("kind", SIGNALS)
def test_covariance(kind: str) -> None:
    """Bands from inaudible to loud, one of them late; below the threshold nothing is compared."""
    factor = 10.0 ** np.linspace(-4, 5, WIDTH)[:, np.newaxis]
    x, y = (z * factor for z in signal_pair(kind))
    y[1::2] = np.roll(y[1::2], 20, axis=1)
    y[0] = 0.0
    n_segments = x.shape[1] // HOP
    ours, mean_square = np.zeros((WIDTH, n_segments)), np.zeros((WIDTH, n_segments))
    workspace = covariance_workspace()
    padded_x, padded_y = (np.pad(z, ((0, 0), (HOP, 0))) for z in (x, y))
    for hop in range(n_segments):
        both = slice(hop * HOP, (hop + 2) * HOP)
        segments = rows(padded_x[:, both]), rows(padded_y[:, both])
        covariance_hop(workspace, hop, *segments, 2.5, ours, mean_square)
    expected, expected_square = covariance.segment_covariance(x, y)
    is_heard = np.sqrt(2 * expected_square) > 2.5
    assert_equal(mean_square, expected_square)
    assert_equal(ours, np.where(is_heard, expected, 0.0))
    assert is_heard.any() == (kind != "silence")


@pytest.mark.parametrize("n", [256, 1024, 2048, 16384])
def test_fourier_transform(n: int) -> None:
    """Powers of 4, and powers of 2 that begin with a radix-2 stage, against NumPy's."""
    rng = np.random.default_rng(0)
    re, im = (aligned(rng.standard_normal((n, WIDTH))) for _ in range(2))
    expected = np.fft.fft(re + 1j * im, axis=0)
    tables = fast_fft.transform(n)
    fast_fft.forward(re, im, tables)
    ours = (re + 1j * im)[tables.row_of_bin]
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-13 * np.abs(expected).max())


@pytest.mark.parametrize("n", [7, 1000, 24000])
@pytest.mark.parametrize("delay", [0, 3, -2, 0.4, -0.7])
@pytest.mark.parametrize("gain", [1.0, -1e-9, 1e20])
def test_bulk_delay(n: int, delay: float, gain: float) -> None:
    """At any level, in either polarity and to either side; beside noise and beside an offset."""
    x = music()[:n] if n == 24000 else np.random.RandomState(n).standard_normal(n)
    d = int(delay * n) if abs(delay) < 1 else int(delay)
    y = gain * (alignment.shifted(x, -d, 0, n) + 0.1 * np.random.RandomState(1).standard_normal(n))
    for pair in ((x, y), (x + 1e-3, y), (y, x)):
        assert fast_bulk_delay(*pair, 1) == fast_bulk_delay(*pair, 2) == alignment.bulk_delay(*pair)


@pytest.mark.parametrize("lead", [1e-5, 1e-7, -1e-7, 1e-9, -1e-9])
def test_bulk_delay_among_maxima_that_are_almost_equal(lead: float) -> None:
    """Single precision does not tell them apart."""
    x, y = np.zeros((2, 24000))
    x[5000], y[4700], y[5600] = 1.0, 1.0, -1.0 - lead
    assert fast_bulk_delay(x, y, 1) == alignment.bulk_delay(x, y) == (600 if lead > 0 else -300)


@pytest.mark.parametrize("seed", range(12))
def test_bulk_delay_where_rounding_to_single_precision_would_decide(seed: int) -> None:
    """Two echoes in noise, whose correlations differ by less than that rounding."""
    x = np.random.RandomState(seed).standard_normal(24000)
    early, late = alignment.shifted(x, 300, 0, x.size), alignment.shifted(x, -500, 0, x.size)

    def correlation(y: np.ndarray, lag: int) -> float:
        x_part = (x - x.mean())[max(0, -lag) : x.size - max(0, lag)]
        return x_part @ (y - y.mean())[max(0, lag) : x.size + min(0, lag)]

    products = np.array([[correlation(y, lag) for y in (early, late)] for lag in (-300, 500)])
    # Gains with which both peaks are nearly the same, one way or the other.
    gain = (products[0, 0] - products[1, 0]) / (products[1, 1] - products[0, 1])
    for lead in (3e-8, -3e-8):
        y = early + gain * (1.0 + lead) * late
        assert fast_bulk_delay(x, y, 1) == alignment.bulk_delay(x, y)


@pytest.mark.parametrize("n_hops", [2, 10, 12.5, 31, 100, 200])
def test_band_alignment(n_hops: float) -> None:
    """Signals of one frame and of several; lags up to the limits, one of them beyond."""
    n = int(n_hops * HOP)
    rng = np.random.RandomState(int(n_hops))
    x = rng.standard_normal((WIDTH, n))
    lags = np.linspace(-min(n - 20, 2401), min(n - 20, 2399), WIDTH).astype(int)
    y = np.stack(
        [np.roll(np.pad(z, 3000), lag)[3000:-3000] for z, lag in zip(x, lags, strict=True)]
    )
    pairs = [(x, y), (np.abs(x), np.abs(y))]
    frames = fast_alignment.frames_for(n)
    buffers = [fast_alignment.frame_buffers(frames) for _ in pairs]
    padded = [
        [np.pad(z, ((0, 0), (frames.lead * HOP, 2 * frames.size * HOP))) for z in pair]
        for pair in pairs
    ]
    for first in range(0, frames.n_hops, frames.step):
        # What the frame before has left for this one stays.
        n_present = HOP * (frames.lead if first == 0 else frames.size - frames.step)
        rows = slice(n_present, frames.size * HOP)
        part = slice(first * HOP + rows.start, first * HOP + rows.stop)
        for (in_x, in_y), buffer in zip(padded, buffers, strict=True):
            buffer.re[rows] = in_x[:, part].T
            buffer.im[rows] = in_y[:, part].T
            fast_alignment.add_frame(buffer, frames)
    found = np.zeros((2, WIDTH), np.int64)
    fast_alignment.correlation_peaks(*buffers, frames, n, found)
    for lag, pair in zip(found, pairs, strict=True):
        np.testing.assert_array_equal(lag, band_alignment.band_lags(*pair))


@pytest.mark.parametrize("n_before", [0, 1, 2, 3])
def test_noise(n_before: int) -> None:
    """Any band's noise without that before it, from streams that stand anywhere."""
    stream = np.random.RandomState(3)
    stream.standard_normal(n_before)
    stream.randint(0, 2**31, n_before)
    n_samples = 5001
    states = fast_noise.scan_stream_states(stream, n_samples, 4)
    streams = fast_noise.open_streams(states, [2, 0])
    ours = np.zeros((2, n_samples))
    for s in range(2):
        fast_noise.draw_normals(streams, s, ours[s, :77])
        fast_noise.draw_normals(streams, s, ours[s, 77:])
    noise = threshold_noise.threshold_noise(stream, 4, n_samples, 0.0)
    assert_equal(threshold_noise.noise_gain(0.0) * ours, noise[[2, 0]])
    other = np.random.RandomState()
    fast_noise.restore_state(other, states, 4)
    assert other.standard_normal() == pytest.approx(stream.standard_normal(), rel=1e-14)
    assert other.randint(0, 2**31) == stream.randint(0, 2**31)


def test_group_delay_and_shift() -> None:
    """A hop taken from a ring is the signal, aligned, then delayed; nothing sounds before that."""
    n = 12 * HOP
    x = np.random.RandomState(4).standard_normal((WIDTH, n))
    delay, lag = np.arange(WIDTH) * 50, np.arange(WIDTH) * 30 - 60
    lags = np.stack((np.zeros((2, WIDTH), int), np.stack((lag, lag))))
    parameters = band_data.BandParameters(
        aligned_zeros(1, WIDTH), lags, np.ones((2, WIDTH)), delay, 2.5, 0.0
    )
    ring = band_data.new_rings(parameters)[1].envelope
    aligned_x = np.stack([np.pad(z, 500)[500 + d :][:n] for z, d in zip(x, lag, strict=True)])
    expected = group_delay.compensate_group_delay(aligned_x, delay)
    ours, out = np.zeros((WIDTH, n)), aligned_zeros(HOP, WIDTH)
    for ahead in range(12 + parameters.hops_ahead()):
        first = rings.row_of_hop(ring, ahead)
        piece = x[:, ahead * HOP : (ahead + 1) * HOP].T
        ring[first : first + HOP] = 0.0
        ring[first : first + piece.shape[0]] = piece
        rings.finish_hop(ring, ahead, lag)
        hop = ahead - parameters.hops_ahead()
        if hop >= 0:
            take(ring, hop, lag, delay, out)
            ours[:, hop * HOP : (hop + 1) * HOP] = 0.5 * out.T
    np.testing.assert_array_equal(ours, expected)


@numba.njit(error_model="numpy")
def take(ring, hop, lag, delay, out):
    places = np.zeros(WIDTH, np.int64)
    rings.take_hop(ring, hop, lag, delay, vector.broadcast(2.0), places, out)


@pytest.mark.parametrize("kind", ["music", "click", "tones"])
def test_all_stages(kind: str) -> None:
    """Both engines from the eardrum to the features' input."""
    x, y = signal_pair(kind)
    expected = compare_signals((x, y), (LOSS, LOSS), LEVEL1_DB, np.random.RandomState(1))
    with ThreadPoolExecutor(2) as pool:
        noise = pool.submit(
            fast_noise.scan_stream_states, np.random.RandomState(1), x.size, 2 * N_BANDS
        )
        model = CochlearComparison(LOSS, LEVEL1_DB, 2.5, pool)
        ours = model.compare(fast_middle_ear(x), fast_middle_ear(y), noise)
    is_heard = np.sqrt(2 * expected.mean_square) > 2.5
    for name in ("reference_frames", "processed_frames", "mean_square", "reference_spectrum_db"):
        assert_equal(getattr(ours, name), getattr(expected, name))
    assert_equal(ours.covariance, np.where(is_heard, expected.covariance, 0.0))


SCORES = """
import numpy as np
from clarity.evaluator.engine.vector import WIDTH
from clarity.evaluator.haaqi import evaluate_haaqi
from clarity.utils.audiogram import Audiogram
from tests.evaluator.random_pairs import make_pair
print(WIDTH)
for name in ("music_0s2", "music_quieter", "noise_delayed", "gap_noisy"):
    pair = make_pair(name)
    print(*evaluate_haaqi(
        pair.reference, pair.reference_rate, pair.processed, pair.processed_rate,
        Audiogram(pair.levels, pair.frequencies), pair.equalisation, pair.level1,
        random_state=np.random.RandomState(pair.seed),
    ).raw)
"""


@pytest.mark.slow
def test_scores_do_not_depend_on_the_width() -> None:
    """Four bands at a time and eight, each compiled in a process of its own."""
    printed = {
        width: subprocess.run(
            [sys.executable, "-c", SCORES],
            env={**os.environ, "HAAQI_VECTOR_WIDTH": width, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split()
        for width in ("4", "8")
    }
    assert [numbers[0] for numbers in printed.values()] == ["4", "8"]
    four, eight = (np.array(numbers[1:], float) for numbers in printed.values())
    assert four.size == 16
    np.testing.assert_allclose(four, eight, rtol=0, atol=1e-12)


def test_the_width_is_that_of_the_processor() -> None:
    """Without AVX-512 four bands at a time, whatever this machine has."""
    script = "from clarity.evaluator.engine.vector import WIDTH; print(WIDTH)"
    environment = {k: v for k, v in os.environ.items() if k != "HAAQI_VECTOR_WIDTH"}
    run = subprocess.run(
        [sys.executable, "-c", script],
        env={**environment, "NUMBA_CPU_NAME": "haswell", "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert run.stdout.strip() == "4"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists() and not os.environ.get("HAAQI_VECTOR_WIDTH"):
        assert (8 if "avx512f" in cpuinfo.read_text() else 4) == WIDTH
