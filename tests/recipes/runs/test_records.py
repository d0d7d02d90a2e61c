"""Records of results: what still holds, what no longer matches and by which dependency."""

from __future__ import annotations

from pathlib import Path

import pytest

from recipes.cad_icassp_2024.data.content import Contents
from recipes.cad_icassp_2024.runs.records import Records, Result

NOW = {"music": "m1", "gains": "g1", "audiograms": "a1"}


def result(name: str, output: str = "out", **made_from: str) -> Result:
    return Result(name, output, NOW | made_from)


def test_results_are_current_changed_or_unknown(tmp_path: Path) -> None:
    records = Records(tmp_path)
    records.add(result("a"))
    records.add(result("b", music="m0"))
    records.add(result("c", gains="g0", audiograms="a0"))
    records.add(result("d"))
    for reader in (records, Records(tmp_path)):
        there = [result("a"), result("b"), result("c"), result("d", "replaced"), result("e")]
        comparison = reader.compare(there)
        assert comparison.current == ("a",)
        assert comparison.changed == {"b": ("music",), "c": ("gains", "audiograms")}
        assert comparison.unknown == ("d", "e")
        assert comparison.changes("signals") == [
            "1 of 5 signals were made from music that has since changed",
            "1 of 5 signals were made from gains and audiograms that have since changed",
        ]


def test_the_issues_sentence(tmp_path: Path) -> None:
    records = Records(tmp_path)
    for number in range(800):
        records.add(result(f"{number}", music="m0" if number < 37 else "m1"))
    comparison = records.compare([result(f"{number}") for number in range(800)])
    assert comparison.changes("signals") == [
        "37 of 800 signals were made from music that has since changed"
    ]


@pytest.mark.parametrize("kind", ["removed", "added"])
def test_a_dependency_more_or_less_is_a_difference(kind: str, tmp_path: Path) -> None:
    records = Records(tmp_path)
    more = result("a", compressor="c1")
    records.add(more if kind == "removed" else result("a"))
    comparison = records.compare([result("a") if kind == "removed" else more])
    assert comparison.changed == {"a": ("compressor",)}


def test_any_record_of_an_output_will_do_whatever_came_after_it(tmp_path: Path) -> None:
    records = Records(tmp_path)
    records.add(result("a", "one"))
    records.add(result("a", "two", music="m0"))
    records.add(result("a", "one", gains="g0", audiograms="a0"))
    assert records.compare([result("a", "one")]).current == ("a",)
    assert records.compare([result("a", "two")]).changed == {"a": ("music",)}
    nearest = records.compare([result("a", "one", gains="g0")])
    assert nearest.changed == {"a": ("gains",)}


def test_batches_add_to_one_folder_and_folders_can_be_joined(tmp_path: Path) -> None:
    one, two = Records(tmp_path / "1"), Records(tmp_path / "1")
    one.add(result("a"))
    two.add(result("b"))
    there = [result("a"), result("b")]
    assert Records(tmp_path / "1").compare(there).current == ("a", "b")
    Records(tmp_path / "2").add(result("c"))
    for path in (tmp_path / "2").iterdir():
        path.rename(tmp_path / "1" / path.name)
    assert Records(tmp_path / "1").compare([result("c")]).current == ("c",)


def test_a_written_file_has_its_record_before_it_has_its_name(tmp_path: Path) -> None:
    path = tmp_path / "signals" / "a.flac"
    records = Records(tmp_path / "records")
    seen = []

    class Watched(Records):
        def add(self, result: Result) -> None:
            seen.append(path.exists())
            super().add(result)

    watched = Watched(tmp_path / "records")
    with watched.writing(path, "a", NOW) as temporary:
        temporary.write_bytes(b"signal")
    assert seen == [False]
    assert path.read_bytes() == b"signal"
    there = Result("a", Contents().digest(path), NOW)
    assert watched.contents.digest(path) == there.output
    assert Records(tmp_path / "records").compare([there]).current == ("a",)
    with pytest.raises(ZeroDivisionError), records.writing(path, "b", NOW) as temporary:
        temporary.write_bytes(b"half")
        raise ZeroDivisionError
    assert path.read_bytes() == b"signal"
    assert list(path.parent.iterdir()) == [path]
    assert Records(tmp_path / "records").compare([result("b")]).unknown == ("b",)


def test_mixtures_are_named(tmp_path: Path) -> None:
    records = Records(tmp_path)
    for number in range(10):
        weights = "old" if number < 3 else "new"
        records.add(result(f"{number}", music=f"m{number}", weights=weights, separator="one"))
    outputs = {f"{number}": "out" for number in range(12)}
    shared = ("weights", "separator")
    assert records.mixtures(outputs, shared, "scores") == [
        "3 of 10 scores were made from other weights than the others"
    ]
    for number in range(3):
        records.add(result(f"{number}", weights="new", separator="one"))
    assert records.mixtures(outputs, shared, "scores") == []
    assert records.mixtures({}, shared, "scores") == []


def test_lines_of_something_else_are_passed_over(tmp_path: Path) -> None:
    Records(tmp_path).add(result("a"))
    (tmp_path / "made-x.jsonl").write_text('[1]\n{"result": 1}\n{"result": "a", "output"')
    assert Records(tmp_path).compare([result("a")]).current == ("a",)
