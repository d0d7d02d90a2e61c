"""The weighted mean of several separators.

Errors that separators do not share cancel in part, so that the mean of several is often nearer to
the true stems than the best of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from clarity.separation.base import Mixture, Separator, Stems, needs_true_stems
from clarity.utils.memory import blocks

Weights = Sequence[float] | Mapping[str, Sequence[float]]
"""A weight for each member, for all stems or for each stem."""


def shares(
    weights: Weights | None, n_members: int, sources: Sequence[str]
) -> dict[str, NDArray[np.float32]]:
    """Share of each member in each stem.

    Parameters
    ----------
    weights : sequence of float, mapping of str to sequence of float, or None
        A weight of 0 or more for each member, for all stems or for each of `sources`; None weighs
        all members alike.
    n_members : int
        How many members there are.
    sources : sequence of str
        The stems.

    Returns
    -------
    dict of str to ndarray, shape (n_members,)
        For each stem, weights that add up to 1.

    Raises
    ------
    ValueError
        If a stem has another number of weights, one is negative or not finite, or all are 0, or
        there are weights of an unknown stem or none of a stem.
    """
    if n_members < 1:
        raise ValueError("an ensemble needs one member or more")
    if weights is None:
        weights = [1.0] * n_members
    if not isinstance(weights, Mapping):
        weights = dict.fromkeys(sources, weights)
    if sorted(weights) != sorted(sources):
        raise ValueError(
            f"weights for the stems {', '.join(weights)}: must be for {', '.join(sources)}"
        )
    return {name: _share(name, weights[name], n_members) for name in sources}


def _share(name: str, weights: Sequence[float], n_members: int) -> NDArray[np.float32]:
    try:
        values = np.asarray(weights, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"the weights {weights!r} of {name} are no list of numbers") from None
    if values.shape != (n_members,):
        raise ValueError(f"{n_members} members need {n_members} weights, {name} has {weights!r}")
    total = values.sum()
    if not (np.isfinite(total) and values.min() >= 0 and total > 0):
        raise ValueError(f"weights must be 0 or more and not all 0, {name} has {weights!r}")
    return (values / total).astype(np.float32)


class EnsembleSeparator:
    """Separate with every member and take the weighted mean of each stem.

    Parameters
    ----------
    members : sequence of Separator
        The separators; each gives all of `sources`.
    sources : sequence of str
        The stems.
    weights : sequence of float, mapping of str to sequence of float, or None
        See `shares`.

    Raises
    ------
    ValueError
        See `shares`.
    """

    def __init__(
        self, members: Sequence[Separator], sources: Sequence[str], weights: Weights | None = None
    ) -> None:
        self.members = tuple(members)
        self.sources = tuple(sources)
        self.shares = shares(weights, len(self.members), self.sources)
        self.needs_true_stems = any(needs_true_stems(member) for member in self.members)

    def separate(self, mixture: Mixture) -> Stems:
        """Split a mixture into stems.

        Parameters
        ----------
        mixture : Mixture
            The piece to split.

        Returns
        -------
        dict of str to ndarray
            For each of `sources` the mean, float32 (samples, channels).
        """
        means = {
            name: np.zeros(mixture.signal.shape[::-1], dtype=np.float32).T for name in self.sources
        }
        for number, member in enumerate(self.members):
            stems = member.separate(mixture)
            for name, mean in means.items():
                share = self.shares[name][number]
                for rows in blocks(len(mean)):
                    mean[rows] += share * stems[name][rows]
        return means


class OnDemandSeparator:
    """Make a separator for each mixture anew, so that its model takes memory only while it works.

    Parameters
    ----------
    make : callable
        Makes the separator.
    sources : sequence of str
        The stems that it gives.
    """

    def __init__(self, make: Callable[[], Separator], sources: Sequence[str]) -> None:
        self.make = make
        self.sources = tuple(sources)

    def separate(self, mixture: Mixture) -> Stems:
        """Split a mixture into stems, as the separator does; see `Separator.separate`."""
        return self.make().separate(mixture)
