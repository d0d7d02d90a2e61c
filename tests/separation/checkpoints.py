"""Checkpoints of the published models' shapes with random weights, from a fixed seed."""

from __future__ import annotations

from pathlib import Path

import torch
from openunmix.model import OpenUnmix
from torchaudio.models import hdemucs_high

from clarity.separation.base import VDBO
from clarity.separation.hdemucs import HDEMUCS_SOURCES


def write_random_weights(model: str, folder: Path, seed: int = 0) -> Path:
    """Write weights for ``separator.checkpoint``.

    Parameters
    ----------
    model
        ``demucs`` (a file of 335 MB) or ``openunmix`` (a folder of four files).
    folder
        Where to write.
    seed
        Another seed, other weights.

    Returns
    -------
    Path
        The file, or the folder.
    """
    torch.manual_seed(seed)
    if model == "demucs":
        path = folder / "hdemucs.pt"
        torch.save(hdemucs_high(list(HDEMUCS_SOURCES)).state_dict(), path)
        return path
    target = folder / "umxhq"
    target.mkdir()
    for stem in VDBO:
        module = OpenUnmix(nb_bins=2049, nb_channels=2, hidden_size=512, max_bin=1487)
        torch.save(module.state_dict(), target / f"{stem}.pth")
    return target
