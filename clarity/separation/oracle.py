"""The oracle: it reads the true stems, and so bounds what any separator could reach."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from clarity.separation.base import VDBO, Mixture, Stems
from clarity.utils.file_io import open_audio
from clarity.utils.signal_processing import resample


class OracleSeparator:
    """Give the true stems of a mixture, read from the files that it names.

    What is lost between its score and 1 is lost after separation, to resampling and clipping.

    Parameters
    ----------
    sources : sequence of str
        The stems to read.
    """

    needs_true_stems = True

    def __init__(self, sources: Sequence[str] = VDBO) -> None:
        self.sources = tuple(sources)

    def separate(self, mixture: Mixture) -> Stems:
        """Read the stems of a mixture.

        Parameters
        ----------
        mixture : Mixture
            A piece with an entry in `stem_files` for each of `sources`.

        Returns
        -------
        dict of str to ndarray
            For each of `sources` a float32 signal (samples, channels), resampled where its file has
            another rate than the mixture.

        Raises
        ------
        ValueError
            If the mixture names no file for a stem, or the file has another length or other
            channels than the mixture.
        FileNotFoundError
            If a file is not there.
        """
        return {name: self._read(name, mixture) for name in self.sources}

    @staticmethod
    def _read(name: str, mixture: Mixture) -> np.ndarray:
        """Read one stem and see that it belongs to the mixture."""
        try:
            path = Path(mixture.stem_files[name])
        except KeyError:
            raise ValueError(
                f"the oracle needs the true stems, and no file is known for {name!r}"
            ) from None
        if not path.is_file():
            raise FileNotFoundError(f"the oracle needs the true stem {path}, which is not there")
        with open_audio(path) as file:
            stem, sample_rate = file.read(dtype="float32", always_2d=True), file.samplerate
        if not np.isfinite(stem).all():
            raise ValueError(f"{path} holds NaN or infinite samples; generate or download it again")
        stem = resample(stem, sample_rate, mixture.sample_rate)
        if stem.shape != mixture.signal.shape:
            raise ValueError(
                f"{path} has {stem.shape[0]} samples in {stem.shape[1]} channels, but its mixture "
                f"has {mixture.signal.shape[0]} in {mixture.signal.shape[1]}"
            )
        return stem
