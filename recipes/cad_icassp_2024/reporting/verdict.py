"""What the report says first: which separator is best, by how much, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence

from recipes.cad_icassp_2024.reporting.statistics import (
    BASELINE,
    CEILING,
    CONFIDENCE_LABEL,
    MIN_SONGS,
    PairedDifference,
    Summary,
    rivals,
)


def verdict(summaries: Sequence[Summary], differences: Sequence[PairedDifference]) -> list[str]:
    """Return the answer in one to four sentences, the first of which is the headline."""
    competing = rivals(summaries)
    best = competing[0]
    to_best = {name: found for found in differences for name in (found.first, found.second)}
    if len(competing) == 1:
        sentences = [
            f"{best.separator} scores {best.mean:.3f} on average.",
            f"That is the mean of {_pairs(best.n_pairs)}, {CONFIDENCE_LABEL} "
            f"interval {best.interval.text()}.",
        ]
    else:
        second = competing[1].separator
        sentences = _ranking(best, second, to_best.get(second))
    others = {summary.separator for summary in summaries if summary not in competing}
    return sentences + [
        _to_mark(mark, best.separator, to_best.get(mark))
        for mark in (CEILING, BASELINE)
        if mark in others
    ]


def _ranking(best: Summary, second: str, found: PairedDifference | None) -> list[str]:
    """Compare the two separators with the highest means."""
    one = best.separator
    if found is None:
        return [
            f"{one} has the highest mean, {best.mean:.3f}, but shares no pair with {second}.",
            "Separators can be compared only on the same scenes and listeners.",
        ]
    lead = f"{found.mean:.3f} above {found.second}"
    if not found.interval.is_known:
        return [
            "One common pair cannot tell which separator is best.",
            f"On it, {found.first} is {lead}.",
        ]
    sureness = (
        f"on {_pairs(found.n_pairs, 'common ')}, {CONFIDENCE_LABEL} interval "
        f"{found.interval.text()}"
    )
    if not found.is_clear:
        return [
            "No separator is clearly best.",
            f"{found.first} is {lead} ({sureness}), but the interval takes in zero.",
        ]
    higher = f"{found.first} scores higher in {share_text(found.share_higher)} of them."
    if found.first != one:
        return [
            f"{one} has the highest mean, but {found.first} is better where both have scores.",
            f"There it is {lead} ({sureness}). {higher}",
        ]
    return [f"{one} is best, {lead}.", f"The difference is measured {sureness}. {higher}"]


def _to_mark(mark: str, best: str, found: PairedDifference | None) -> str:
    """Compare the best separator with the ceiling or with the line to beat."""
    if found is None:
        return f"The {mark} has no pair in common with {best}."
    amount = f"{found.mean:.3f} ({found.interval.text()})"
    if mark == CEILING and found.first == CEILING:
        role = "which is given the true stems and marks the ceiling"
        return f"The {CEILING}, {role}, is {amount} above {best}."
    if mark == CEILING:
        return f"{best} is {amount} above the {CEILING}, the supposed ceiling."
    if found.first == BASELINE:
        return f"No separation at all ({BASELINE}), the line to beat, is {amount} above {best}."
    return f"{best} is {amount} above no separation at all ({BASELINE}), the line to beat."


def share_text(share: float) -> str:
    """Return a share from 0 to 1 as a percentage; all and none are said of all and none only."""
    percent = 100 * share
    if 0 < percent < 1:
        return "under 1\N{NO-BREAK SPACE}%"
    if 99 < percent < 100:
        return "over 99\N{NO-BREAK SPACE}%"
    return f"{percent:.0f}\N{NO-BREAK SPACE}%"


def _pairs(count: int, kind: str = "") -> str:
    return f"{count:,} {kind}{'pair' if count == 1 else 'pairs'}"


def method(summaries: Sequence[Summary]) -> str:
    """Return what the intervals are, and what they are not."""
    n_songs = min(summary.n_songs for summary in summaries)
    intervals = f"Intervals are {CONFIDENCE_LABEL} bootstrap intervals"
    if n_songs >= MIN_SONGS:
        return (
            f"{intervals} that draw whole songs, since the pairs of a song share its music; where "
            f"a group has fewer than {MIN_SONGS} songs, single pairs are drawn."
        )
    songs = "one song" if n_songs == 1 else f"{n_songs} songs"
    return (
        f"{intervals} that draw single pairs: {songs} cannot stand for others, so they say how "
        "sure the means are for this music, not for any music."
    )
