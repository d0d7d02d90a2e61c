"""Means, intervals and paired differences against theory and against sums done by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from recipes.cad_icassp_2024.reporting import statistics
from recipes.cad_icassp_2024.reporting.statistics import (
    MIN_SONGS,
    Interval,
    PairedDifference,
    Summary,
    bootstrap_interval,
    bootstrap_means,
    paired_differences,
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


def test_interval_of_a_mean_agrees_with_normal_theory():
    values = rng(1).normal(0.6, 0.15, 400)
    half_width = Z_95 * values.std() / np.sqrt(values.size)
    interval = bootstrap_interval(values, rng())
    assert interval.low == pytest.approx(values.mean() - half_width, abs=0.06 * half_width)
    assert interval.high == pytest.approx(values.mean() + half_width, abs=0.06 * half_width)


def test_interval_covers_the_true_mean_as_often_as_it_says():
    draws = rng(2)
    samples = draws.normal(0.0, 1.0, (400, 60))
    intervals = [bootstrap_interval(row, draws, n_resamples=800) for row in samples]
    coverage = np.mean([interval.low <= 0 <= interval.high for interval in intervals])
    # 0.95, less what the percentile interval lacks at 60 values, within three standard errors.
    assert 0.90 < coverage < 0.98


def test_interval_over_groups_agrees_with_the_spread_of_the_groups():
    n_groups, size = 50, 20
    effects = rng(3).normal(0.5, 0.1, n_groups)
    values = (effects[:, None] + rng(4).normal(0, 0.01, (n_groups, size))).ravel()
    groups = np.repeat(np.arange(n_groups), size)
    means = values.reshape(n_groups, size).mean(axis=1)
    half_width = Z_95 * means.std() / np.sqrt(n_groups)
    grouped = bootstrap_interval(values, rng(), groups)
    assert grouped.high - grouped.low == pytest.approx(2 * half_width, rel=0.06)
    single = bootstrap_interval(values, rng())
    assert (grouped.high - grouped.low) / (single.high - single.low) == pytest.approx(
        np.sqrt(size), rel=0.08
    )


def test_means_over_unequal_groups_are_those_of_a_plain_loop():
    values = np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])
    groups = ["x", "y", "y", "z", "z", "z"]
    members = [[1.0], [2.0, 4.0], [8.0, 16.0, 32.0]]
    drawn = rng(5).integers(3, size=(200, 3), dtype=np.int32)
    expected = [np.mean(np.concatenate([members[k] for k in row])) for row in drawn]
    np.testing.assert_allclose(bootstrap_means(values, rng(5), groups, 200), expected, rtol=1e-12)


def test_intervals_repeat_exactly_whatever_is_held_in_memory(monkeypatch):
    values = rng(6).random(301)
    first = bootstrap_means(values, rng(7))
    monkeypatch.setattr(statistics, "_BLOCK", 12_345)
    np.testing.assert_array_equal(first, bootstrap_means(values, rng(7)))
    assert not np.array_equal(first, bootstrap_means(values, rng(8)))


def test_equal_values_have_no_spread():
    assert bootstrap_interval([0.3, 0.3, 0.3], rng()) == Interval(0.3, 0.3)
    assert bootstrap_interval([0.7], rng()) == Interval(0.7, 0.7)


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


def test_nothing_has_no_interval():
    with pytest.raises(ValueError, match="nothing to draw from"):
        bootstrap_interval([], rng())


def test_songs_are_drawn_whole_when_there_are_enough_of_them():
    def width(n_songs):
        offsets = np.linspace(0.2, 0.8, n_songs)
        rows = [
            (f"song {n}", f"s{n}", f"L{k}", offsets[n], offsets[n])
            for n in range(n_songs)
            for k in range(16)
        ]
        interval = summarise(frame(rows))[0].interval
        n_units = n_songs if n_songs >= MIN_SONGS else 16 * n_songs
        return (interval.high - interval.low) / (2 * Z_95 * offsets.std() / np.sqrt(n_units))

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
    (found,) = paired_differences(pd.concat([one, other]))
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
    (found,) = paired_differences(pd.concat([frame(rows), frame(better, "b")]))
    half_width = Z_95 * noise.std() / np.sqrt(500)
    assert found.interval.low == pytest.approx(0.03 + noise.mean() - half_width, abs=2e-4)
    assert found.interval.high == pytest.approx(0.03 + noise.mean() + half_width, abs=2e-4)
    assert found.is_clear


def test_separators_without_common_pairs_are_not_compared():
    one, other = frame([("A", "s1", "L1", 0.5, 0.5)]), frame([("B", "s2", "L1", 0.5, 0.5)], "b")
    assert paired_differences(pd.concat([one, other])) == []


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
            ["One common pair cannot tell", "On it, a lies 0.100 above b."],
        ),
        (
            [summary("oracle", 0.9), summary("a", 0.6), summary("b", 0.5)],
            [
                difference("oracle", "b", 0.4, 0.3, 0.5),
                difference("oracle", "a", 0.3, 0.2, 0.4),
                difference("a", "b", 0.1, 0.05, 0.15),
            ],
            ["a is best, 0.100 above b.", "ceiling, lies 0.300 (0.200 to 0.400) above a."],
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
