"""The differentiable HAAQI against the peer's numbers and the exact implementation."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from clarity.evaluator.haaqi_torch import EarParameters, HaaqiLoss, haaqi, pairs
from clarity.utils.audiogram import STANDARD_AUDIOGRAMS, Audiogram
from tests.evaluator.random_pairs import PAIRS, make_pair
from tests.evaluator.torch_pairs import (
    TOLERANCE,
    audiogram,
    exact,
    music,
    numbers,
    odd_pair,
    tensor,
)

FLIPS_A_LAG_IN_FLOAT32 = {"noisy_vocals"}
CASES = [
    *("clipped", "silent_gap", "short_processed", "adds_nalr", "resampled_44k1", "very_short"),
    *("delayed_lowpass", "noisy_vocals", "flat_audiogram", "advanced", "resampled_16k"),
    *("identical", "near_silent", "quiet_mild", "quiet_normal"),
]
QUICK_CASES = {
    torch.float64: {"adds_nalr", "resampled_44k1", "very_short"},
    torch.float32: {"clipped", "short_processed", "adds_nalr", "very_short"},
}
SLOW = pytest.mark.slow
REFERENCES = json.loads(
    (Path(__file__).parent / "references" / "haaqi_references.json").read_text()
)["pairs"]
PAIRS_OF_ONE_RATE = [
    pytest.param(name, marks=[] if seconds < 0.8 else SLOW)
    for name, (seconds, _, _, rate, other_rate) in PAIRS.items()
    if rate == other_rate
]


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        pytest.param(name, dtype, marks=[] if name in quick else SLOW)
        for dtype, quick in QUICK_CASES.items()
        for name in CASES
    ],
)
def test_golden_case(golden: Path, name: str, dtype: torch.dtype) -> None:
    folder = golden / "haaqi"
    cases = {c["name"]: c for c in json.loads((folder / "cases.json").read_text())["cases"]}
    assert set(cases) == set(CASES)
    case = cases[name]
    signals = [
        torch.from_numpy(soundfile.read(folder / case[which])[0])[None]
        for which in ("processed", "reference")
    ]
    audiogram = Audiogram(case["audiogram_levels"], case["audiogram_frequencies"])
    output = haaqi(
        *signals,
        EarParameters.from_audiograms([audiogram]),
        sample_rate=case["reference_sample_rate"],
        level1=case["level1"],
        equalisation=case["equalisation"],
        noise=case["numpy_seed"],
        dtype=dtype,
    )
    expected = [case["haaqi"], case["nonlinear"], case["linear"], *case["raw"].values()]
    flips = name in FLIPS_A_LAG_IN_FLOAT32
    tolerance = TOLERANCE if dtype == torch.float64 else 5e-5 if flips else 1e-6
    np.testing.assert_allclose(torch.cat(output), expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", PAIRS_OF_ONE_RATE)
def test_random_pair_of_the_peer(name: str) -> None:
    """Seven numbers as the peer gives them."""
    pair = make_pair(name)
    ear = EarParameters.from_audiograms([Audiogram(pair.levels, pair.frequencies)])
    output = haaqi(
        tensor(pair.processed),
        tensor(pair.reference),
        ear,
        sample_rate=pair.reference_rate,
        level1=pair.level1,
        equalisation=pair.equalisation,
        noise=pair.seed,
    )
    expected = REFERENCES[name]["values"]
    np.testing.assert_allclose(numbers(output)[0], expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(
    ("rate", "equalisation"),
    [
        *((16000, 1), (24000, 2), (44100, 1), (48000, 2)),
        *(pytest.param(*p, marks=SLOW) for p in ((16000, 2), (24000, 1), (44100, 2), (48000, 1))),
    ],
)
def test_unequal_lengths_at_any_rate(rate: int, equalisation: int) -> None:
    """A batch equals its pairs one by one in the exact implementation, whatever is behind them."""
    pairs = [odd_pair(10 * equalisation + i, rate, (0.2, 0.3)) for i in range(3)]
    ears = [audiogram(i) for i in range(3)]
    lengths = [reference.size for _, reference in pairs]
    longest = max(lengths)
    garbage = np.random.RandomState(0).standard_normal(longest)
    batch = [
        tensor(*(np.concatenate((x, garbage[x.size :])) for x in signals))
        for signals in zip(*pairs, strict=True)
    ]
    options = {"level1": 78.0, "equalisation": equalisation}
    output = haaqi(
        *batch,
        EarParameters.from_audiograms(ears),
        sample_rate=rate,
        lengths=lengths,
        noise=[3, 4, 5],
        **options,
    )
    expected = [
        exact(*pair, ear, rate=rate, seed=3 + i, **options)
        for i, (pair, ear) in enumerate(zip(pairs, ears, strict=True))
    ]
    np.testing.assert_allclose(numbers(output), expected, rtol=0, atol=TOLERANCE)


def test_healthy_ear_for_the_reference() -> None:
    processed, reference = odd_pair(5, 24000)
    output = haaqi(
        tensor(processed),
        tensor(reference),
        EarParameters.from_audiograms([audiogram(4)]),
        sample_rate=24000,
        level1=80.0,
        equalisation=0,
    )
    expected = exact(processed, reference, audiogram(4), equalisation=0)
    np.testing.assert_allclose(numbers(output)[0], expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("equalisation", [0, 1, 2])
def test_constant_silent_and_inaudible_signals(equalisation: int) -> None:
    """Fixed values of the exact metric, and those where no covariance has a peak."""
    n = 3000
    x, constant, silent = music(n, 1), np.full(n, 0.1), np.zeros(n)
    pairs = [(constant, x), (x, constant), (constant, constant), (silent, x), (x, 1e-7 * x)]
    ears = EarParameters.from_audiograms([audiogram(4)])
    options = {"level1": 80.0, "equalisation": equalisation}
    padded = [tensor(*(np.pad(s, (0, 99)) for s in side)) for side in zip(*pairs, strict=True)]
    output = haaqi(*padded, ears, sample_rate=24000, lengths=[n] * len(pairs), **options)
    expected = [exact(*pair, audiogram(4), **options) for pair in pairs]
    np.testing.assert_allclose(numbers(output), expected, rtol=0, atol=TOLERANCE)


def test_longer_processed_signals_are_cut() -> None:
    """Each signal keeps its own level when it is resampled, and only then both are cut."""
    processed, reference = odd_pair(3, 44100)
    reference = reference[:-3000]
    lengths = [processed.size, reference.size - 2000]
    output = haaqi(
        tensor(processed, processed),
        tensor(reference, reference),
        EarParameters.from_audiograms([audiogram(1)]),
        sample_rate=44100,
        level1=80.0,
        lengths=lengths,
    )
    expected = [exact(processed[:n], reference[:n], audiogram(1), rate=44100) for n in lengths]
    np.testing.assert_allclose(numbers(output), expected, rtol=0, atol=TOLERANCE)


def test_stereo_and_one_numpy_stream() -> None:
    """Channel after channel draws from a stream, which stops where the exact metric leaves it."""
    pairs = [odd_pair(seed, 24000, (0.15, 0.2)) for seed in range(4)]
    n = min(reference.size for _, reference in pairs)
    processed, reference = (
        tensor(*(pair[i][:n] for pair in pairs)).reshape(2, 2, n) for i in range(2)
    )
    ears = [audiogram(7), audiogram(8)]
    stream, expected_stream = np.random.RandomState(11), np.random.RandomState(11)
    output = haaqi(
        processed,
        reference,
        EarParameters.from_audiograms(ears),
        sample_rate=24000,
        level1=80.0,
        noise=stream,
    )
    assert output.score.shape == (2, 2)
    expected = [
        exact(p[:n], r[:n], ears[i % 2], stream=expected_stream) for i, (p, r) in enumerate(pairs)
    ]
    np.testing.assert_allclose(numbers(output), expected, rtol=0, atol=TOLERANCE)
    assert stream.standard_normal() == expected_stream.standard_normal()
    four_ears = EarParameters.from_audiograms(ears * 2)
    seeded = [
        haaqi(processed, reference, ear, sample_rate=24000, level1=80.0, noise=[1, 2, 3, 4])
        for ear in (four_ears, EarParameters.from_audiograms(ears))
    ]
    assert torch.equal(seeded[0].score, seeded[1].score)


def test_torch_noise_is_the_same_metric(golden: Path) -> None:
    """Near the threshold the draws matter (standard deviation 5e-5); without noise it differs."""
    cases = json.loads((golden / "haaqi" / "cases.json").read_text())["cases"]
    (case,) = (c for c in cases if c["name"] == "adds_nalr")
    processed, reference = (
        torch.from_numpy(soundfile.read(golden / "haaqi" / case[which])[0])[None]
        for which in ("processed", "reference")
    )
    ear = EarParameters.from_audiograms(
        [Audiogram(case["audiogram_levels"], case["audiogram_frequencies"])]
    )
    options = {"sample_rate": 24000, "level1": case["level1"], "equalisation": 1}
    draws = torch.Generator().manual_seed(0)
    scores = [
        float(haaqi(processed, reference, ear, noise=draws, dtype=torch.float32, **options).score)
        for _ in range(2)
    ]
    assert scores[0] != scores[1]
    np.testing.assert_allclose(scores, case["haaqi"], rtol=0, atol=5 * 4.7e-5)
    with pytest.warns(UserWarning, match="near the threshold"):
        silent = haaqi(processed, reference, ear, noise=None, dtype=torch.float32, **options)
    assert float(silent.score) - case["haaqi"] == pytest.approx(-1.1e-2, abs=1e-3)


N = 2400
EAR = EarParameters.from_audiograms([STANDARD_AUDIOGRAMS["N2"]])


def bad_batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Pairs that are good, not finite, silent, short, and good."""
    reference = tensor(*(music(N, seed) for seed in range(5)))
    processed = reference.clamp(-0.05, 0.05)
    processed[1, 40] = torch.nan
    reference[2] = 0.0
    reference[3, 350:] = 0.0
    return processed, reference


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (1, "pair 0: the processed signal holds NaN or infinity"),
        (2, "pair 0: the reference is silent"),
        (3, "pair 0: the reference has .* samples .* needs at least 384"),
    ],
)
def test_errors_name_the_pair(pair: int, message: str) -> None:
    processed, reference = (x[pair : pair + 1] for x in bad_batch())
    with pytest.raises(ValueError, match=message):
        haaqi(processed, reference, EAR, sample_rate=24000)
    good = bad_batch()[1][:1]
    with pytest.raises(
        ValueError, match=message.replace("pair 0", r"pair 1 \(item 0, channel 1\)")
    ):
        haaqi(
            torch.stack((good, processed), 1),
            torch.stack((good, reference), 1),
            EAR,
            sample_rate=24000,
        )


