"""Pairs grouped by what they have in common: the mixture that is separated once, the scene."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from recipes.cad_icassp_2024.data.scenes import Pair, Scene


@dataclass(frozen=True)
class Song:
    """One mixture and all pairs that are to be made from it, scene by scene.

    Attributes
    ----------
    mixture_id : str
        ``{song}-{head position}``.
    pairs : tuple of Pair
    """

    mixture_id: str
    pairs: tuple[Pair, ...]

    @property
    def scene(self) -> Scene:
        """A scene of this mixture, to find its files by."""
        return self.pairs[0].scene

    def by_scene(self) -> Iterable[tuple[Scene, list[Pair]]]:
        """Return each scene with its pairs."""
        scenes: dict[str, list[Pair]] = {}
        for pair in self.pairs:
            scenes.setdefault(pair.scene.id, []).append(pair)
        return [(pairs[0].scene, pairs) for pairs in scenes.values()]


def group_by_mixture(pairs: Sequence[Pair]) -> list[Song]:
    """Put the pairs of one mixture together, whatever the order of the scene list.

    Parameters
    ----------
    pairs : sequence of Pair

    Returns
    -------
    list of Song
        In the order in which the mixtures first occur.
    """
    songs: dict[str, list[Pair]] = {}
    for pair in pairs:
        songs.setdefault(pair.scene.mixture_id, []).append(pair)
    return [Song(name, tuple(members)) for name, members in songs.items()]
