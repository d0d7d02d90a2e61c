"""Noise at the threshold of hearing, as the published scores have it or from torch.

Published scores depend on NumPy's legacy stream: one standard normal for each sample of each band,
all bands of the reference first, then all of the processed signal. A generator of torch draws noise
that is statistically the same and costs less.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from clarity.evaluator.ear_model.constants import N_BANDS
from clarity.evaluator.ear_model.threshold_noise import RandomStream

REFERENCE, PROCESSED = 0, 1
"""Which of the two signals noise is for."""

_SEED_RANGE = 1 << 62


class Noise(Protocol):
    """Standard normals for some bands and samples; the same ones whenever asked for again."""

    def __call__(self, signal: int, bands: slice, first: int, stop: int) -> Tensor | None:
        """Noise of shape (batch or 1, bands, stop - first), or None for none."""


def no_noise(signal: int, bands: slice, first: int, stop: int) -> None:
    """Leave out the noise."""
    del signal, bands, first, stop


class TorchNoise:
    """Noise from a generator of torch.

    Every band and block has a generator of its own, seeded from one number, so that a block that is
    computed again for its gradient has the same noise, and the number of bands at a time changes
    nothing. Normals are drawn in float32.

    Parameters
    ----------
    generator : torch.Generator, optional
        Where the seed comes from. Default: torch's global one.
    batch : int
        Pairs.
    like : Tensor
        Has the device and the type that noise shall have.
    """

    def __init__(self, generator: torch.Generator | None, batch: int, like: Tensor) -> None:
        device = torch.device("cpu") if generator is None else generator.device
        seed = torch.randint(_SEED_RANGE, (), generator=generator, device=device)
        self._seed = int(seed)
        self._batch = batch
        self._like = like.new_empty(0)

    def __call__(self, signal: int, bands: slice, first: int, stop: int) -> Tensor:
        """Noise of shape (batch, bands, stop - first)."""
        rows = []
        for band in range(bands.start, bands.stop):
            words = np.random.SeedSequence((self._seed, signal, band, first)).generate_state(
                1, np.uint64
            )
            generator = torch.Generator(self._like.device).manual_seed(
                int(words[0] >> np.uint64(1))
            )
            rows.append(
                torch.randn(
                    self._batch, stop - first, generator=generator, device=self._like.device
                )
            )
        return torch.stack(rows, 1).to(self._like.dtype)


class NumpyNoise:
    """Noise from NumPy's legacy stream, each pair from the start of its own.

    For signals of one block all is drawn at once. For longer ones only the state of the stream at
    the beginning of every band and block is kept, and noise is drawn when it is needed.

    Parameters
    ----------
    streams : sequence of RandomStream or int
        Stream of each pair, advanced by 64 normals a sample; or a seed.
    lengths : sequence of int
        Samples of each pair.
    blocks : sequence of slice
        Blocks that noise is asked for.
    like : Tensor
        Has the device and the type that noise shall have.
    """

    def __init__(
        self,
        streams: Sequence[RandomStream | int],
        lengths: Sequence[int],
        blocks: Sequence[slice],
        like: Tensor,
    ) -> None:
        self._lengths = lengths
        self._like = like.new_empty(0)
        drawn: dict[Any, _Drawn | _Noted] = {}
        self._pairs: list[_Drawn | _Noted] = []
        for stream, n in zip(streams, lengths, strict=True):
            key = (stream, n) if isinstance(stream, int) else object()
            if key not in drawn:
                source = np.random.RandomState(stream) if isinstance(stream, int) else stream
                drawn[key] = _Drawn(source, n) if len(blocks) == 1 else _Noted(source, n, blocks)
            self._pairs.append(drawn[key])
        if len(drawn) == 1:
            self._pairs = self._pairs[:1]

    def __call__(self, signal: int, bands: slice, first: int, stop: int) -> Tensor:
        """Noise of shape (batch, bands, stop - first), or (1, ...) when it is that of all pairs."""
        noise = np.zeros((len(self._pairs), bands.stop - bands.start, stop - first))
        for row, pair in zip(noise, self._pairs, strict=True):
            pair.fill(row, signal, bands, first)
        return torch.from_numpy(noise).to(self._like)


class _Drawn:
    """All normals of a pair."""

    def __init__(self, stream: RandomStream, n: int) -> None:
        self._normals = stream.standard_normal((2, N_BANDS, n))

    def fill(self, out: np.ndarray, signal: int, bands: slice, first: int) -> None:
        part = self._normals[signal, bands, first : first + out.shape[1]]
        out[:, : part.shape[1]] = part


class _Noted:
    """States of a stream before each block of each band of both signals of a pair."""

    def __init__(self, stream: RandomStream, n: int, blocks: Sequence[slice]) -> None:
        self._n = n
        self._states: dict[tuple[int, int, int], Any] = {}
        for signal in (REFERENCE, PROCESSED):
            for band in range(N_BANDS):
                for block in blocks:
                    self._states[signal, band, block.start] = stream.get_state()
                    stream.standard_normal(max(0, min(block.stop, n) - block.start))

    def fill(self, out: np.ndarray, signal: int, bands: slice, first: int) -> None:
        stream = np.random.RandomState()
        n = max(0, min(out.shape[1], self._n - first))
        for row, band in zip(out, range(bands.start, bands.stop), strict=True):
            stream.set_state(self._states[signal, band, first])
            row[:n] = stream.standard_normal(n)