def test_loss_leaves_out_what_cannot_be_scored() -> None:
    """Its value and gradient are those of the good pairs alone."""
    processed, reference = bad_batch()
    results = {}
    for which in (slice(None), [0, 4]):
        x = processed[which].clone().requires_grad_()
        losses = {
            reduction: HaaqiLoss(24000, level1=75.0, reduction=reduction, dtype=torch.float64)
            for reduction in ("mean", "sum", "none")
        }
        values = {}
        for name, loss in losses.items():
            torch.manual_seed(1)
            values[name] = loss(x, reference[which], EAR)
        values["mean"].backward()
        results[str(which)] = values, x.grad
    (all_values, gradient), (good_values, good_gradient) = results.values()
    for name in ("mean", "sum"):
        torch.testing.assert_close(all_values[name], good_values[name], rtol=0, atol=1e-6)
    assert torch.equal(all_values["none"][1:4], torch.zeros(3, dtype=torch.float64))
    assert float(all_values["sum"].detach()) == pytest.approx(
        float(2 * all_values["mean"].detach()), abs=1e-6
    )
    assert torch.equal(gradient[1:4], torch.zeros(3, N, dtype=torch.float64))
    torch.testing.assert_close(gradient[[0, 4]], good_gradient, rtol=1e-3, atol=1e-5)
    nothing = processed[1:4].clone().requires_grad_()
    with pytest.warns(UserWarning, match="the loss is 0: pair 0: .* holds NaN"):
        loss = HaaqiLoss(24000)(nothing, reference[1:4], EAR)
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert torch.equal(nothing.grad, torch.zeros_like(nothing))


