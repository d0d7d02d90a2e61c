"""Digests of files: remembered while size and time of modification stay, and no longer."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from recipes.cad_icassp_2024.data import content
from recipes.cad_icassp_2024.data.content import Contents, digest_of, digest_of_file
from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.data.journal import Journal
from tests.conftest import ROOT

OLD_NS = 1_600_000_000_000_000_000


@pytest.fixture
def music(tmp_path: Path) -> Path:
    return put(tmp_path / "music.wav", b"one")


def put(path: Path, data: bytes, mtime_ns: int = OLD_NS) -> Path:
    path.write_bytes(data)
    os.utime(path, ns=(mtime_ns, mtime_ns))
    return path


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that are read to be hashed, in order."""
    paths: list[Path] = []
    real = digest_of_file
    monkeypatch.setattr(content, "digest_of_file", lambda path: paths.append(path) or real(path))
    return paths


def digest(folder: Path, path: Path, *, verify: bool = False) -> str:
    """What a process of its own would say."""
    with closing(Contents(folder / "records", verify=verify)) as contents:
        return contents.digest(path)


def test_a_digest_is_that_of_the_content(tmp_path: Path) -> None:
    for data in (b"", b"one", os.urandom(600_000)):
        assert digest_of_file(put(tmp_path / "file", data)) == sha256(data)


def test_digests_of_values_depend_on_values_alone() -> None:
    assert digest_of({"a": 1, "b": [2.5, None]}) == digest_of({"b": [2.5, None], "a": 1})
    different = [1, 1.5, "1", [1], {"1": 1}, None, True]
    assert len({digest_of(value) for value in different}) == len(different)


def test_a_file_is_read_once_for_all_processes(
    tmp_path: Path, music: Path, read: list[Path]
) -> None:
    assert [digest(tmp_path, music) for _ in range(3)] == [sha256(b"one")] * 3
    assert read == [music]


def test_another_size_or_time_is_another_content(tmp_path: Path, music: Path) -> None:
    digest(tmp_path, music)
    assert digest(tmp_path, put(music, b"three")) == sha256(b"three")
    assert digest(tmp_path, put(music, b"seven", OLD_NS + 1)) == sha256(b"seven")
    assert digest(tmp_path, put(music, b"one")) == sha256(b"one")


def test_equal_size_and_time_are_believed_unless_told_to_verify(
    tmp_path: Path, music: Path
) -> None:
    digest(tmp_path, music)
    put(music, b"two")
    assert digest(tmp_path, music) == sha256(b"one")
    assert digest(tmp_path, music, verify=True) == sha256(b"two")
    assert digest(tmp_path, music) == sha256(b"two")  # what was found last is remembered


@pytest.mark.parametrize("ahead_s", [0, 1, 3600])
def test_a_file_as_young_as_its_record_or_from_the_future_is_read_again(
    ahead_s: int, tmp_path: Path, music: Path, read: list[Path]
) -> None:
    mtime_ns = time.time_ns() + ahead_s * 10**9
    digest(tmp_path, put(music, b"one", mtime_ns))
    assert digest(tmp_path, put(music, b"two", mtime_ns)) == sha256(b"two")
    assert read == [music, music]


def test_a_record_that_says_it_is_from_before_the_file_is_not_believed(
    tmp_path: Path, music: Path
) -> None:
    line = ["music.wav", 3, OLD_NS, "0" * 32, OLD_NS - 1]
    Journal(tmp_path / "records", "contents").append(line)
    assert digest(tmp_path, music) == sha256(b"one")


def test_one_run_sees_one_content(tmp_path: Path, music: Path) -> None:
    contents = Contents(tmp_path / "records")
    first = contents.digest(music)
    put(music, b"two", OLD_NS + 1)
    assert contents.digest(music) == first
    changed = pytest.raises(RecipeError, match=r"music\.wav: was changed while this run went on")
    with changed, contents.reading(music):
        pass


def test_a_change_during_reading_is_an_error(tmp_path: Path, music: Path) -> None:
    with pytest.raises(RecipeError, match="was changed"), Contents().reading(music):
        put(music, b"two", OLD_NS + 1)


def test_what_is_written_need_not_be_read(
    tmp_path: Path, read: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "TICK_NS", 50_000_000)
    path = tmp_path / "signal.flac"
    with closing(Contents(tmp_path / "records")) as contents:
        path.write_bytes(b"signal")
        contents.note_written(path, sha256(b"signal"))
        time.sleep(0.1)
    assert digest(tmp_path, path) == sha256(b"signal")
    assert read == []
    with closing(Contents(tmp_path / "records")) as contents:
        path.write_bytes(b"sign")
        contents.note_written(path, sha256(b"sign"))
        time.sleep(0.1)
        path.write_bytes(b"song")  # by somebody else
    assert digest(tmp_path, path) == sha256(b"song")


