"""Means, intervals and paired differences against theory and against sums done by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from recipes.cad_icassp_2024.reporting.statistics import (
    MIN_SONGS,
    SEED,
    Interval,
    PairedDifference,
    Summary,
    differences_to_best,
    mean_interval,
    summarise,
    terminal_table,
)
from recipes.cad_icassp_2024.reporting.verdict import method, share_text, verdict

Z_95 = 1.959964  # the normal distribution's quantile at 97.5 %


def rng(seed=0):
    return np.random.default_rng(seed)


def frame(rows, separator="a"):
    """A table of scores from (song, scene, listener, left, right)."""
    table = pd.DataFrame(
        rows, columns=["song", "scene", "listener", "left_score", "right_score"]
    ).assign(separator=separator)
    table["score"] = (table["left_score"] + table["right_score"]) / 2
    return table


def interval(values, songs=None, **options):
    """The interval of values that are all of one song, or each of the song given."""
    songs = ["one"] * len(values) if songs is None else songs
    return mean_interval(pd.Series(values), pd.Series(songs), **options)


def compare(*tables):
    scores = pd.concat(tables)
    return differences_to_best(scores, summarise(scores))


def test_interval_of_a_mean_agrees_with_normal_theory():
    values = rng(1).normal(0.6, 0.15, 400)
    half_width = Z_95 * values.std() / np.sqrt(values.size)
    found = interval(values)
    assert found.low == pytest.approx(values.mean() - half_width, abs=0.06 * half_width)
    assert found.high == pytest.approx(values.mean() + half_width, abs=0.06 * half_width)


def test_interval_covers_the_true_mean_as_often_as_it_says():
    samples = rng(2).normal(0.0, 1.0, (400, 60))
    intervals = [interval(row, n_resamples=800) for row in samples]
    coverage = np.mean([found.low <= 0 <= found.high for found in intervals])
    # 0.95, less what the percentile interval lacks at 60 values, within three standard errors.
    assert 0.90 < coverage < 0.98


def test_interval_is_that_of_a_plain_loop_over_unequal_songs():
    sizes = rng(3).integers(1, 30, 15)
    members = [rng(4 + n).normal(0.5 + 0.02 * n, 0.1, size) for n, size in enumerate(sizes)]
    draws = rng(SEED)
    means = [
        np.concatenate([members[k] for k in draws.integers(15, size=15)]).mean()
        for _ in range(4000)
    ]
    songs = np.repeat([f"song {n}" for n in range(15)], sizes)
    found = interval(np.concatenate(members), songs)
    width = found.high - found.low
    assert found.low == pytest.approx(np.quantile(means, 0.025), abs=0.03 * width)
    assert found.high == pytest.approx(np.quantile(means, 0.975), abs=0.03 * width)


def test_intervals_repeat_exactly():
    assert interval(rng(6).random(301)) == interval(rng(6).random(301))


def test_equal_values_have_no_spread():
    assert interval([0.3, 0.3, 0.3]) == Interval(0.3, 0.3)
    assert interval([0.7] * 20, range(20)) == Interval(0.7, 0.7)


def test_one_pair_says_nothing_of_the_spread():
    (found,) = summarise(frame([("A", "s1", "L1", 0.4, 0.6)]))
    assert found.mean == 0.5
    assert not found.interval.is_known
    assert found.interval.text() == "unknown"
    assert "interval unknown" in " ".join(verdict([found], []))
    assert terminal_table([found]).splitlines()[2].split()[:4] == ["a", "1", "0.5000", "unknown"]


def test_interval_in_words():
    assert Interval(-0.01234, 0.5).text() == "\N{MINUS SIGN}0.012 to 0.500"
    assert Interval(0.01, 0.5).text("+") == "+0.010 to +0.500"


def test_songs_are_drawn_whole_when_there_are_enough_of_them():
    def width(n_songs):
        offsets = np.linspace(0.2, 0.8, n_songs)
        rows = [
            (f"song {n}", f"s{n}", f"L{k}", offsets[n], offsets[n])
            for n in range(n_songs)
            for k in range(16)
        ]
        found = summarise(frame(rows))[0].interval
        n_units = n_songs if n_songs >= MIN_SONGS else 16 * n_songs
        return (found.high - found.low) / (2 * Z_95 * offsets.std() / np.sqrt(n_units))

    assert width(MIN_SONGS) == pytest.approx(1, abs=0.06)
    assert width(MIN_SONGS - 1) == pytest.approx(1, abs=0.06)


def test_summary_by_hand():
    low = frame(
        [("A", "s1", "L1", 0.1, 0.3), ("A", "s1", "L2", 0.3, 0.5), ("B", "s2", "L1", 0.2, 1)]
    )
    high = frame([("A", "s1", "L1", 0.9, 0.7)], "b")
    best, worst = summarise(pd.concat([low, high]))
    assert (best.separator, best.n_pairs, best.n_songs) == ("b", 1, 1)
    assert best.mean == pytest.approx(0.8)
    assert (worst.separator, worst.n_pairs, worst.n_songs) == ("a", 3, 2)
    assert worst.mean == pytest.approx((0.2 + 0.4 + 0.6) / 3)
    assert worst.median == pytest.approx(0.4)
    assert worst.left == pytest.approx(0.2)
    assert worst.right == pytest.approx(0.6)
    assert 0.2 <= worst.interval.low < worst.mean < worst.interval.high <= 0.6


def test_paired_difference_by_hand():
    one = frame(
        [
            ("A", "s1", "L1", 0.5, 0.5),
            ("A", "s1", "L2", 0.6, 0.6),
            ("B", "s2", "L1", 0.7, 0.7),
            ("B", "s2", "L2", 0.1, 0.1),  # the other has no such pair
        ]
    )
    other = frame(
        [
            ("B", "s2", "L1", 0.8, 0.8),  # in another order
            ("A", "s1", "L2", 0.9, 0.9),
            ("A", "s1", "L1", 0.4, 0.4),
            ("C", "s3", "L1", 0.0, 0.0),
        ],
        "b",
    )
    (found,) = compare(one, other)
    assert (found.first, found.second, found.n_pairs) == ("b", "a", 3)
    assert found.mean == pytest.approx((0.1 + 0.3 - 0.1) / 3)
    assert found.share_higher == pytest.approx(2 / 3)
    assert not found.is_clear


def test_pairing_takes_out_what_the_pairs_have_in_common():
    spread = rng(9).normal(0, 0.2, 500)
    noise = rng(10).normal(0, 0.01, 500)
    rows = [(f"song {n}", f"s{n}", "L1", x, x) for n, x in enumerate(spread)]
    better = [
        (*row[:3], row[3] + 0.03 + e, row[4] + 0.03 + e) for row, e in zip(rows, noise, strict=True)
    ]
    (found,) = compare(frame(rows), frame(better, "b"))
    half_width = Z_95 * noise.std() / np.sqrt(500)
    assert found.interval.low == pytest.approx(0.03 + noise.mean() - half_width, abs=2e-4)
    assert found.interval.high == pytest.approx(0.03 + noise.mean() + half_width, abs=2e-4)
    assert found.is_clear


def test_separators_without_common_pairs_are_not_compared():
    one, other = frame([("A", "s1", "L1", 0.5, 0.5)]), frame([("B", "s2", "L1", 0.5, 0.5)], "b")
    assert compare(one, other) == []


def test_all_are_compared_with_the_best_that_is_neither_ceiling_nor_baseline():
    means = {"oracle": 0.9, "passthrough": 0.65, "a": 0.5, "b": 0.6, "c": 0.55}
    found = compare(
        *(
            frame([(f"song {n}", f"s{n}", "L1", x + n / 100, x) for n in range(3)], name)
            for name, x in means.items()
        )
    )
    assert [(d.first, d.second) for d in found] == [
        ("oracle", "b"),
        ("passthrough", "b"),
        ("b", "c"),
        ("b", "a"),
    ]
    assert [d.mean for d in found] == pytest.approx([0.3, 0.05, 0.05, 0.1])


def summary(name, mean, n_songs=20):
    return Summary(name, 40, n_songs, mean, Interval(mean - 0.01, mean + 0.01), mean, mean, mean)


def difference(first, second, mean, low, high, share=0.9):
    return PairedDifference(first, second, 40, mean, Interval(low, high), share)


def test_terminal_table():
    lines = terminal_table([summary("a long name", 0.61234), summary("b", 0.5)]).splitlines()
    assert " ".join(lines[2].split()) == (
        "a long name 40 0.6123 0.6023 - 0.6223 0.6123 0.6123 0.6123"
    )
    assert len({len(line) for line in lines}) == 1


@pytest.mark.parametrize(
    ("summaries", "differences", "expected"),
    [
        (
            [summary("a", 0.6)],
            [],
            ["a scores 0.600 on average.", "mean of 40 pairs, 95 % interval 0.590 to 0.610."],
        ),
        (
            [summary("a", 0.6), summary("b", 0.5)],
            [difference("a", "b", 0.1, 0.05, 0.15)],
            ["a is best, 0.100 above b.", "0.050 to 0.150", "a scores higher in 90"],
        ),
        (
            [summary("a", 0.6), summary("b", 0.59)],
            [difference("a", "b", 0.01, -0.02, 0.04)],
            ["No separator is clearly best.", "\N{MINUS SIGN}0.020 to 0.040", "takes in zero"],
        ),
        (
            [summary("a", 0.6), summary("b", 0.5)],
            [difference("b", "a", 0.1, 0.05, 0.15)],
            ["a has the highest mean, but b is better where both have scores."],
        ),
        ([summary("a", 0.6), summary("b", 0.5)], [], ["shares no pair with b"]),
        (
            [summary("a", 0.6), summary("b", 0.5)],
            [difference("a", "b", 0.1, np.nan, np.nan)],
            ["One common pair cannot tell", "On it, a is 0.100 above b."],
        ),
        (
            [summary("oracle", 0.9), summary("a", 0.6), summary("b", 0.5)],
            [
                difference("oracle", "a", 0.3, 0.2, 0.4),
                difference("a", "b", 0.1, 0.05, 0.15),
            ],
            ["a is best, 0.100 above b.", "ceiling, is 0.300 (0.200 to 0.400) above a."],
        ),
        (
            [summary("passthrough", 0.65), summary("a", 0.6)],
            [difference("passthrough", "a", 0.05, 0.04, 0.06)],
            [
                "a scores 0.600",
                "(passthrough), the line to beat, is 0.050 (0.040 to 0.060) above a",
            ],
        ),
        (
            [summary("a", 0.7), summary("passthrough", 0.65)],
            [difference("a", "passthrough", 0.05, 0.04, 0.06)],
            ["a is 0.050 (0.040 to 0.060) above no separation at all (passthrough)"],
        ),
        ([summary("oracle", 0.9)], [], ["oracle scores 0.900"]),
    ],
)
def test_verdict(summaries, differences, expected):
    text = " ".join(verdict(summaries, differences)).replace("\N{NO-BREAK SPACE}", " ")
    for part in expected:
        assert part in text


def test_page_says_what_was_drawn():
    assert "draw whole songs" in method([summary("a", 0.6, MIN_SONGS)])
    assert "draw single pairs: 9 songs" in method([summary("a", 0.6), summary("b", 0.5, 9)])
    assert "one song" in method([summary("a", 0.6, 1)])


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0"), (1, "100"), (0.731, "73"), (0.9999, "over 99"), (1e-4, "under 1")]
)
def test_only_all_is_a_hundred_percent(share, text):
    assert share_text(share) == f"{text}\N{NO-BREAK SPACE}%"