def test_wrong_arguments() -> None:
    x = torch.zeros(2, N)
    with pytest.raises(ValueError, match="must both have shape"):
        haaqi(x, x[0], EAR, sample_rate=24000)
    with pytest.raises(ValueError, match="nothing to score"):
        haaqi(x[:, :0], x, EAR, sample_rate=24000)
    with pytest.raises(
        ValueError, match=r"shape \(1000, 2\) .* last axis must be that of the samp"
    ):
        haaqi(x[:, :1000].T, x[:, :1000].T, EAR, sample_rate=24000)
    with pytest.raises(ValueError, match=r"of shape \(2, samples\) need 1 or 2 ears, got 3"):
        haaqi(x, x, EarParameters.from_audiograms([AUDIOGRAM] * 3), sample_rate=24000)
    with pytest.raises(ValueError, match="2 items but 3 lengths"):
        haaqi(x, x, EAR, sample_rate=24000, lengths=[1, 2, 3])
    with pytest.raises(ValueError, match="lengths must be from 1"):
        haaqi(x, x, EAR, sample_rate=24000, lengths=[N, N + 1])
    with pytest.raises(ValueError, match="2 pairs but 1 seeds"):
        haaqi(x, x, EAR, sample_rate=24000, noise=[1])
    with pytest.raises(ValueError, match="equalisation must be 1"):
        haaqi(x, x, EAR, sample_rate=24000, equalisation=3)
    with pytest.raises(ValueError, match="500 Hz"):
        HaaqiLoss(sample_rate=400)
    for level1 in (float("nan"), 1e6, -400, torch.tensor([70.0, 80.0])):
        with pytest.raises(ValueError, match="level1 must be a number"):
            HaaqiLoss(24000, level1=level1)
    with pytest.raises(ValueError, match="on cpu, the references on meta"):
        haaqi(x, x.to("meta"), EAR, sample_rate=24000)
    for band_chunk in (0, 33, 2.5, None):
        with pytest.raises(ValueError, match="band_chunk must be from 1 to 32, got"):
            haaqi(x, x, EAR, sample_rate=24000, band_chunk=band_chunk)
    with pytest.raises(ValueError, match="dtype"):
        haaqi(x, x, EAR, sample_rate=24000, dtype=torch.float16)
    with pytest.raises(ValueError, match="reduction"):
        HaaqiLoss(24000, reduction="max")
    with pytest.raises(ValueError, match="list is empty"):
        EarParameters.from_audiograms([])


