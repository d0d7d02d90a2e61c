"""Two batches of signals band by band, and block by block where they are long.

What the features need of a band is small: sums over 4 ms of the envelopes and covariances over
16 ms. A block goes from the signals behind the middle ear to these in one function, which takes
what the stages carry over from the block before. A signal of one block is heard once. Of a longer
one each block is heard twice, for the delays between the two signals, which need the whole of it,
and for the rest, and a third time for its gradient. The blocks joined are the whole.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from clarity.evaluator.ear_model.band_alignment import MAX_LAG
from clarity.evaluator.ear_model.covariance import SEGMENT_HOP
from clarity.evaluator.ear_model.envelope import ENVELOPE_HOP, smoothing_window
from clarity.evaluator.ear_model.threshold_noise import noise_gain
from clarity.evaluator.haaqi_torch.alignment import band_correlation, band_lags
from clarity.evaluator.haaqi_torch.covariance import segment_covariance
from clarity.evaluator.haaqi_torch.ear import EarParameters
from clarity.evaluator.haaqi_torch.filterbank import control_power, envelope_and_motion
from clarity.evaluator.haaqi_torch.gammatone import history_samples
from clarity.evaluator.haaqi_torch.hair_cells import compression_gain, inner_hair_cells, smooth_gain
from clarity.evaluator.haaqi_torch.noise import PROCESSED, REFERENCE
from clarity.evaluator.haaqi_torch.precision import product
from clarity.evaluator.haaqi_torch.shift import shifted
from clarity.evaluator.haaqi_torch.silence import untouched_share
from clarity.evaluator.haaqi_torch.tiles import Setting, Tiles, Tuned
from clarity.utils.memory import release_freed_memory

_GAIN_FORGETS = SEGMENT_HOP  # samples after which the low-pass of the gain is at rest

# Of 2.5 s each. What a block leaves behind splits up 0.2 GB of freed memory where there is a
# gradient; but the system takes a third of the whole time to clear what is given back every time.
_BLOCKS_TO_RELEASE = 8


class _Carried(NamedTuple):
    """What a signal hands on to its next block: state of the adaptation, last of both outputs."""

    state: Tensor
    envelope: Tensor
    motion: Tensor


class _Compressed(NamedTuple):
    """Compressed signals of a block, energy of the envelope before that, and the ears' bands."""

    envelope: Tensor
    motion: Tensor
    energy: Tensor
    ear: EarParameters


def compare_bands(reference: Tuned, processed: Tuned, setting: Setting, bands: slice) -> Tiles:
    """Compare two batches of signals in some bands.

    Parameters
    ----------
    reference, processed : Tuned
        Signals, of the same length.
    setting : Setting
        Ears, blocks and noise.
    bands : slice
        Bands.

    Returns
    -------
    Tiles
        What the features need; differentiable in the processed signals.
    """
    if len(setting.blocks) == 1:
        whole = setting.blocks[0]
        heard = [
            _compressed(signal, setting, bands, whole, whole) for signal in (reference, processed)
        ]
        with torch.no_grad():
            lags = tuple(
                band_lags(band_correlation(x.detach(), y.detach(), 0), setting.lengths)
                for x, y in zip(heard[0][:2], heard[1][:2], strict=True)
            )
        tiles, _ = _finish(heard[0], heard[1], setting, bands, whole, 0, lags, (None, None))
        return tiles
    lags = _lags_in_blocks(reference, processed, setting, bands)
    carried: tuple[_Carried | None, _Carried | None] = (None, None)
    parts = []
    for block in setting.blocks:
        arguments = (reference, processed, setting, bands, block, lags, carried)
        if torch.is_grad_enabled() and processed.x.requires_grad:
            tiles, carried = checkpoint(_compare_block, *arguments, use_reentrant=False)
        else:
            tiles, carried = _compare_block(*arguments)
        parts.append(tiles)
    return _joined(parts)


def _joined(parts: list[Tiles]) -> Tiles:
    """Tiles of all blocks."""
    columns = list(zip(*parts, strict=True))
    energies = [torch.stack(column).sum(0) for column in columns[-2:]]
    return Tiles(*(torch.cat(column, 2) for column in columns[:-2]), *energies)


def _around(block: slice, n_samples: int) -> slice:
    """Find the samples of the processed signal that may belong to a block of the reference."""
    return slice(max(block.start - MAX_LAG, 0), min(block.stop + MAX_LAG, n_samples))


@torch.no_grad()
def _lags_in_blocks(
    reference: Tuned, processed: Tuned, setting: Setting, bands: slice
) -> tuple[Tensor, ...]:
    """Lags of envelope and motion, from correlations that are summed block by block."""
    totals: list[Tensor | float] = [0.0, 0.0]
    for block in setting.blocks:
        around = _around(block, reference.x.shape[-1])
        x = _compressed(reference, setting, bands, block, block)
        y = _compressed(processed, setting, bands, around, block)
        offset = block.start - around.start
        for i, pair in enumerate(((x.envelope, y.envelope), (x.motion, y.motion))):
            totals[i] = totals[i] + band_correlation(*pair, offset).double()
    return tuple(band_lags(total, setting.lengths) for total in totals if isinstance(total, Tensor))


