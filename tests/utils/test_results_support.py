"""Results tables: the peer's bytes, and no torn rows."""

from __future__ import annotations

import pytest

from clarity.utils.results_support import ResultsFile


def test_rows_are_the_peers_bytes(peer, tmp_path):
    table = ResultsFile(tmp_path / "new" / "table.csv", ["scene", "score"])
    for row in peer["files"]["rows"]:
        table.add_result(row)
    assert (tmp_path / "new" / "table.csv").read_bytes().decode() == peer["files"]["table_text"]


def test_each_row_is_on_the_disk_when_add_result_returns(tmp_path, monkeypatch):
    table = ResultsFile(tmp_path / "t.csv", ["a"])
    synced = []
    monkeypatch.setattr("os.fsync", lambda _: synced.append((tmp_path / "t.csv").read_bytes()))
    table.add_result({"a": 1})
    table.add_result({"a": 2})
    assert synced == [b"a\r\n1\r\n", b"a\r\n1\r\n2\r\n"]


def test_missing_value_is_named_and_writes_nothing(tmp_path):
    table = ResultsFile(tmp_path / "t.csv", ["a", "b"])
    with pytest.raises(KeyError, match="'b'"):
        table.add_result({"a": 1})
    assert (tmp_path / "t.csv").read_bytes() == b"a,b\r\n"


def test_appending_and_starting_anew(tmp_path):
    file = tmp_path / "t.csv"
    ResultsFile(file, ["a", "b"]).add_result({"a": 1, "b": 2})
    ResultsFile(file, ["a", "b"], append_results=True).add_result({"a": 3, "b": 4})
    assert file.read_bytes() == b"a,b\r\n1,2\r\n3,4\r\n"
    ResultsFile(str(file), ["a", "b"])
    assert file.read_bytes() == b"a,b\r\n"


CUT_SHORT = {
    b"a,b\r\n1,2\r\n3,": b"a,b\r\n1,2\r\n5,6\r\n",
    b"a,b\r\n3": b"a,b\r\n5,6\r\n",
    b"a,b\r\n1,2\r\n3": b"a,b\r\n1,2\r\n5,6\r\n",
    b'a,b\r\n1,2\r\n3,"x': b"a,b\r\n1,2\r\n5,6\r\n",
}
WHOLE = {
    b"a,b\n1,2\n": b"a,b\n1,2\n5,6\r\n",
    b"a,b\r\n1,2\r\n3,4": b"a,b\r\n1,2\r\n3,4\r\n5,6\r\n",
    b"a,b\r\n1,2\r\n3,4\r": b"a,b\r\n1,2\r\n3,4\r\n5,6\r\n",
    b'a,b\n3,"4, 5"': b'a,b\n3,"4, 5"\r\n5,6\r\n',
    b"a,b": b"a,b\r\n5,6\r\n",
    b"\xef\xbb\xbfa,b\r\n1,2\r\n": b"\xef\xbb\xbfa,b\r\n1,2\r\n5,6\r\n",
}


@pytest.mark.parametrize(("content", "expected"), [*CUT_SHORT.items(), *WHOLE.items()])
def test_whole_rows_stay_and_a_torn_last_one_is_removed(tmp_path, caplog, content, expected):
    file = tmp_path / "t.csv"
    file.write_bytes(content)
    ResultsFile(file, ["a", "b"], append_results=True).add_result({"a": 5, "b": 6})
    assert file.read_bytes() == expected
    message = "t.csv: removing a last row that was cut short"
    assert [message in text for text in caplog.messages] == [True] * (content in CUT_SHORT)


def test_appending_to_nothing_or_to_another_table(tmp_path):
    file = tmp_path / "t.csv"
    with pytest.raises(FileNotFoundError, match=r"t.csv: no such file.*append_results=False"):
        ResultsFile(file, ["a"], append_results=True)
    file.write_bytes(b"a,b\r\n1,2\r\n")
    with pytest.raises(ValueError, match=r"t.csv: has the columns \['a', 'b'\]"):
        ResultsFile(file, ["a", "c"], append_results=True)
    assert file.read_bytes() == b"a,b\r\n1,2\r\n"


def test_row_that_does_not_fit_on_the_disk_leaves_none(tmp_path, monkeypatch):
    class FullDisk:
        """A file that takes three bytes and no more."""

        def __init__(self, file):
            self._file = file

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self._file.close()

        def __getattr__(self, name):
            return getattr(self._file, name)

        def write(self, data):
            return self._file.write(data[:3])

    table = ResultsFile(tmp_path / "t.csv", ["a"])
    path_open = type(tmp_path).open
    monkeypatch.setattr(
        type(tmp_path), "open", lambda *args, **kwargs: FullDisk(path_open(*args, **kwargs))
    )
    with pytest.raises(OSError, match="no space for another row"):
        table.add_result({"a": "a long value"})
    monkeypatch.undo()
    assert (tmp_path / "t.csv").read_bytes() == b"a\r\n"