def test_wrong_types() -> None:
    x = torch.randn(2, N)
    with pytest.raises(TypeError, match=r"processed must be a torch.Tensor, got a ndarray"):
        haaqi(x.numpy(), x, EAR, sample_rate=24000)
    with pytest.raises(TypeError, match=r"reference must be a torch.Tensor, got a list"):
        HaaqiLoss(24000)(x, x.tolist(), EAR)
    for pcm in (x.to(torch.int16), x.to(torch.int32)):
        with pytest.raises(TypeError, match=r"float samples, got torch\.int.*: divide it by its"):
            haaqi(x, pcm, EAR, sample_rate=24000)
    with pytest.raises(TypeError, match=r"processed must .* got torch\.complex64: take its real"):
        HaaqiLoss(24000)(x + 0j, x, EAR)
    with pytest.raises(TypeError, match=r"must be EarParameters, .* got a Audiogram"):
        haaqi(x, x, AUDIOGRAM, sample_rate=24000)
    with pytest.raises(TypeError, match=r"takes a list: from_audiograms\(\[audiogram\]\)"):
        EarParameters.from_audiograms(AUDIOGRAM)
    with pytest.raises(TypeError, match=r"an Audiogram, .* got a str"):
        EarParameters.from_audiograms(["N3"])
    for lengths in (960, 960.0, [960, 960.5], [960, None], torch.tensor([960, 0.5])):
        with pytest.raises(TypeError, match="lengths must have a length for each item, got "):
            haaqi(x, x, EAR, sample_rate=24000, lengths=lengths)
    for noise in (1.5, [1, None], np.random.default_rng(0)):
        with pytest.raises(TypeError, match=r"noise must be a seed, .* got "):
            haaqi(x, x, EAR, sample_rate=24000, noise=noise)
    for generator in (0, np.random.RandomState(0)):
        with pytest.raises(TypeError, match=r"generator must be a torch\.Generator or None, got "):
            HaaqiLoss(24000, generator=generator)
    seeds = (
        haaqi(x, x, EAR, sample_rate=24000, noise=np.int64(3)),
        haaqi(x, x, EAR, sample_rate=24000, noise=3),
    )
    assert torch.equal(seeds[0].score, seeds[1].score)


