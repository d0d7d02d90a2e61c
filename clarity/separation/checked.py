"""What every separator must return, checked in one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clarity.separation.base import Mixture, Separator, Stems, needs_true_stems
from clarity.utils.memory import blocks


class StemsError(ValueError):
    """A separator returned something else than the stems of the mixture."""


class CheckedSeparator:
    """Check what a separator returns, so that nothing else than stems is remixed or kept.

    Parameters
    ----------
    separator : Separator
        The separator.
    sources : sequence of str
        The stems that it must give.
    name : str, optional
        What it is called in messages; default its class.
    """

    def __init__(self, separator: Separator, sources: Sequence[str], name: str = "") -> None:
        self.separator = separator
        self.sources = tuple(sources)
        self.name = name or type(separator).__name__
        self.needs_true_stems = needs_true_stems(separator)

    def separate(self, mixture: Mixture) -> Stems:
        """Split a mixture into stems.

        Parameters
        ----------
        mixture : Mixture
            The piece to split.

        Returns
        -------
        dict of str to ndarray
            For each of `sources`, in that order, a float32 signal in the shape of the mixture.

        Raises
        ------
        StemsError
            If a stem is missing, unknown, no signal in the shape of the mixture or not finite. The
            message names separator and stem.
        """
        returned: Any = self.separator.separate(mixture)
        if not isinstance(returned, Mapping):
            raise StemsError(
                f"{self.name} returned a {type(returned).__name__}, not a dictionary of stems "
                f"({', '.join(self.sources)})"
            )
        self._check_names(list(returned))
        shape = mixture.signal.shape
        return {name: self._stem(name, returned[name], shape) for name in self.sources}

    def _check_names(self, names: Sequence[object]) -> None:
        missing = [name for name in self.sources if name not in names]
        unknown = [str(name) for name in names if name not in self.sources]
        if missing:
            raise StemsError(f"{self.name} returned no {', '.join(missing)}")
        if unknown:
            raise StemsError(
                f"{self.name} returned {', '.join(unknown)}, not only {', '.join(self.sources)}"
            )

    def _stem(self, name: str, values: Any, shape: tuple[int, ...]) -> NDArray[np.float32]:
        try:
            samples = np.asarray(values)
            if samples.dtype.kind == "c":
                raise TypeError("complex numbers")
            if samples.dtype.kind in "biu":
                raise TypeError(f"{samples.dtype}, of which nobody knows the full scale")
            stem = samples.astype(np.float32, copy=False)
        except (TypeError, ValueError, RuntimeError) as error:
            raise StemsError(f"{self.name} returned for {name} no signal ({error})") from error
        if stem.shape != shape:
            raise StemsError(
                f"{self.name} returned for {name} the shape {stem.shape}, expected {shape}, which "
                f"is (samples, channels){_hint(stem.shape, shape)}"
            )
        if not all(np.isfinite(stem[rows]).all() for rows in blocks(len(stem))):
            raise StemsError(f"{self.name} returned NaN or infinite samples for {name}")
        return stem


def _hint(found: tuple[int, ...], expected: tuple[int, ...]) -> str:
    """Say what a wrong shape looks like."""
    if found == expected[::-1]:
        return ": it is transposed"
    if found in ((expected[0],), (expected[0], 1)):
        return ": it is mono"
    if len(found) == len(expected) and found[0] < expected[0]:
        return f": it is short by {expected[0] - found[0]} samples"
    return ""