def _compare_block(
    reference: Tuned,
    processed: Tuned,
    setting: Setting,
    bands: slice,
    block: slice,
    lags: tuple[Tensor, ...],
    carried: tuple[_Carried | None, _Carried | None],
) -> tuple[Tiles, tuple[_Carried | None, _Carried | None]]:
    """Hear a block and compare it."""
    if setting.blocks.index(block) % _BLOCKS_TO_RELEASE == 0:
        release_freed_memory()
    around = _around(block, reference.x.shape[-1])
    x = _compressed(reference, setting, bands, block, block)
    y = _compressed(processed, setting, bands, around, block)
    return _finish(x, y, setting, bands, block, block.start - around.start, lags, carried)


def _compressed(
    signal: Tuned, setting: Setting, bands: slice, part: slice, counted: slice
) -> _Compressed:
    """Compressed envelope and motion of part of a signal, and its energy in what is counted."""
    n_before = min(part.start, _GAIN_FORGETS)
    n_lead = min(part.start - n_before, history_samples(bands.start))
    x = signal.x[:, part.start - n_before - n_lead : part.stop]
    power = control_power(x, bands, n_lead)
    ear = signal.ear.bands(bands)
    gain = compression_gain(power, ear, setting.level1)
    del power
    gain = smooth_gain(gain)[..., n_before:]
    ends = [n - part.start for n in setting.lengths]
    envelope, motion = envelope_and_motion(x, signal.pole[:, bands], bands, n_lead + n_before, ends)
    inside = envelope[..., counted.start - part.start : counted.stop - part.start]
    energy = inside.square().sum(-1, dtype=torch.float64)
    return _Compressed(envelope * gain, motion * gain, energy, ear)


def _finish(
    reference: _Compressed,
    processed: _Compressed,
    setting: Setting,
    bands: slice,
    block: slice,
    offset: int,
    lags: tuple[Tensor, ...],
    carried: tuple[_Carried | None, _Carried | None],
) -> tuple[Tiles, tuple[_Carried | None, _Carried | None]]:
    """From the compressed signals of a block to its tiles."""
    n = block.stop - block.start
    envelope, motion = (
        shifted(signal, lag, n, offset=offset)
        for signal, lag in zip(processed[:2], lags, strict=True)
    )
    aligned = processed._replace(envelope=envelope, motion=motion)
    index = torch.arange(block.start, block.stop, device=lags[0].device) + lags[0][..., None]
    untouched = (index < 0) | (index >= setting.n_samples[:, None, None])
    if setting.silences:
        around = slice(block.start - offset, block.start - offset + processed.envelope.shape[-1])
        share = untouched_share(setting.silences, bands, around, processed.envelope.detach())
        untouched = untouched + shifted(share, lags[0], n, offset=offset)
    x_hops, x_motion, x_carried = _heard(
        reference, setting, bands, block, REFERENCE, carried[0], None
    )
    y_hops, y_motion, y_carried = _heard(
        aligned, setting, bands, block, PROCESSED, carried[1], untouched
    )
    last = setting.n_samples // SEGMENT_HOP - block.start // SEGMENT_HOP
    covariances = segment_covariance(x_motion, y_motion, block.start == 0, last)
    tiles = Tiles(x_hops, y_hops, *covariances, reference.energy, processed.energy)
    return tiles, (x_carried, y_carried)


def _heard(
    compressed: _Compressed,
    setting: Setting,
    bands: slice,
    block: slice,
    which: int,
    carried: _Carried | None,
    untouched: Tensor | None,
) -> tuple[Tensor, Tensor, _Carried | None]:
    """Hop sums of the envelope, and the motion with noise from a hop before the block on."""
    state = None if carried is None else carried.state
    envelope, motion, state = inner_hair_cells(
        compressed.envelope, compressed.motion, compressed.ear, setting.level1, state, untouched
    )
    noise = setting.noise(which, bands, block.start, block.stop)
    if noise is not None:
        motion = torch.add(motion, noise, alpha=noise_gain(setting.level1))
    n_carried = 0
    if carried is not None:
        n_carried = carried.envelope.shape[-1]
        envelope = torch.cat((carried.envelope, envelope), -1)
        motion = torch.cat((carried.motion, motion), -1)
    if block.stop < setting.blocks[-1].stop:
        n_kept = setting.longest_delay + SEGMENT_HOP
        # Copies, or the whole block would be kept with them.
        carried = _Carried(
            state.clone(), envelope[..., -n_kept:].clone(), motion[..., -n_kept:].clone()
        )
    else:
        carried = None
    delay = -setting.delays[:, bands]
    n = block.stop - block.start
    envelope = shifted(envelope, delay, n, offset=n_carried)
    last = setting.n_samples // SEGMENT_HOP * SEGMENT_HOP
    stop = last - block.start + SEGMENT_HOP
    motion = shifted(motion, delay, n + SEGMENT_HOP, offset=n_carried - SEGMENT_HOP, stop=stop)
    halves = _window_halves(envelope.dtype, envelope.device)
    return product(envelope.unflatten(-1, (-1, ENVELOPE_HOP)), halves), motion, carried


@lru_cache(maxsize=8)
def _window_halves(dtype: torch.dtype, device: torch.device) -> Tensor:
    """Rising and falling half of the window of the envelopes, shape (ENVELOPE_HOP, 2)."""
    with torch.inference_mode(False):
        window = torch.as_tensor(smoothing_window()).reshape(2, ENVELOPE_HOP)
        return window.mT.contiguous().to(device, dtype)
