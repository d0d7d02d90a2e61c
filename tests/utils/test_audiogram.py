"""Audiograms and listeners: the peer's numbers, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from clarity.utils import audiogram
from clarity.utils.audiogram import STANDARD_AUDIOGRAMS, Audiogram, Listener

ENTRY = {
    "name": "L0001",
    "audiogram_cfs": [250, 500, 1000],
    "audiogram_levels_l": [10, 20, 30],
    "audiogram_levels_r": [15, 25, 35],
}


def test_severity_counts_the_frequencies_the_peer_counts(peer):
    standard = audiogram.FULL_STANDARD_AUDIOGRAM_FREQUENCIES
    severities = {
        f"{frequency:.0f}": Audiogram(np.eye(15)[i] * 1000, standard).severity
        for i, frequency in enumerate(standard)
    }
    assert severities == peer["audiogram"]["severity_of_1000_db_at_one_frequency"]


def test_severity_has_the_limits_of_the_peer(peer):
    for level, severity in peer["audiogram"]["severity_of_flat_loss"].items():
        assert Audiogram([float(level)] * 8).severity == severity, level


def test_severity_counts_what_was_measured_in_the_range(peer):
    for name, case in peer["audiogram"]["severity_with_gaps"].items():
        assert Audiogram(case["levels"], case["frequencies"]).severity == case["severity"], name
    assert Audiogram([90, np.nan, 20], [2000, 3000, 4000]).severity == "MODERATE"  # of 55 dB


def test_severity_without_a_frequency_from_2_khz_up():
    assert Audiogram([90, 90], [250, 1000]).severity == "NOTHING"


@pytest.mark.parametrize(
    ("linear", "key"), [(False, "resampled_over_log"), (True, "resampled_over_hz")]
)
def test_resampled_levels_are_the_peers(peer, linear, key):
    sloping = Audiogram([5, 10, 40, 75.5], [200, 500, 3000, 7000])
    resampled = sloping.resample(peer["audiogram"]["resampled_frequencies"], linear)
    assert resampled.frequencies.tolist() == peer["audiogram"]["resampled_frequencies"]
    np.testing.assert_allclose(resampled.levels, peer["audiogram"][key], rtol=0, atol=1e-12)


def test_geometric_middle_has_the_mean_level():
    assert Audiogram([10, 30], [1000, 4000]).resample([2000]).levels == pytest.approx([20.0])


def test_constants_are_the_peers(peer):
    for name, value in peer["audiogram"]["constants"].items():
        constant = getattr(audiogram, name)
        assert constant == Audiogram(value["levels"], value["frequencies"]), name
        assert constant.severity == value["severity"]
    assert Audiogram(range(8)).frequencies.tolist() == peer["audiogram"]["default_frequencies"]


def test_standard_audiograms_of_the_paper():
    # Pure-tone averages of 0.5, 1, 2 and 4 kHz, worked out from Tables 2 and 4 by hand.
    averages = {
        name: float(value.resample([500, 1000, 2000, 4000]).levels.mean())
        for name, value in STANDARD_AUDIOGRAMS.items()
    }
    assert averages == {
        **{"N1": 16.25, "N2": 31.25, "N3": 46.25, "N4": 62.5, "N5": 76.25},
        **{"N6": 88.75, "N7": 102.5, "S1": 22.5, "S2": 48.75, "S3": 62.5},
    }
    # The flat ones grow with their number at every frequency.
    flat = np.array([STANDARD_AUDIOGRAMS[f"N{i}"].levels for i in range(1, 8)])
    assert np.all(np.diff(flat, axis=0) >= 0)
    assert STANDARD_AUDIOGRAMS["S3"].frequencies.tolist() == [
        *(250, 375, 500, 750, 1000, 1500, 2000, 3000, 4000, 6000)
    ]


def test_has_frequencies():
    measured = Audiogram([10, 20, 30], [250, 1000, 4000])
    assert measured.has_frequencies([250, 4000])
    assert measured.has_frequencies([])
    assert not measured.has_frequencies(np.array([250, 500]))


@pytest.mark.parametrize(
    ("levels", "frequencies", "message"),
    [
        ([1, 2, 3], [500, 1000], r"Levels \(3\) and frequencies \(2\)"),
        ([1, 2, 3], [500, 250, 1000], "ascending order"),
        ([1, 2, 3], [500, 500, 1000], "unique"),
        ([1, 2, 3], [500, 1000, 500], "unique"),
        ([1, -np.inf, 3], [250, 500, 1000], "Levels must be finite"),
        ([1, 2, 3], [250, np.nan, 1000], "Frequencies must be finite"),
        ([1, 2, 3], [250, np.inf, 1000], "Frequencies must be finite"),
        ([1, 2], [0, 1000], "above 0 Hz"),
        ([1, 2], [1000, -1000], "above 0 Hz"),
        ([], [], "one or more numbers"),
        ([[1, 2]], [250, 500], "one or more numbers"),
        (30, 1000, "one or more numbers"),
        (["a lot"], [1000], "list of numbers"),
    ],
)
def test_what_cannot_be_an_audiogram_is_refused(levels, frequencies, message):
    with pytest.raises(ValueError, match=message):
        Audiogram(levels, frequencies)


@pytest.mark.parametrize("levels", [None, 30, "a lot", ["a lot"]])
def test_what_is_no_list_of_numbers_is_a_type_error_too(levels):
    with pytest.raises(TypeError, match="Levels must be a list of"):
        Audiogram(levels)


def test_an_audiogram_can_be_changed(peer):
    measured = Audiogram([10, 20, 40], [500, 1000, 4000])
    measured.levels += 5
    changed = measured.resample([500, 2000, 8000]).levels
    np.testing.assert_allclose(changed, peer["audiogram"]["levels_after_a_change"], atol=1e-12)
    measured.levels[1] = 60
    measured.frequencies = [500, 1000, 3000]
    assert measured == Audiogram([15, 60, 45], [500, 1000, 3000])
    assert measured.levels.dtype == measured.frequencies.dtype == np.float64


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("levels", [1, 2], r"Levels \(2\) and frequencies \(3\)"),
        ("levels", [1, 2, np.inf], "finite"),
        ("levels", None, "list of one or more numbers"),
        ("frequencies", [500, 250, 1000], "ascending"),
        ("frequencies", [500, 1000], r"Levels \(3\) and frequencies \(2\)"),
    ],
)
def test_a_change_is_checked_like_construction(name, value, message):
    measured = Audiogram([10, 20, 40], [500, 1000, 4000])
    with pytest.raises(ValueError, match=message):
        setattr(measured, name, value)
    assert measured == Audiogram([10, 20, 40], [500, 1000, 4000])


def test_a_level_that_was_written_to_is_checked_when_it_is_used():
    measured = Audiogram([10, 20, 40], [500, 1000, 4000])
    measured.levels[2] = np.inf
    with pytest.raises(ValueError, match="Levels must be finite"):
        measured.resample([1000])
    with pytest.raises(ValueError, match="Levels must be finite"):
        _ = measured.severity


def test_an_audiogram_keeps_copies():
    levels = np.array([10.0, 20.0])
    measured = Audiogram(levels, [500, 1000])
    levels[0] = 99
    assert measured.levels.tolist() == [10, 20]
    Audiogram(range(8)).frequencies[0] = 100
    assert Audiogram(range(8)).frequencies[0] == 250


def test_nobody_writes_to_the_constants():
    with pytest.raises(ValueError, match="read-only"):
        audiogram.AUDIOGRAM_MILD.levels += 5
    with pytest.raises(ValueError, match="read-only"):
        STANDARD_AUDIOGRAMS["N3"].levels[0] = 99


def test_equality():
    first, second = Audiogram([10, None], [500, 1000]), Audiogram([10.0, np.nan], [500.0, 1000.0])
    assert first == second
    assert first != Audiogram([10, 20], [500, 1000])
    assert first != "an audiogram"
    with pytest.raises(TypeError, match="unhashable"):
        hash(first)


def test_levels_around_one_that_was_not_measured_are_the_peers(peer):
    numbers = peer["audiogram"]
    measured = Audiogram([10, 20, None, 40, 50], [500, 1000, 2000, 4000, 8000])
    resampled = measured.resample(numbers["around_nan_frequencies"]).levels
    expected = np.array(numbers["resampled_around_nan"], dtype=float)
    np.testing.assert_allclose(resampled, expected, rtol=0, atol=1e-12)


def test_a_level_that_a_calculation_lacks_is_named():
    measured = Audiogram([10, None, 40], [500, 1000, 4000])
    assert measured.levels_for("a test", [250, 500, 8000]).tolist() == [10, 10, 40]
    message = r"^a test needs the level at 1000, 2000 Hz; this audiogram has none at 1000 Hz$"
    with pytest.raises(ValueError, match=message):
        measured.levels_for("a test", [500, 1000, 2000])


def test_a_listener_can_be_changed():
    listener = Listener.from_dict(ENTRY)
    listener.id = "L0002"
    listener.audiogram_left = Audiogram([1, 2, 3], [250, 500, 1000])
    assert listener == Listener(
        Audiogram([1, 2, 3], [250, 500, 1000]), Audiogram([15, 25, 35], [250, 500, 1000]), "L0002"
    )
    for error in (ValueError, TypeError):
        with pytest.raises(error, match=r"audiogram_right must be an Audiogram, got \[1, 2, 3\]"):
            listener.audiogram_right = [1, 2, 3]
        with pytest.raises(error, match="audiogram_left must be an Audiogram, got None"):
            Listener(None, listener.audiogram_right)


def test_listener_of_an_entry():
    listener = Listener.from_dict(ENTRY)
    assert listener == Listener(
        Audiogram([10, 20, 30], [250, 500, 1000]),
        Audiogram([15, 25, 35], [250, 500, 1000]),
        "L0001",
    )


@pytest.mark.parametrize("key", ENTRY)
def test_missing_key_is_named(key):
    with pytest.raises(ValueError, match=f"^key '{key}' is missing$"):
        Listener.from_dict({other: ENTRY[other] for other in ENTRY if other != key})
    with pytest.raises(KeyError, match=key):
        Listener.from_dict({other: ENTRY[other] for other in ENTRY if other != key})


def test_listeners_of_a_file_keep_its_order(tmp_path):
    file = tmp_path / "listeners.json"
    file.write_text(json.dumps({"L0002": {**ENTRY, "name": "L0002"}, "L0001": ENTRY}))
    listeners = Listener.load_listener_dict(file)
    assert list(listeners) == ["L0002", "L0001"]
    assert listeners["L0002"].id == "L0002"
    assert listeners["L0001"].audiogram_right.levels.tolist() == [15, 25, 35]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"L1": {"name": "L1"}}, r"listeners.json: listener 'L1': key 'audiogram_cfs' is missing"),
        (
            {"L1": {**ENTRY, "audiogram_levels_r": [1, 2]}},
            r"listeners.json: listener 'L1': audiogram_levels_r with audiogram_cfs: Levels \(2\)",
        ),
        ({"L1": {**ENTRY, "audiogram_cfs": [500, 250, 1000]}}, "listener 'L1'.*ascending"),
        (
            {"L1": {**ENTRY, "audiogram_levels_l": [1, 2, float("inf")]}},
            "audiogram_levels_l.*finite",
        ),
        ({"L1": [1, 2]}, "listener 'L1': a listener must be"),
        ([ENTRY], "listeners.json: must be one object of listeners by id"),
    ],
)
def test_faulty_listener_is_named(tmp_path, content, message):
    file = tmp_path / "listeners.json"
    file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        Listener.load_listener_dict(file)


def test_listeners_of_the_real_data(cadenza_mini):
    file = cadenza_mini / "metadata" / "listeners.train.json"
    entries = json.loads(file.read_text())
    listeners = Listener.load_listener_dict(file)
    assert {
        listener_id: [
            listener.audiogram_left.levels.tolist(),
            listener.audiogram_right.levels.tolist(),
        ]
        for listener_id, listener in listeners.items()
    } == {
        listener_id: [entry["audiogram_levels_l"], entry["audiogram_levels_r"]]
        for listener_id, entry in entries.items()
    }
