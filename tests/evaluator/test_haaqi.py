"""HAAQI against the peer's numbers, and its behaviour on odd input."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Container, Iterable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from clarity.evaluator.haaqi import (
    Ear,
    HaaqiResult,
    SilentReferenceError,
    compute_haaqi,
    evaluate_haaqi,
    evaluate_listeners,
    haaqi_v1,
)
from clarity.evaluator.haaqi.inputs import ENGINES
from clarity.utils.audiogram import Audiogram, Listener
from tests.evaluator.odd_cases import CASES, LEVEL1_DB, LEVELS_DB, SEED, make_signal
from tests.evaluator.random_pairs import FREQUENCIES_HZ, PAIRS, make_pair

TOLERANCE = 1e-8
FOLDER = Path(__file__).parent / "references"
REFERENCES = json.loads((FOLDER / "haaqi_references.json").read_text())["pairs"]
ODD_REFERENCES = json.loads((FOLDER / "odd_references.json").read_text())["values"]
AUDIOGRAM = Audiogram([20, 25, 30, 35, 40, 45, 50, 55], FREQUENCIES_HZ)
GOLDEN_CASES = [
    *("clipped", "delayed_lowpass", "noisy_vocals", "flat_audiogram", "silent_gap"),
    *("short_processed", "advanced", "very_short", "adds_nalr", "resampled_44k1"),
    *("resampled_16k", "identical", "near_silent", "quiet_mild", "quiet_normal"),
]
QUICK_GOLDEN_CASES = {"very_short", "adds_nalr"}


def for_each_engine(names: Iterable[str], quick: Container[str]) -> list:
    """Cases for both engines; those that take the reference more than a second are slow."""
    return [
        pytest.param(name, engine, marks=pytest.mark.slow)
        if engine == "reference" and name not in quick
        else (name, engine)
        for engine in ENGINES
        for name in names
    ]


def noise(n: int, seed: int = 0) -> np.ndarray:
    """White noise well above threshold."""
    return 0.1 * np.random.RandomState(seed).standard_normal(n)


def score(reference: np.ndarray, processed: np.ndarray, rate: float = 24000, **options):
    """HAAQI with a stream of its own."""
    return evaluate_haaqi(
        reference,
        rate,
        processed,
        rate,
        AUDIOGRAM,
        2,
        options.pop("level1", 65.0),
        **{"random_state": np.random.RandomState(1), **options},
    )


def values(result: HaaqiResult) -> list[float]:
    """Score, terms and features."""
    return [result.score, result.nonlinear, result.linear, *result.raw]


@pytest.mark.parametrize(("name", "engine"), for_each_engine(GOLDEN_CASES, QUICK_GOLDEN_CASES))
def test_golden_case(golden: Path, name: str, engine: str) -> None:
    folder = golden / "haaqi"
    cases = {
        case["name"]: case for case in json.loads((folder / "cases.json").read_text())["cases"]
    }
    assert set(cases) == set(GOLDEN_CASES)
    case = cases[name]
    reference, _ = soundfile.read(folder / case["reference"])
    processed, _ = soundfile.read(folder / case["processed"])
    np.random.seed(case["numpy_seed"])
    result = evaluate_haaqi(
        reference,
        case["reference_sample_rate"],
        processed,
        case["processed_sample_rate"],
        Audiogram(case["audiogram_levels"], case["audiogram_frequencies"]),
        case["equalisation"],
        case["level1"],
        engine=engine,
    )
    expected = [case["haaqi"], case["nonlinear"], case["linear"], *case["raw"].values()]
    np.testing.assert_allclose(values(result), expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(
    ("name", "engine"),
    for_each_engine(PAIRS, [name for name, (seconds, *_) in PAIRS.items() if seconds < 0.8]),
)
def test_random_pair(name: str, engine: str) -> None:
    """Seven numbers as the peer gives them, and the random stream where the peer leaves it."""
    pair, expected = make_pair(name), REFERENCES[name]
    np.random.seed(pair.seed)
    result = evaluate_haaqi(
        pair.reference,
        pair.reference_rate,
        pair.processed,
        pair.processed_rate,
        Audiogram(pair.levels, pair.frequencies),
        pair.equalisation,
        pair.level1,
        engine=engine,
    )
    _, key, position, has_gauss, gauss = np.random.get_state()
    np.testing.assert_allclose(values(result), expected["values"], rtol=0, atol=TOLERANCE)
    digest = hashlib.sha256(np.asarray(key, "<u4").tobytes()).hexdigest()[:16]
    assert [digest, position, has_gauss] == [
        expected["random"][part] for part in ("key", "position", "has_gauss")
    ]
    assert gauss == pytest.approx(expected["random"]["gauss"], rel=1e-14)


@pytest.mark.parametrize("name", CASES)
def test_what_haaqi_does_not_prescribe(name: str) -> None:
    """A healthy reference, other segments, constant and silent signals score as with the peer."""
    reference, processed, equalisation, segment_ms = CASES[name]
    np.random.seed(SEED)
    score, nonlinear, linear, raw = haaqi_v1(
        make_signal(reference),
        24000,
        make_signal(processed),
        24000,
        Audiogram(LEVELS_DB, FREQUENCIES_HZ),
        equalisation,
        LEVEL1_DB,
        segment_covariance=segment_ms,
    )
    np.testing.assert_allclose(
        [score, nonlinear, linear, *raw], ODD_REFERENCES[name], rtol=0, atol=TOLERANCE
    )


def test_threads_change_no_bit() -> None:
    reference = noise(40000)
    processed = np.clip(reference, -0.1, 0.1)
    results = [score(reference, processed, n_threads=n) for n in (1, 2, 3, 8)]
    assert all(result == results[0] for result in results)


def test_two_ears_share_one_stream() -> None:
    """The second of two calls goes on where the first stopped, whichever stream is used."""
    reference, processed = noise(12000), noise(12000, 1)
    own = np.random.RandomState(7)
    np.random.seed(7)
    for _ in range(2):
        with_own = evaluate_haaqi(
            reference, 24000, processed, 24000, AUDIOGRAM, 2, random_state=own
        )
        assert with_own == evaluate_haaqi(reference, 24000, processed, 24000, AUDIOGRAM, 2)
        assert own.standard_normal() == np.random.standard_normal()


def test_listeners_in_parallel_equal_one_after_the_other() -> None:
    listeners = [
        [
            Ear(noise(10000, seed), 24000, noise(10000, seed + 1), 24000, AUDIOGRAM, 2, 60.0 + seed)
            for seed in (i, i + 10)
        ]
        for i in range(4)
    ]
    results = evaluate_listeners(listeners, seeds=range(4), n_threads=3)
    for i, ears in enumerate(listeners):
        np.random.seed(i)
        assert results[i] == [ear.evaluate() for ear in ears]
    with pytest.raises(ValueError, match="zip"):
        evaluate_listeners(listeners, seeds=[1])


def test_wrapper_order_and_empty_signals() -> None:
    reference, processed = noise(12000), np.clip(noise(12000), -0.05, 0.05)
    np.random.seed(3)
    expected = haaqi_v1(reference, 24000, processed, 24000, AUDIOGRAM, 1, 80.0)[0]
    np.random.seed(3)
    assert compute_haaqi(processed, reference, 24000, 24000, AUDIOGRAM, 1, 80.0) == expected
    empty = np.zeros(0)
    state = np.random.get_state()[2]
    assert compute_haaqi(empty, empty, 24000, 24000, AUDIOGRAM) == 1.0
    assert compute_haaqi(processed, empty, 24000, 24000, AUDIOGRAM) == 0.0
    with pytest.raises(ValueError, match="processed signal is empty"):
        compute_haaqi(empty, reference, 24000, 24000, AUDIOGRAM)
    assert np.random.get_state()[2] == state


def test_silent_reference() -> None:
    for rate in (24000, 44100):
        with pytest.raises(SilentReferenceError, match="silent"):
            score(np.zeros(12000), noise(12000), rate)
    assert issubclass(SilentReferenceError, ValueError)
    assert issubclass(SilentReferenceError, IndexError)


def test_silence_is_compared_alike_at_every_rate(caplog: pytest.LogCaptureFixture) -> None:
    """The peer has a number at 24 kHz (`silent_processed` above) and NaN at all other rates."""
    results = [
        evaluate_haaqi(
            noise(12000),
            24000,
            np.zeros(rate // 2),
            rate,
            AUDIOGRAM,
            2,
            90.0,
            random_state=np.random.RandomState(1),
        )
        for rate in (24000, 16000, 48000, 44000)
    ]
    assert 0.0 < results[0].score < 0.2
    assert all(result == results[0] for result in results)
    warning = "The processed signal is silent: it is compared as the noise at threshold"
    assert caplog.messages == 4 * [warning]


@pytest.mark.parametrize("equalisation", [-1, 3, 1.5, None, "1"])
def test_unknown_equalisation(equalisation: object) -> None:
    with pytest.raises(ValueError, match="equalisation must be 1"):
        evaluate_haaqi(noise(12000), 24000, noise(12000), 24000, AUDIOGRAM, equalisation)


@pytest.mark.parametrize(
    "random_state",
    [0, np.random.default_rng(0), np.random.RandomState(np.random.PCG64(0)), np.random.seed],
    ids=["int", "Generator", "PCG64", "function"],
)
def test_wrong_kind_of_random_state(random_state: object) -> None:
    with pytest.raises(TypeError, match=r"numpy\.random\.RandomState over MT19937"):
        score(noise(12000), noise(12000), random_state=random_state)


def test_unknown_engine() -> None:
    with pytest.raises(ValueError, match="compiled or reference, got 'fast'"):
        score(noise(12000), noise(12000), engine="fast")


def test_inaudible_reference_scores_as_published() -> None:
    result = score(1e-6 * noise(12000), 1e-6 * noise(12000, 1))
    assert result.raw == [0.0, 0.0, 1.0, 1.0]
    assert result.score == pytest.approx(0.162, abs=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("which", ["reference", "processed"])
def test_not_finite(bad: float, which: str) -> None:
    signals = {"reference": noise(12000), "processed": noise(12000, 1)}
    signals[which][5000] = bad
    with pytest.raises(ValueError, match=f"{which} signal holds 1 sample"):
        score(**signals)


@pytest.mark.parametrize("n", [1, 100, 383])
def test_too_short(n: int) -> None:
    with pytest.raises(ValueError, match=r"needs at least 384|needs at least 4\d\d"):
        score(noise(n), noise(n))


@pytest.mark.parametrize("rate", [0, -44100, None, np.nan, np.inf, [24000], noise(3)])
def test_what_is_no_sampling_rate(rate: object) -> None:
    with pytest.raises(ValueError, match="rate must be a number above 500 Hz, got "):
        score(noise(12000), noise(12000), rate=rate)


@pytest.mark.parametrize("level1", [np.nan, np.inf, None, "65", 1e6, -1e6])
def test_what_is_no_level(level1: object) -> None:
    with pytest.raises(ValueError, match="level1 must be a number, the level in dB SPL"):
        evaluate_haaqi(noise(12000), 24000, noise(12000), 24000, AUDIOGRAM, 1, level1)
    with pytest.raises(SilentReferenceError):  # whose level is infinite
        evaluate_haaqi(np.zeros(12000), 24000, noise(12000), 24000, AUDIOGRAM, 1, level1)


@pytest.mark.parametrize(
    "audiogram", [None, "N3", [20.0] * 6, Listener(AUDIOGRAM, AUDIOGRAM)], ids=type
)
def test_what_is_no_audiogram(audiogram: object) -> None:
    with pytest.raises(TypeError, match=f"an Audiogram, .* got a {type(audiogram).__name__}"):
        evaluate_haaqi(noise(12000), 24000, noise(12000), 24000, audiogram, 1)


def test_wrong_shape_and_rate() -> None:
    with pytest.raises(
        ValueError, match=r"shape \(samples,\), one ear at a time, got \(12000, 2\)"
    ):
        score(np.zeros((12000, 2)), noise(12000))
    with pytest.raises(ValueError, match="processed signal must be an array of numbers: "):
        score(noise(12000), "processed.wav")
    with pytest.raises(ValueError, match="500 Hz"):
        score(noise(12000), noise(12000), rate=400)
    with pytest.raises(ValueError, match=r"2\.17 ms or more \(HAAQI prescribes 16\), got 2"):
        haaqi_v1(noise(12000), 24000, noise(12000), 24000, AUDIOGRAM, 2, segment_covariance=2)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("n_threads", [-1, 0, 1.5, "2"]),
        ("silence_threshold", [None, "2.5", np.nan]),
        ("add_noise", [None, -1.0, np.inf]),
        ("segment_covariance", [None, np.nan, np.inf]),
    ],
)
def test_what_is_no_number(name: str, values: list[object]) -> None:
    for value in values:
        with pytest.raises(ValueError, match=f"{name} must be a .*number.*, got "):
            score(noise(400), noise(400), **{name: value})


def test_threads_of_listeners() -> None:
    with pytest.raises(ValueError, match="n_threads must be a whole number from 1 on"):
        evaluate_listeners([], seeds=[], n_threads=-1)


def test_complex_signals() -> None:
    for signals in ((1j * noise(12000), noise(12000)), (noise(12000), noise(12000) + 0j)):
        with pytest.raises(ValueError, match="complex"):
            score(*signals)


def test_float32_and_lists_are_float64() -> None:
    reference, processed = noise(9600).astype(np.float32), noise(9600, 1).astype(np.float32)
    expected = score(reference.astype(float), processed.astype(float))
    assert score(reference, processed) == expected
    assert score(reference.tolist(), processed[::1].tolist()) == expected


def test_delay_and_polarity_hardly_matter() -> None:
    """A property of the model: it lines the signals up, by the magnitude of their correlation."""
    reference = noise(24000)
    identical = score(reference, reference).score
    late = np.concatenate((np.zeros(4800), reference))
    padded = np.concatenate((reference, np.zeros(4800)))
    assert score(padded, late).score == pytest.approx(identical, abs=1e-3)
    assert score(reference, -reference).score == pytest.approx(identical, abs=0.03)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's peak memory")
def test_peak_memory_at_four_minutes() -> None:
    """Under 0.6 GB for 240 s, measured in a process of its own that finds the kernels compiled."""
    script = (
        "import pathlib, sys, numpy as np\n"
        "from clarity.evaluator.haaqi import evaluate_haaqi\n"
        "from clarity.utils.audiogram import Audiogram\n"
        "x = np.random.RandomState(0).standard_normal(int(sys.argv[1]) * 24000)\n"
        "x *= 0.05\n"
        "a = Audiogram([30] * 6, [250, 500, 1000, 2000, 4000, 6000])\n"
        "evaluate_haaqi(x, 24000, x, 24000, a, 2)\n"
        "status = pathlib.Path('/proc/self/status').read_text()\n"
        "print(status.partition('VmHWM:')[2].split()[0])\n"
    )
    for seconds in ("1", "240"):  # a process that compiles takes 0.2 GB more
        run = subprocess.run(
            [sys.executable, "-c", script, seconds], check=True, capture_output=True, text=True
        )
    # Not getrusage: what that gives includes the process that started this one.
    assert int(run.stdout.split()[-1]) / 1024 < 600
