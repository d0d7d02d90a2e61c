"""Gradients of the differentiable HAAQI: right, finite, and good for training."""

from __future__ import annotations

import pytest
import torch

from clarity.evaluator.ear_model.bandwidth import HIGH_LEVEL_DB, LOW_LEVEL_DB
from clarity.evaluator.haaqi_torch import EarParameters, HaaqiLoss, filterbank, haaqi
from clarity.evaluator.haaqi_torch.covariance import segment_covariance
from clarity.evaluator.haaqi_torch.filterbank import control_power, envelope_and_motion
from clarity.evaluator.haaqi_torch.gammatone import history_samples
from clarity.evaluator.haaqi_torch.hair_cells import _PowerGain, level_db, root_mean_square
from clarity.evaluator.haaqi_torch.middle_ear import middle_ear
from clarity.evaluator.haaqi_torch.precision import product
from clarity.evaluator.haaqi_torch.scan import Modes, scan
from clarity.evaluator.haaqi_torch.shift import shifted
from clarity.utils.audiogram import STANDARD_AUDIOGRAMS
from tests.evaluator.torch_pairs import exact

N = 3000
LEVEL1 = 80.0
AUDIOGRAM = STANDARD_AUDIOGRAMS["N2"]
EAR = EarParameters.from_audiograms([AUDIOGRAM])


def draws(*shape: int, seed: int = 0) -> torch.Tensor:
    """Standard normals."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def music(n: int, seed: int = 0) -> torch.Tensor:
    """Harmonics that decay four times a second, over hiss; shape (n,)."""
    t = torch.arange(n, dtype=torch.float64) / 24000
    tones = sum(torch.sin(2 * torch.pi * 130.0 * (k + seed) * t) / k for k in range(1, 30, 3))
    return 0.06 * torch.exp(-6 * (t % 0.25)) * tones + 0.002 * draws(n, seed=seed)


def check(function, *inputs: torch.Tensor) -> None:
    """gradcheck in float64."""
    inputs = tuple(x.requires_grad_() for x in inputs)
    assert torch.autograd.gradcheck(function, inputs, eps=1e-6, atol=1e-7, rtol=1e-5)


def test_gradcheck_of_filters() -> None:
    bands = slice(29, 31)
    check(lambda x: control_power(x, bands, n_lead=5), draws(1, 25))
    pole = torch.tensor([[0.8, 0.75], [0.78, 0.7]], dtype=torch.float64)
    check(lambda x, pole: envelope_and_motion(x, pole, bands, 3, (20, 13)), draws(2, 23), pole)
    check(lambda x, pole: envelope_and_motion(x, pole, bands, 0, (20, 20)), draws(2, 20), pole[:1])


def test_filters_in_blocks_have_the_gradient_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    n, bands = 2000, slice(29, 31)
    x, pole = draws(1, n), torch.tensor([[0.8, 0.75]], dtype=torch.float64)
    weights = draws(3, 1, 2, n, seed=1)

    def gradients() -> tuple[torch.Tensor, ...]:
        inputs = x.clone().requires_grad_(), pole.clone().requires_grad_()
        outputs = control_power(inputs[0], bands), *envelope_and_motion(*inputs, bands, 0, (n,))
        return torch.autograd.grad((torch.stack(outputs) * weights).sum(), inputs)

    whole = gradients()
    monkeypatch.setattr(filterbank, "_BLOCK", 1)
    assert filterbank._Plan.of(0, n, history_samples(bands.start)).n_blocks > 1
    for ours, expected in zip(gradients(), whole, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-12, atol=1e-12)


def test_gradcheck_of_compression_scan_and_product() -> None:
    limits = [torch.tensor([[value]], dtype=torch.float64) for value in (0.3, 2.0, -0.3, 0.7)]
    check(lambda p: _PowerGain.apply(p, *limits), draws(1, 2, 30).square() + 0.01)
    modes = Modes(0.3, (0.5, 0.2), (0.93, 0.4))
    check(lambda x, state: scan(x, modes, state), draws(2, 96), draws(2, 2, seed=1))
    matrix = draws(4, 3, seed=1)
    check(lambda x: product(x, matrix), draws(5, 4))


def test_gradcheck_of_shift() -> None:
    lag = torch.tensor([[-3, 0, 4], [12, -12, 1]])
    stop = torch.tensor([9, 4])
    check(lambda x: shifted(x, lag, 11, offset=1, stop=stop), draws(2, 3, 10))


def test_gradcheck_of_covariance() -> None:
    x, y = draws(1, 1, 768), draws(1, 1, 768, seed=1)
    x[..., :192] = y[..., :192] = x[..., 576:] = y[..., 576:] = 0.0
    last = torch.tensor([2])
    inside = slice(192, 576)

    def covariance(part: torch.Tensor) -> torch.Tensor:
        motion = torch.nn.functional.pad(part, (192, 192))
        return segment_covariance(x, motion, True, last)[0]

    check(covariance, (0.5 * x + y)[..., inside].clone())


def derivative_and_error(score, y: torch.Tensor, direction: torch.Tensor) -> tuple[float, float]:
    """Directional derivative, and its relative error against the best of two differences."""
    y = y.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(score(y), y)
    expected = float(gradient @ direction)
    errors = []
    for step in (1e-6, 1e-7):
        with torch.no_grad():
            difference = float(score(y + step * direction) - score(y - step * direction))
        errors.append(abs(difference / (2 * step) / expected - 1))
    return expected, min(errors)


@pytest.mark.parametrize("kind", ["clipped", "noisy", "quiet", "inverted"])
def test_directional_derivative(kind: str) -> None:
    """Against central differences of the whole, equalisation 1 and 2."""
    x = music(N)
    y = {
        "clipped": x.clamp(-0.05, 0.05),
        "noisy": x + 0.01 * draws(N, seed=4),
        "quiet": 0.1 * x,
        "inverted": -x.roll(700),
    }[kind]

    def score(y: torch.Tensor) -> torch.Tensor:
        equalisation = 1 if kind == "noisy" else 2
        options = {"sample_rate": 24000, "level1": LEVEL1, "equalisation": equalisation}
        return haaqi(y[None], x[None], EAR, noise=1, **options).score[0]

    direction = y * torch.linspace(-1, 1, N, dtype=torch.float64)
    derivative, error = derivative_and_error(score, y, direction)
    assert abs(derivative) > 1e-5
    assert error < 1e-6


def test_directional_derivative_where_the_level_sets_the_bandwidth() -> None:
    """A gain moves the poles of most bands, and they a sixth of the derivative."""
    x = music(N)
    y = x + 0.01 * draws(N, seed=4)

    def score(y: torch.Tensor) -> torch.Tensor:
        return haaqi(y[None], x[None], EAR, sample_rate=24000, level1=110.0, noise=1).score[0]

    level = level_db(root_mean_square(middle_ear(y[None], [N]).control_energy, [N]), 110.0)
    assert int(((level > LOW_LEVEL_DB) & (level < HIGH_LEVEL_DB)).sum()) > 24
    derivative, error = derivative_and_error(score, y, y)
    assert error < 1e-6
    loss = HaaqiLoss(24000, level1=110.0, dtype=torch.float64, detach_bandwidth=True)
    detached = y.clone().requires_grad_()
    loss(detached[None], x[None], EAR).backward()
    assert abs(-float(detached.grad @ y) / derivative - 1) > 0.1


def rows_that_broke() -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Processed and reference, each of which once gave a gradient that was not finite."""
    x = music(2400)
    gap = x.clone()
    gap[700:1500] = 0.0
    impulse = torch.zeros_like(x)
    impulse[1000] = 0.5
    return {
        "identical": (x, x),
        "inverted": (-x, x),
        "gap in processed": (gap, x),
        "gap in reference": (x, gap),
        "gap in both": (gap, gap),
        "silent": (0.0 * x, x),
        "1e-12": (1e-12 * x, x),
        "1e-25": (1e-25 * x, x),
        "constant": (torch.full_like(x, 0.1), x),
        "impulse": (impulse, x),
        "clipped": (x.clamp(-0.01, 0.01), x),
        "a hundred times": (100 * x, x),
        "inaudible": (x, 1e-6 * x),
        "both inaudible": (1e-6 * x, 1e-6 * x),
    }


