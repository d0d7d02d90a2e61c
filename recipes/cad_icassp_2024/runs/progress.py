"""Progress through the pairs: a bar on a terminal, a line for each song, little more."""

from __future__ import annotations

import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from recipes.cad_icassp_2024.data.scenes import Pair

log = logging.getLogger(__name__)

Result = TypeVar("Result")
Results = list[tuple[Pair, Result]]


class Progress(Generic[Result]):
    """Counts pairs; says how a song went once all its pairs are done.

    Parameters
    ----------
    bar : tqdm
        Counts the pairs for people.
    pairs : sequence of Pair
        All that are to be done.
    summarise : callable
        Makes a line of text of the pairs of a song and what came of them.

    Attributes
    ----------
    results : list of (Pair, result)
        Of all pairs that did not fail.
    """

    def __init__(
        self, bar: tqdm[Any], pairs: Sequence[Pair], summarise: Callable[[Results[Result]], str]
    ) -> None:
        self.results: Results[Result] = []
        self._summarise = summarise
        self._bar = bar
        self._left = Counter(pair.scene.mixture_id for pair in pairs)
        self._n_songs = len(self._left)
        self._of_song: dict[str, Results[Result]] = {}

    def done(self, pair: Pair, result: Result | None) -> None:
        """Count a pair; a result of None is a failure, of which more is said elsewhere."""
        song = pair.scene.mixture_id
        of_song = self._of_song.setdefault(song, [])
        if result is not None:
            self.results.append((pair, result))
            of_song.append((pair, result))
        self._left[song] -= 1
        if not self._left[song]:
            del self._of_song[song], self._left[song]
            number = self._n_songs - len(self._left)
            self._bar.set_postfix_str(f"song {number}/{self._n_songs}", refresh=False)
            if of_song:
                log.info("%s: %s", song, self._summarise(of_song))
        self._bar.update()


@contextlib.contextmanager
def progress(
    step: str, pairs: Sequence[Pair], summarise: Callable[[Results[Result]], str]
) -> Iterator[Progress[Result]]:
    """Show progress while a block runs, log lines above the bar, and a summary at its end."""
    bar: tqdm[Any] = tqdm(total=len(pairs), unit="pair", desc=step, disable=None)
    with logging_redirect_tqdm(), bar:
        shown = Progress(bar, pairs, summarise)
        yield shown
        if shown.results:
            log.info("all together: %s", summarise(shown.results))
