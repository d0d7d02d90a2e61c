"""The chain in torch gives the numbers of the chain in NumPy, and right gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clarity.enhancer.nalr import NALR
from clarity.utils.audiogram import AUDIOGRAM_MILD, AUDIOGRAM_MODERATE_SEVERE, Listener
from clarity.utils.loudness import SILENCE_LUFS, integrated_loudness
from recipes.cad_icassp_2024.baseline import differentiable
from recipes.cad_icassp_2024.baseline.hearing_aid import HearingAid
from recipes.cad_icassp_2024.baseline.remix import remix_to_loudness

RATE = 44100
GAINS_DB = {"vocals": 6.0, "drums": -10.0, "bass": 0.0, "other": 3.0}


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(0.0, 0.1, shape))


@pytest.mark.parametrize("seconds", [0.3, 0.4, 1.234, 3.0])
def test_loudness_is_that_of_the_measured_signal(seconds: float) -> None:
    signal = noise(3, 2, int(seconds * RATE))
    signal[0, :, : signal.shape[-1] // 2] *= 0.05  # below the relative gate
    signal[1] *= 1e-5  # below the absolute gate
    expected = [integrated_loudness(one.T.numpy(), RATE) for one in signal]
    assert expected[1] == SILENCE_LUFS
    found = differentiable.integrated_loudness(signal, RATE)
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-9)


def test_remix_and_hearing_aid_are_those_of_enhance() -> None:
    stems = {name: noise(RATE, 2, seed=n) for n, name in enumerate(GAINS_DB)}
    remixed = remix_to_loudness(
        ((name, stem.numpy()) for name, stem in stems.items()), GAINS_DB, -20.0, RATE
    )
    listener = Listener(AUDIOGRAM_MILD, AUDIOGRAM_MODERATE_SEVERE, id="L0001")
    nalr = NALR(220, RATE)
    expected = HearingAid(nalr).amplify(remixed, listener)

    filters = np.stack([nalr.build(ear)[0] for ear in (AUDIOGRAM_MILD, AUDIOGRAM_MODERATE_SEVERE)])
    total = differentiable.remix(
        torch.stack([stem.T for stem in stems.values()])[None],
        torch.tensor([list(GAINS_DB.values())]),
        torch.tensor([-20.0]),
        RATE,
    )
    found = differentiable.amplify(total, torch.from_numpy(filters)[None])
    np.testing.assert_allclose(found[0].T.numpy(), expected, rtol=0, atol=1e-7)


def test_gradients_are_those_of_finite_differences() -> None:
    gains_db = torch.tensor([[6.0, -10.0]], dtype=torch.float64)
    wanted = torch.tensor([-23.0], dtype=torch.float64)
    filters = noise(1, 2, 15, seed=3)
    stems = noise(1, 2, 2, RATE // 2, seed=1).requires_grad_()

    def chain(samples: torch.Tensor) -> torch.Tensor:
        out = differentiable.amplify(differentiable.remix(samples, gains_db, wanted, RATE), filters)
        return (out * torch.linspace(-1, 1, out.shape[-1], dtype=out.dtype) ** 3).sum()

    (gradient,) = torch.autograd.grad(chain(stems), stems)
    direction = noise(*stems.shape, seed=2)
    step = 1e-5
    with torch.no_grad():
        slope = (chain(stems + step * direction) - chain(stems - step * direction)) / (2 * step)
    assert float((gradient * direction).sum()) == pytest.approx(float(slope), rel=1e-7)


def test_silence_has_a_loudness_and_finite_gradients() -> None:
    silence = torch.zeros(1, 4, 2, RATE // 2, dtype=torch.float64, requires_grad=True)
    wanted = torch.tensor([-20.0], dtype=torch.float64)
    out = differentiable.remix(silence, torch.zeros(1, 4), wanted, RATE)
    out.sum().backward()
    assert silence.grad is not None
    assert torch.isfinite(silence.grad).all()