ALL_ROWS = list(rows_that_broke())
ROWS_FOR_RESAMPLING = ["silent", "1e-25", "constant", "impulse", "clipped", "both inaudible"]


@pytest.mark.parametrize(
    ("rate", "noise", "dtype", "names"),
    [
        (24000, 1, torch.float64, ALL_ROWS),
        (24000, 1, torch.float32, ALL_ROWS),
        (24000, None, torch.float64, ALL_ROWS),
        (24000, None, torch.float32, ALL_ROWS),
        (44100, 1, torch.float64, ROWS_FOR_RESAMPLING),
        (16000, 1, torch.float64, ROWS_FOR_RESAMPLING),
        pytest.param(44100, 1, torch.float64, ALL_ROWS, marks=pytest.mark.slow),
        pytest.param(16000, 1, torch.float64, ALL_ROWS, marks=pytest.mark.slow),
    ],
)
@pytest.mark.filterwarnings("ignore:noise=None")
def test_gradients_are_finite(
    rate: int, noise: int | None, dtype: torch.dtype, names: list[str]
) -> None:
    rows = {name: rows_that_broke()[name] for name in names}
    processed, reference = (torch.stack(signals) for signals in zip(*rows.values(), strict=True))
    processed.requires_grad_()
    output = haaqi(
        processed, reference, EAR, sample_rate=rate, level1=LEVEL1, noise=noise, dtype=dtype
    )
    assert all(value.isfinite().all() for value in output)
    output.score.sum().backward()
    assert processed.grad.isfinite().all()
    norms = dict(zip(names, processed.grad.norm(dim=-1).tolist(), strict=True))
    assert max(norms[name] for name in ("silent", "1e-25", "both inaudible")) < 1e-9
    assert norms["clipped"] > 1e-3
    if noise is not None:
        assert norms["clipped"] < 100


