"""Pairs grouped by what they have in common: the mixture that is separated once, the scene."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from clarity.separation.base import Separator, needs_true_stems
from recipes.cad_icassp_2024.data.scenes import MIXTURE, SONG_FILES, Pair, Scene


@dataclass(frozen=True)
class Song:
    """One mixture and all pairs that are to be made from it.

    Attributes
    ----------
    pairs : sequence of Pair
    """

    pairs: Sequence[Pair]

    @property
    def scene(self) -> Scene:
        """A scene of this mixture, to find its files by."""
        return self.pairs[0].scene

    def by_scene(self) -> list[tuple[Scene, list[Pair]]]:
        """Return each scene with its pairs."""
        groups = _grouped(self.pairs, lambda pair: pair.scene.id)
        return [(pairs[0].scene, pairs) for pairs in groups]


def group_by_mixture(pairs: Iterable[Pair]) -> list[Song]:
    """Put the pairs of one mixture together, whatever the order of the scene list.

    Parameters
    ----------
    pairs : iterable of Pair

    Returns
    -------
    list of Song
        In the order in which the mixtures first occur.
    """
    return [Song(group) for group in _grouped(pairs, lambda pair: pair.scene.mixture_id)]


def files_needed(separator: Separator) -> tuple[str, ...]:
    """Return which files of a song a separator needs."""
    return SONG_FILES if needs_true_stems(separator) else (MIXTURE,)


def _grouped(pairs: Iterable[Pair], key: Callable[[Pair], str]) -> Iterable[list[Pair]]:
    groups: dict[str, list[Pair]] = {}
    for pair in pairs:
        groups.setdefault(key(pair), []).append(pair)
    return groups.values()
