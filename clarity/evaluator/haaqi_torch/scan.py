"""Recursive filters with real poles as products of matrices.

A filter whose impulse response is d at n = 0 plus a sum of w p^n, one term for each pole p, is
computed in blocks: inside a block by a triangular Toeplitz matrix, and from block to block by the
states s = p s + x of its poles, which are a recursion of the same kind with the poles p^block. That
one is solved in the same way, so that no loop runs over samples and nothing has to be kept for the
gradient (Martin & Cundy 2018 use the same idea for networks).

References
----------
Blelloch, G. E. (1990). Prefix sums and their applications. CMU-CS-90-190.
Martin, E. & Cundy, C. (2018). Parallelizing linear recurrent neural nets over sequence length.
International Conference on Learning Representations.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clarity.evaluator.haaqi_torch.precision import product

BLOCK = 32
"""Samples in a block; signals must have a multiple of it."""

_FORGOTTEN = 1e-18


@dataclass(frozen=True)
class Modes:
    """A filter with the impulse response direct * (n == 0) + sum of weight * pole^n.

    Attributes
    ----------
    direct : float
        What the input adds to the output of the same sample beside the poles.
    weights, poles : tuple of float
        One of each for every mode; poles between 0 and 1.
    """

    direct: float
    weights: tuple[float, ...]
    poles: tuple[float, ...]


def scan(x: Tensor, modes: Modes, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Filter signals along their last dimension.

    Parameters
    ----------
    x : Tensor, shape (..., samples)
        Signals, a multiple of `BLOCK` samples.
    modes : Modes
        The filter.
    state : Tensor, shape (..., n_modes), optional
        What `scan` gave for the samples before these. Default: rest.

    Returns
    -------
    y : Tensor, shape (..., samples)
        Filtered signals.
    state : Tensor, shape (..., n_modes)
        State behind the last sample.
    """
    inside, carry = _block_matrices(modes, x.dtype, x.device)
    blocks = x.unflatten(-1, (-1, BLOCK))
    y_and_ends = product(blocks, inside)
    ends = y_and_ends[..., BLOCK:].mT
    states = _recursion(ends, tuple(pole**BLOCK for pole in modes.poles), state)
    before = torch.zeros_like(states[..., :1]) if state is None else state[..., None]
    before = torch.cat((before, states[..., :-1]), -1)
    y = y_and_ends[..., :BLOCK] + product(before.mT, carry)
    return y.flatten(-2), states[..., -1]


def _recursion(x: Tensor, poles: tuple[float, ...], state: Tensor | None) -> Tensor:
    """States s[n] = x[n] + p s[n - 1] of every pole; x and the result are (..., n_modes, n)."""
    if state is not None:
        decay = _recursion_matrices(poles, x.dtype, x.device)[1][:, 0, 0]
        x = torch.cat((x[..., :1] + (decay * state)[..., None], x[..., 1:]), -1)
    if max(poles) < _FORGOTTEN or x.shape[-1] == 1:
        return x
    n = x.shape[-1]
    powers, following = _recursion_matrices(poles, x.dtype, x.device)
    blocks = torch.nn.functional.pad(x, (0, -n % BLOCK)).unflatten(-1, (-1, BLOCK))
    states = product(blocks, powers)
    ends = _recursion(states[..., -1], tuple(pole**BLOCK for pole in poles), None)
    before = torch.nn.functional.pad(ends, (1, -1))
    return (states + before[..., None] * following).flatten(-2)[..., :n]


@lru_cache(maxsize=16)
def _block_matrices(
    modes: Modes, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Matrices (BLOCK, BLOCK + n_modes) of the block itself and (n_modes, BLOCK) of the states."""
    poles, weights = np.array(modes.poles), np.array(modes.weights)
    lags = np.arange(BLOCK)
    response = (poles[:, None] ** lags * weights[:, None]).sum(0)
    response[0] += modes.direct
    to_output = _toeplitz(response)
    to_states = poles ** (BLOCK - 1 - lags)[:, None]
    from_states = weights[:, None] * poles[:, None] ** (lags + 1)
    inside = np.concatenate((to_output, to_states), axis=1)
    return _tensor(inside, dtype, device), _tensor(from_states, dtype, device)


@lru_cache(maxsize=64)
def _recursion_matrices(
    poles: tuple[float, ...], dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Matrices (n_modes, BLOCK, BLOCK) of a block, and (n_modes, 1, BLOCK) of the one before."""
    lags = np.arange(BLOCK)
    powers = np.stack([_toeplitz(pole**lags) for pole in poles])
    following = np.array(poles)[:, None, None] ** (lags + 1)
    return _tensor(powers, dtype, device), _tensor(following, dtype, device)


def _toeplitz(response: NDArray[Any]) -> NDArray[np.float64]:
    """Matrix T with (x @ T)[n] = sum of x[k] response[n - k]."""
    lag = np.arange(BLOCK) - np.arange(BLOCK)[:, None]
    return np.where(lag >= 0, response[np.maximum(lag, 0)], 0.0)


def _tensor(values: NDArray[Any], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Tensor of a constant, which no inference mode may mark."""
    with torch.inference_mode(False):
        return torch.as_tensor(values).to(device, dtype)