def test_no_gradient_beyond_lengths_or_for_the_reference() -> None:
    x = torch.stack((music(N), music(N, 2)))
    y = x.clamp(-0.03, 0.03).requires_grad_()
    reference = x.clone().requires_grad_()
    output = haaqi(y, reference, EAR, sample_rate=24000, level1=LEVEL1, lengths=[N, 2200])
    output.score.sum().backward()
    assert reference.grad is None
    assert torch.equal(y.grad[1, 2200:], torch.zeros(N - 2200, dtype=torch.float64))
    alone = y.detach()[1:, :2200].clone().requires_grad_()
    score = haaqi(alone, x[1:, :2200], EAR, sample_rate=24000, level1=LEVEL1).score
    score.sum().backward()
    assert output.score[1].item() == pytest.approx(score.item(), abs=1e-12)
    assert (y.grad[1, :2200] - alone.grad[0]).norm() < 1e-10 * alone.grad.norm()


def test_what_changes_memory_only() -> None:
    """Chunks of bands and checkpoints change nothing, with noise from torch; nor does autocast."""
    x = music(N)[None]

    def run(**options) -> tuple[torch.Tensor, torch.Tensor]:
        y = x.clamp(-0.03, 0.03).requires_grad_()
        loss = HaaqiLoss(24000, level1=100.0, dtype=torch.float64, **options)
        loss.generator = torch.Generator().manual_seed(3)
        value = loss(y, x, EAR)
        value.backward()
        return value.detach(), y.grad

    value, gradient = run()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        others = [run(band_chunk=5, checkpoint=True), run(checkpoint=True)]
    for other_value, other_gradient in others:
        torch.testing.assert_close(other_value, value, rtol=0, atol=1e-13)
        assert (other_gradient - gradient).norm() < 1e-10 * gradient.norm()
    _, detached = run(detach_bandwidth=True)
    assert 1e-6 < (detached - gradient).norm() / gradient.norm() < 1e-2


def test_autocast_of_the_network_ends_at_the_loss() -> None:
    """In float32, where it would change products, and also where the gradient is taken inside."""
    x = music(N)[None].float()
    values, gradients = [], []
    for dtype, enabled in ((torch.float64, False), (torch.float32, False), (torch.float32, True)):
        y = x.clamp(-0.03, 0.03).requires_grad_()
        noise = torch.Generator().manual_seed(3)
        loss = HaaqiLoss(44100, level1=LEVEL1, dtype=dtype, generator=noise)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            value = loss(y, x, EAR)
            value.backward()
        values.append(value.item())
        gradients.append(y.grad)
    assert values[2] == values[1] == pytest.approx(values[0], abs=1e-5)
    assert torch.equal(gradients[2], gradients[1])
    assert (gradients[1] - gradients[0]).norm() < 1e-3 * gradients[0].norm()


def test_float32_gradient() -> None:
    x = 0.05 * draws(1, N)
    gradients = []
    for dtype in (torch.float64, torch.float32):
        y = x.clamp(-0.03, 0.03).to(dtype).requires_grad_()
        score = haaqi(y, x, EAR, sample_rate=24000, level1=LEVEL1, noise=1, dtype=dtype).score
        score.sum().backward()
        gradients.append(y.grad.double())
    assert (gradients[1] - gradients[0]).norm() < 1e-3 * gradients[0].norm()


def equalised(x: torch.Tensor, gains_db: torch.Tensor) -> torch.Tensor:
    """Apply gains at seven octaves, straight lines between them."""
    frequencies = torch.linspace(0, 12000, x.shape[-1] // 2 + 1, dtype=x.dtype).clamp_min(1.0)
    place = ((frequencies / 125).log2()).clamp(0, 5.999)
    low = place.long()
    gain_db = gains_db[low] + (place - low) * (gains_db[low + 1] - gains_db[low])
    return torch.fft.irfft(torch.fft.rfft(x) * 10 ** (gain_db / 20), x.shape[-1])


def test_twenty_steps_raise_the_exact_score_by_what_the_loss_says() -> None:
    x = music(4800)[None].float()
    clipped = x.clamp(-0.05, 0.05)
    gains_db = torch.zeros(7, requires_grad=True)
    loss = HaaqiLoss(24000, level1=LEVEL1, generator=torch.Generator().manual_seed(0))
    optimiser = torch.optim.Adam([gains_db], lr=1.0)
    values, exact_scores = [], []
    for step in range(21):
        y = equalised(clipped, gains_db)
        value = loss(y, x, EAR)
        if step in (0, 20):
            values.append(1 - value.item())
            signals = [s.detach()[0].double().numpy() for s in (y, x)]
            exact_scores.append(exact(*signals, AUDIOGRAM, seed=5, level1=LEVEL1)[0])
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
    assert values[1] - values[0] > 0.02
    assert exact_scores[1] - exact_scores[0] == pytest.approx(values[1] - values[0], abs=1e-4)