def test_devices_without_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "WITHOUT_FLOAT64", {"cpu"})
    with pytest.raises(ValueError, match=r"cpu devices have no float64, .* signals\.cpu\(\)"):
        HaaqiLoss(24000)(torch.randn(1, N), torch.randn(1, N), EAR)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_outputs_of_any_float_type(dtype: torch.dtype) -> None:
    """A network may give half precision; what is computed in is for `dtype` to say."""
    reference = tensor(music(N, 1))
    processed = reference.clamp(-0.05, 0.05).to(dtype)
    scores = [
        haaqi(y, reference, EAR, sample_rate=24000, level1=80.0).score
        for y in (processed, processed.double())
    ]
    assert torch.equal(*scores)


AUDIOGRAM = STANDARD_AUDIOGRAMS["N2"]


def test_the_engine_is_not_imported() -> None:
    """As in a new process, but for torch, whose import alone takes seconds."""
    before = {name: sys.modules.pop(name) for name in [*sys.modules] if is_ours(name)}
    try:
        importlib.import_module("clarity.evaluator.haaqi_torch")
        loaded = {name for name in sys.modules if is_ours(name)}
    finally:
        for name in filter(is_ours, [*sys.modules]):
            del sys.modules[name]
        sys.modules.update(before)
    assert "clarity.evaluator.haaqi_torch.gammatone" in loaded
    assert not {name for name in loaded if name.startswith("clarity.evaluator.engine")}


def is_ours(module: str) -> bool:
    """Whether a module belongs to the library."""
    return module.split(".", maxsplit=1)[0] == "clarity"


def test_torchmetrics_twin() -> None:
    pytest.importorskip("torchmetrics")
    from clarity.evaluator.haaqi_torch.torchmetrics_twin import BatchedHaaqi

    reference = tensor(*(music(N, seed) for seed in range(3)))
    processed = reference.clamp(-0.05, 0.05)
    options = {"sample_rate": 24000, "level1": 75.0, "dtype": torch.float32}
    twin = BatchedHaaqi(**options, seed=3)
    for part in (slice(0, 1), slice(1, 3)):
        twin.update(processed[part], reference[part], EAR)
    expected = haaqi(processed, reference, EAR, noise=3, **options).score.mean()
    assert float(twin.compute()) == pytest.approx(float(expected), abs=1e-7)  # float32
