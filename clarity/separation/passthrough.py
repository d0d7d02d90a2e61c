"""No separation at all: the line that every separator must beat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clarity.separation.base import VDBO, Mixture, Stems


class PassthroughSeparator:
    """Give each stem an equal share of the mixture.

    Gains then change nothing but the level, which the remix brings back to that of the mixture: the
    listener hears the mixture, amplified.

    Parameters
    ----------
    sources : sequence of str
        The names of the stems.
    """

    def __init__(self, sources: Sequence[str] = VDBO) -> None:
        self.sources = tuple(sources)

    def separate(self, mixture: Mixture) -> Stems:
        """Share out a mixture.

        Parameters
        ----------
        mixture : Mixture
            The piece.

        Returns
        -------
        dict of str to ndarray
            For each of `sources` the mixture divided by their number, float32 (samples, channels).
        """
        share = (mixture.signal / len(self.sources)).astype(np.float32)
        return dict.fromkeys(self.sources, share)
