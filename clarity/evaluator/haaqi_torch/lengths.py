"""Lengths of the pairs, on the host and on the signals' device.

The host needs them for shapes, and masks need them where the signals are. A copy to a GPU makes
the host wait for it, so that each is made once and not again for every stage and band.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor


def lengths_on(device: torch.device, lengths: Sequence[int]) -> Tensor:
    """Lengths as a tensor of int64, shape (batch,), on a device; not to be written to."""
    return _kept_on(device, tuple(lengths))


@lru_cache(maxsize=64)
def _kept_on(device: torch.device, lengths: tuple[int, ...]) -> Tensor:
    with torch.inference_mode(False):
        return torch.tensor(lengths, device=device)


def without_tails(x: Tensor, lengths: Sequence[int]) -> Tensor:
    """Set to 0 what is behind the length of each signal, shape (batch, samples)."""
    if min(lengths) >= x.shape[-1]:
        return x
    index = torch.arange(x.shape[-1], device=x.device)
    return torch.where(index < lengths_on(x.device, lengths)[:, None], x, 0.0)
