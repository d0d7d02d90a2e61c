"""Source separation under the names that scripts written for the challenge import."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

__all__ = ["get_device", "separate_sources"]


def get_device(device: str | None) -> tuple[torch.device, str]:
    """Choose a device; see `clarity.separation.devices.select_device`.

    Parameters
    ----------
    device : str or None
        ``cpu``, ``gpu0``, ``cuda:1``, ...; None takes the best there is.

    Returns
    -------
    torch.device
        The device.
    str
        Its type: ``cpu``, ``cuda`` or ``mps``.

    Raises
    ------
    ValueError
        If the name is not that of a device of this machine.
    """
    from clarity.separation.devices import select_device  # noqa: PLC0415 - torch takes seconds

    selected = select_device(device)
    return selected, selected.type


def separate_sources(
    model: torch.nn.Module,
    mix: torch.Tensor | NDArray[np.floating],
    sample_rate: int,
    segment: float = 10.0,
    overlap: float = 0.1,
    device: torch.device | str | None = None,
) -> NDArray[np.float32]:
    """Separate mixtures segment by segment; see `clarity.separation.segments`.

    Parameters
    ----------
    model : torch.nn.Module
        Maps (batch, channels, time) to (batch, sources, channels, time).
    mix : Tensor or ndarray, shape (batch, channels, time) or (channels, time)
        The mixtures. Empty ones have empty stems.
    sample_rate : int
        Samples per second of mixtures and model.
    segment, overlap : float
        See `clarity.separation.segments.plan_segments`.
    device : torch.device, str or None
        Where the model runs; None means where `mix` is.

    Returns
    -------
    ndarray, shape (batch, sources, channels, time), float32
        The stems.
    """
    import torch  # noqa: PLC0415 - takes seconds

    from clarity.separation.segments import (  # noqa: PLC0415
        MIN_SEGMENT_S,
        overlap_add,
        plan_segments,
    )

    signals = torch.as_tensor(mix)
    target = signals.device if device is None else torch.device(device)
    signals = signals.cpu()[None] if signals.ndim == 2 else signals.cpu()
    n_samples = signals.shape[-1]
    min_samples = round(MIN_SEGMENT_S * sample_rate)

    @torch.inference_mode()
    def forward(batch: torch.Tensor) -> torch.Tensor:
        estimates: torch.Tensor = model(batch.to(target))
        return estimates.float()

    if not n_samples:
        return forward(torch.zeros(*signals.shape[:-1], min_samples)).cpu().numpy()[..., :0]
    segments = plan_segments(n_samples, sample_rate, segment, overlap)
    stems = [
        overlap_add(forward, signal.numpy().T, segments, min_samples=min_samples)
        for signal in signals
    ]
    return np.stack(stems)
