"""The small mask network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from clarity.separation.mask_network import load_mask_network
from clarity.separation.weights import WeightsError


def test_the_stems_add_up_to_the_mixture() -> None:
    mixture = torch.from_numpy(np.random.default_rng(0).normal(0, 0.1, (2, 2, 30000))).float()
    with torch.no_grad():
        stems = load_mask_network()(mixture)
    assert stems.shape == (2, 4, 2, 30000)
    torch.testing.assert_close(stems.sum(dim=1), mixture, rtol=0, atol=1e-6)


def test_a_single_stem_is_learnt() -> None:
    """Where all the sound belongs to one stem, a few steps give it to that stem."""
    mixture = torch.from_numpy(np.random.default_rng(1).normal(0, 0.1, (1, 2, 22050))).float()
    module = load_mask_network().train()
    optimiser = torch.optim.Adam(module.parameters(), lr=1e-2)
    target = torch.zeros(1, 4, 2, 22050)
    target[:, 2] = mixture
    losses = []
    for _ in range(12):
        loss = (module(mixture) - target).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]


def test_start_is_always_the_same_and_leaves_torchs_stream_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, second = load_mask_network(), load_mask_network()
    torch.testing.assert_close(torch.rand(3), expected)
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)


def test_checkpoint_is_loaded_and_a_foreign_one_refused(tmp_path: Path) -> None:
    changed = load_mask_network()
    with torch.no_grad():
        changed.exit.bias += 1.0
    torch.save(changed.state_dict(), tmp_path / "own.pt")
    loaded = load_mask_network(tmp_path / "own.pt")
    assert torch.equal(loaded.exit.bias, changed.exit.bias)
    torch.save({"other": torch.zeros(2)}, tmp_path / "foreign.pt")
    with pytest.raises(WeightsError, match=r"foreign\.pt does not fit MaskNetwork"):
        load_mask_network(tmp_path / "foreign.pt")