def test_an_experiment_that_is_moved_is_known(tmp_path: Path, read: list[Path]) -> None:
    (tmp_path / "exp").mkdir()
    put(tmp_path / "exp" / "signal.flac", b"one")
    digest(tmp_path / "exp", tmp_path / "exp" / "signal.flac")
    (tmp_path / "exp").rename(tmp_path / "moved")
    digest(tmp_path / "moved", tmp_path / "moved" / "signal.flac")
    assert len(read) == 1


def test_what_others_have_read_need_not_be_read(tmp_path: Path, read: list[Path]) -> None:
    for name in ("music", "exp"):
        (tmp_path / name).mkdir()
    song = put(tmp_path / "music" / "song.wav", b"one")
    digest(tmp_path / "music", song)
    with closing(Contents(tmp_path / "exp" / "records", song.parent / "records")) as contents:
        assert contents.knows(song)
        assert contents.digest(song) == sha256(b"one")
        assert read == [song]
        other = put(tmp_path / "exp" / "song.wav", b"two")  # of the same name below its folder
        assert not contents.knows(other)
        assert contents.digest(other) == sha256(b"two")
    put(song, b"seven")
    with closing(Contents(tmp_path / "exp" / "records", song.parent / "records")) as contents:
        assert contents.digest(song) == sha256(b"seven")
    others = song.parent / "records" / "contents-0.jsonl"
    others.mkdir()  # what cannot be read does not matter
    assert digest(tmp_path / "music", song) == sha256(b"seven")


def test_a_disk_that_takes_no_digests_does_not_keep_anybody_from_reading(
    music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", fails)
    with closing(Contents(music.parent / "records")) as contents, contents.reading(music):
        assert contents.digest(music) == sha256(b"one")


def test_without_a_folder_nothing_is_written(tmp_path: Path, music: Path) -> None:
    with closing(Contents()) as contents:
        contents.digest(music)
        contents.note_written(music, "0" * 32)
    assert [path.name for path in tmp_path.iterdir()] == ["music.wav"]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        Contents().digest(tmp_path / "nowhere")


# --- the journal ------------------------------------------------------------------------------


def test_lines_that_were_cut_off_are_passed_over(tmp_path: Path) -> None:
    Journal(tmp_path, "made").append({"a": 1}, {"b": 2})
    (path,) = tmp_path.glob("made-*.jsonl")
    whole = path.read_bytes()
    for n_bytes in range(len(whole) + 1):
        path.write_bytes(whole[:n_bytes])
        n_lines = whole[:n_bytes].count(b"\n")
        assert list(Journal(tmp_path, "made").lines()) == [{"a": 1}, {"b": 2}][:n_lines]
    path.write_bytes(b"\xff\xfe{\n" + b"[" * 100_000 + b"\n" + whole)
    assert list(Journal(tmp_path, "made").lines()) == [{"a": 1}, {"b": 2}]


def test_after_a_disk_that_was_full_lines_are_whole_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path, "made")
    journal.append(1)
    real = os.write

    def full(descriptor: int, data: bytes) -> int:
        monkeypatch.setattr(os, "write", fails)
        return real(descriptor, data[:2])

    def fails(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        journal.append([2, 2])
    monkeypatch.setattr(os, "write", real)
    journal.append(3)
    assert list(journal.lines()) == [1, 3]


def test_threads_share_a_file(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "made")

    def work(number: int) -> None:
        for _ in range(50):
            journal.append(number)

    threads = [threading.Thread(target=work, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(journal.lines()) == sorted(list(range(8)) * 50)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_process_that_is_killed_leaves_what_it_noted(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from recipes.cad_icassp_2024.data.journal import Journal\n"
        "Journal(Path(sys.argv[1]), 'made').append('noted')\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    for _ in range(2):
        subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, check=False)
    assert list(Journal(tmp_path, "made").lines()) == ["noted", "noted"]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_full_disk_is_told_by_the_name_of_the_file(tmp_path, monkeypatch):
    journal = Journal(tmp_path, "notes")
    journal.append("first")

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space left") as caught:
            journal.append("lost")
    (path,) = tmp_path.iterdir()
    assert caught.value.filename == str(path)
    journal.append("second")
    assert list(journal.lines()) == ["first", "second"]
