"""Hybrid Demucs, as torchaudio publishes it.

References
----------
.. [1] A. Défossez, "Hybrid spectrogram and waveform source separation", Proc. ISMIR 2021 Workshop
   on Music Source Separation, 2021. arXiv:2111.03600.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torchaudio.models import hdemucs_high

from clarity.separation.weights import HDEMUCS_FILE, find_or_download, load_weights

HDEMUCS_SOURCES = ("drums", "bass", "other", "vocals")
"""The order of the stems in the published weights."""


def load_hdemucs(checkpoint: str | Path | None = None) -> torch.nn.Module:
    """Build torchaudio's HDEMUCS_HIGH_MUSDB.

    Parameters
    ----------
    checkpoint : str, Path or None
        A file with a state dict of ``torchaudio.models.hdemucs_high``. None takes the published
        weights, which are downloaded when torch.hub does not have them.

    Returns
    -------
    torch.nn.Module
        Maps standardised stereo at 44.1 kHz, (batch, 2, time), to the stems of `HDEMUCS_SOURCES`,
        (batch, 4, 2, time).

    Raises
    ------
    clarity.separation.weights.WeightsError
        If there are no weights, or not those of this model.
    """
    path = Path(checkpoint).expanduser() if checkpoint else find_or_download(HDEMUCS_FILE)
    module = hdemucs_high(list(HDEMUCS_SOURCES))
    load_weights(module, path)
    return module.eval()
