"""Open-Unmix umxhq, as the package openunmix publishes it.

References
----------
.. [1] F.-R. Stöter, S. Uhlich, A. Liutkus, Y. Mitsufuji, "Open-Unmix - A Reference Implementation
   for Music Source Separation", Journal of Open Source Software 4 (41), 1667, 2019.
"""

from __future__ import annotations

from pathlib import Path

import torch
from openunmix.model import OpenUnmix, Separator
from openunmix.utils import bandwidth_to_max_bin

from clarity.separation.base import VDBO
from clarity.separation.weights import UMXHQ_FILES, WeightsError, find_or_download, load_weights

SAMPLE_RATE = 44100
N_FFT = 4096
N_HOP = 1024
BANDWIDTH_HZ = 16000
"""Higher frequencies are no input to umxhq; its output covers them."""


def load_openunmix(checkpoint: str | Path | None = None) -> torch.nn.Module:
    """Build Open-Unmix umxhq without Wiener filtering: the stems have the phase of the mixture.

    Parameters
    ----------
    checkpoint : str, Path or None
        A folder with one file ``{stem}*.pth`` for each stem, or a file with the state dict of
        the whole module, as ``finetune.py`` writes it. None takes the published weights, which
        are downloaded when torch.hub does not have them.

    Returns
    -------
    torch.nn.Module
        Maps stereo at 44.1 kHz, (batch, 2, time), to vocals, drums, bass, other,
        (batch, 4, 2, time).

    Raises
    ------
    clarity.separation.weights.WeightsError
        If there are no weights, or not those of this model.
    """
    path = Path(checkpoint).expanduser() if checkpoint else None
    max_bin = bandwidth_to_max_bin(rate=SAMPLE_RATE, n_fft=N_FFT, bandwidth=BANDWIDTH_HZ)
    stem_models = {
        stem: OpenUnmix(
            nb_bins=N_FFT // 2 + 1, nb_channels=2, hidden_size=512, max_bin=int(max_bin)
        )
        for stem in VDBO
    }
    module: torch.nn.Module = Separator(
        stem_models, niter=0, sample_rate=SAMPLE_RATE, n_fft=N_FFT, n_hop=N_HOP, nb_channels=2
    )
    if path is not None and path.is_file():
        load_weights(module, path)
        return module.eval()
    for stem, model in stem_models.items():
        file = _find_in(path, stem) if path else find_or_download(UMXHQ_FILES[stem])
        # The published files also hold buffers of the package's first version.
        load_weights(model, file, allow_extra=True)
    return module.eval()


def _find_in(folder: Path, stem: str) -> Path:
    """Find the checkpoint of one stem in a folder."""
    if not folder.is_dir():
        raise WeightsError(f"the folder of checkpoints {folder} is not there")
    files = sorted(folder.glob(f"{stem}*.pth"))
    if len(files) != 1:
        found = ", ".join(file.name for file in files) or "none"
        raise WeightsError(f"{folder} must hold one file {stem}*.pth; there is: {found}")
    return files[0]
