"""Scenes and pairs: what is played, to whom, and which seeds and names follow from it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from clarity.separation.base import VDBO
from clarity.utils.audiogram import Listener

MIXTURE = "mixture"
SONG_FILES = (MIXTURE, *VDBO)
"""The five files of a song, without ``.wav``."""


def seed_for(text: str) -> int:
    """Return the seed that the challenge derives from a name: its MD5 as a number, modulo 10^8."""
    return int(hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(), 16) % 10**8


def set_song_seed(song: str) -> None:
    """Seed NumPy's legacy global generator by `seed_for` a song's name, a scene's id, any text."""
    np.random.seed(seed_for(song))


def mixture_id(song: str, head_position: str) -> str:
    """Name of a song at the microphones of one head: ``{song}-{head position}``."""
    return f"{song}-{head_position}"


@dataclass(frozen=True)
class Scene:
    """A song at a head, and the balance that is asked for: a gain in dB for each stem."""

    id: str
    song: str
    head_position: str
    gain_id: str
    gains_db: Mapping[str, float]

    @property
    def mixture_id(self) -> str:
        """Name of the at-mic song."""
        return mixture_id(self.song, self.head_position)


@dataclass(frozen=True)
class Pair:
    """A scene and one of its listeners: the unit of work and of scores."""

    scene: Scene
    listener: Listener

    @property
    def id(self) -> str:
        """``{scene}_{listener}``, the start of the names of the pair's files."""
        return f"{self.scene.id}_{self.listener.id}"
