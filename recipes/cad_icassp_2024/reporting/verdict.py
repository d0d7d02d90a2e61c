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
    """Return the answer in one to four sentences, the first of which is the headline.

    Parameters
    ----------
    summaries : sequence of Summary
        The highest mean first.
    differences : sequence of PairedDifference
        Those to the best.
    """
    competing = rivals(summaries)
    best = competing[0].separator
    sentences = _alone(competing[0]) if len(competing) == 1 else _ranked(competing, differences)
    others = {summary.separator for summary in summaries if summary not in competing}
    for mark, compared in ((CEILING, _to_ceiling), (BASELINE, _to_baseline)):
        if mark in others:
            found = _between(mark, best, differences)
            apart = f"The {mark} has no pair in common with {best}."
            sentences.append(apart if found is None else compared(best, found))
    return sentences


def _alone(summary: Summary) -> list[str]:
    return [
        f"{summary.separator} scores {summary.mean:.3f} on average.",
        f"That is the mean of {summary.n_pairs:,} {_pairs(summary.n_pairs)}, {CONFIDENCE_LABEL} "
        f"interval {summary.interval.text()}.",
    ]


def _ranked(competing: Sequence[Summary], differences: Sequence[PairedDifference]) -> list[str]:
    one, other = competing[0].separator, competing[1].separator
    found = _between(one, other, differences)
    if found is None:
        return [
            f"{one} has the highest mean, {competing[0].mean:.3f}, but shares no pair with "
            f"{other}.",
            "Separators can be compared only on the same scenes and listeners.",
        ]
    lead = f"{found.mean:.3f} above {found.second}"
    sureness = (
        f"on {found.n_pairs:,} common {_pairs(found.n_pairs)}, {CONFIDENCE_LABEL} interval "
        f"{found.interval.text()}"
    )
    if not found.interval.is_known:
        return [
            "One common pair cannot tell which separator is best.",
            f"On it, {found.first} is {lead}.",
        ]
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


def _to_ceiling(best: str, found: PairedDifference) -> str:
    span = found.interval.text()
    if found.first != CEILING:
        return f"{best} is {found.mean:.3f} ({span}) above the {CEILING}, the supposed ceiling."
    return (
        f"The {CEILING}, which is given the true stems and marks the ceiling, "
        f"is {found.mean:.3f} ({span}) above {best}."
    )


def _to_baseline(best: str, found: PairedDifference) -> str:
    amount = f"{found.mean:.3f} ({found.interval.text()})"
    if found.first == BASELINE:
        return f"No separation at all ({BASELINE}), the line to beat, is {amount} above {best}."
    return f"{best} is {amount} above no separation at all ({BASELINE}), the line to beat."


def _between(
    one: str, other: str, differences: Sequence[PairedDifference]
) -> PairedDifference | None:
    wanted = {one, other}
    return next((d for d in differences if {d.first, d.second} == wanted), None)


def share_text(share: float) -> str:
    """Return a share from 0 to 1 as a percentage; all and none are said of all and none only."""
    percent = 100 * share
    if 0 < percent < 1 or 99 < percent < 100:
        return f"{'under 1' if percent < 1 else 'over 99'}\N{NO-BREAK SPACE}%"
    return f"{percent:.0f}\N{NO-BREAK SPACE}%"


def _pairs(count: int) -> str:
    return "pair" if count == 1 else "pairs"


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
