"""Choosing the device a model runs on."""

from __future__ import annotations

import re

import torch


def available_devices() -> list[str]:
    """Name the devices of this machine, the one that is chosen by default first."""
    names = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        names.append("mps")
    return [*names, "cpu"]


def select_device(name: str | None = None) -> torch.device:
    """Turn a device's name into a device that is there.

    Parameters
    ----------
    name : str or None
        ``cpu``, ``mps``, ``cuda``, ``cuda:1``, or the challenge's own ``gpu0``, ``gpu1``, ...;
        None takes the first of CUDA, MPS and CPU that exists.

    Returns
    -------
    torch.device
        The device. ``cuda`` leaves the choice of the GPU to torch.

    Raises
    ------
    ValueError
        If the name is none of these or the machine has no such device; the message lists the
        devices there are.
    """
    available = available_devices()
    if name is None:
        first = available[0]
        return torch.device("cuda" if first.startswith("cuda") else first)

    wanted = re.sub(r"^gpu(\d+)$", r"cuda:\1", name)
    if wanted in available or (wanted == "cuda" and "cuda:0" in available):
        return torch.device(wanted)
    known = re.fullmatch(r"cpu|mps|cuda(:\d+)?", wanted)
    problem = "is not on this machine" if known else "is not the name of a device"
    raise ValueError(f"the device {name!r} {problem}; there are: {', '.join(available)}")
