"""What a separator is: the stems' names, the mixture it gets and the protocol it follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

VDBO = ("vocals", "drums", "bass", "other")
"""The stems of the task, in the order in which the challenge names them."""

Stems = dict[str, NDArray[np.float32]]
"""Stem name to signal, shape (samples, channels)."""


@dataclass(frozen=True, eq=False)
class Mixture:
    """A piece of music to be separated.

    Parameters
    ----------
    signal : ndarray, shape (samples, channels)
        The mixture, full scale is [-1, 1).
    sample_rate : int
        Samples per second.
    stem_files : Mapping of str to Path, optional
        Where the true stems are, for the oracle; empty when they are not known.

    Raises
    ------
    ValueError
        If the signal is not two-dimensional, is empty or holds NaN or infinite samples, or if
        the sample rate is not positive.
    """

    signal: NDArray[np.floating]
    sample_rate: int
    stem_files: Mapping[str, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.signal.ndim != 2:
            raise ValueError(
                f"a mixture has the shape (samples, channels), not {self.signal.shape}; "
                "a mono signal is (samples, 1)"
            )
        if 0 in self.signal.shape:
            raise ValueError(f"the mixture is empty: its shape is {self.signal.shape}")
        if not np.isfinite(self.signal).all():
            raise ValueError("the mixture holds NaN or infinite samples")
        if self.sample_rate <= 0:
            raise ValueError(f"a sample rate is positive, not {self.sample_rate}")


class Separator(Protocol):
    """Anything that splits a mixture into named stems.

    Two more members are read where a separator has them: `fingerprint()` returns a text that is
    another one for other stems (see `clarity.separation.fingerprint`), and `needs_true_stems` is
    true for one that reads the mixture's `stem_files`.
    """

    sources: tuple[str, ...]

    def separate(self, mixture: Mixture) -> Stems:
        """Split a mixture into stems.

        Parameters
        ----------
        mixture : Mixture
            The piece to split.

        Returns
        -------
        dict of str to ndarray
            For each name in `sources` a float32 signal (samples, channels) with the length, the
            channels and the sample rate of the mixture.
        """
        ...


def needs_true_stems(separator: object) -> bool:
    """Whether a separator reads the true stems of a mixture, as the oracle does."""
    return bool(getattr(separator, "needs_true_stems", False))
