"""Fetching the challenge's packages from a server on this machine."""

from __future__ import annotations

import io
import os
import re
import shutil
import socket
import tarfile
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.generate_dataset import download as module, fetching
from recipes.cad_icassp_2024.generate_dataset.download import download, main
from recipes.cad_icassp_2024.runs import locks
from tests.recipes.generate_dataset.record_server import RecordServer, make_archive, serving

CORE = "cad_icassp_2024_core.v1.1.tgz"
VALIDATION = "cad_icassp_2024_validation.v1.0.tgz"
# Noise, so that the archive is as large: 300 kB, which many reads take.
SONG = np.random.RandomState(1).bytes(300_000)
CORE_FILES = {"metadata/gains.json": b"{}", "audio/hrtf/a-b-n30.wav": b"RIFF"}
VALIDATION_FILES = {
    "cadenza_data/metadata/scenes.valid.json": b"[]",
    "cadenza_data/audio/at_mic_music/valid/song/mixture.wav": SONG,
}
EXPECTED = CORE_FILES | {
    name.removeprefix("cadenza_data/"): content for name, content in VALIDATION_FILES.items()
}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(fetching, "PAUSE_S", 0.0)
    monkeypatch.setattr(fetching, "CHUNK_BYTES", 10_000)
    files = {CORE: make_archive(CORE_FILES), VALIDATION: make_archive(VALIDATION_FILES)}
    with serving(files) as running:
        yield running


def contents(root: Path) -> dict[str, bytes]:
    """The data set's files; archives and notes are not of it."""
    files = [path for path in root.rglob("*") if path.is_file()]
    data = {path.relative_to(root).as_posix(): path.read_bytes() for path in files}
    return {name: data[name] for name in data if not name.startswith("downloads/")}


def test_packages_are_unpacked_over_one_folder_and_fetched_once(server, tmp_path, caplog):
    caplog.set_level("INFO")
    download(tmp_path, ["core", "validation"], server.url)
    assert contents(tmp_path) == EXPECTED
    assert server.asked == [(CORE, 0), (VALIDATION, 0)]
    names = {path.name for path in (tmp_path / "downloads").glob("*.t*")}
    assert names == {f"{CORE}.json", f"{VALIDATION}.json"}
    download(tmp_path, ["validation", "core"], server.url)
    assert len(server.asked) == 2
    assert f"core is in {tmp_path} already" in caplog.text


def test_what_is_there_is_left_alone(server, tmp_path, caplog):
    caplog.set_level("INFO")
    mine = tmp_path / "metadata" / "gains.json"
    mine.parent.mkdir()
    mine.write_bytes(b'{"mine": 1}')
    download(tmp_path, ["core"], server.url)
    assert contents(tmp_path) == CORE_FILES | {"metadata/gains.json": b'{"mine": 1}'}
    assert f"{mine} is not as in the record" in caplog.text


def test_another_version_of_a_package_is_fetched(server, tmp_path):
    download(tmp_path, ["core"], server.url)
    newer = make_archive(CORE_FILES | {"metadata/new.json": b"[]"})
    with serving({CORE: newer}) as other:
        download(tmp_path, ["core"], other.url)
    assert contents(tmp_path) == CORE_FILES | {"metadata/new.json": b"[]"}


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_a_cut_connection_is_taken_up_where_it_broke(server, tmp_path, knows_ranges):
    server.knows_ranges = knows_ranges
    server.cuts = [100_000, 50_000]
    download(tmp_path, ["validation"], server.url)
    starts = [100_000, 150_000] if knows_ranges else [0, 0]
    assert server.asked == [(VALIDATION, start) for start in (0, *starts)]
    assert contents(tmp_path) == {
        name: content for name, content in EXPECTED.items() if "valid" in name
    }


def test_a_server_that_fails_again_and_again_is_given_up_and_gone_on_with(server, tmp_path):
    server.cuts = [100_000, *[0] * fetching.N_ATTEMPTS]
    with pytest.raises(RecipeError, match=r"/files/.*validation.*failed 5 times \(.*goes on from"):
        download(tmp_path, ["validation"], server.url)
    assert contents(tmp_path) == {}
    server.cuts = []
    server.asked.clear()
    download(tmp_path, ["validation"], server.url)
    assert server.asked == [(VALIDATION, 100_000)]
    assert len(contents(tmp_path)) == 2


def test_a_wrong_checksum_is_said_and_nothing_is_unpacked(server, tmp_path):
    server.checksums[CORE] = f"md5:{'0' * 32}"
    with pytest.raises(RecipeError, match=f"another checksum than the record says .md5:{'0' * 32}"):
        download(tmp_path, ["core"], server.url)
    assert contents(tmp_path) == {}
    assert not list(tmp_path.rglob("*.tgz*"))


def test_a_file_that_the_server_has_lost(server, tmp_path):
    record = server.record()
    server.record = lambda: record
    del server.files[CORE]
    with pytest.raises(RecipeError, match="404 Not Found"):
        download(tmp_path, ["core"], server.url)


def test_the_disk_is_asked_first(server, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    n_bytes = len(server.files[VALIDATION])
    enough = round(module.UNPACKED_TO_PACKED * n_bytes) + n_bytes
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, enough - 1))
    with pytest.raises(RecipeError, match=r"unpacking validation will take .*another --root"):
        download(tmp_path, ["validation"], server.url)
    assert server.asked == []
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, enough))
    download(tmp_path, ["validation"], server.url)


@pytest.mark.parametrize(
    "name", ["../outside.json", "audio/../../outside.json", "/outside.json", "audio\\..\\x.json"]
)
def test_an_archive_that_would_write_outside_is_refused(tmp_path, server, name):
    with (
        serving({CORE: make_archive({"audio/a.wav": b"1", name: b"2"})}) as bad,
        pytest.raises(RecipeError, match="outside the data set's folder"),
    ):
        download(tmp_path / "root", ["core"], bad.url)
    assert contents(tmp_path / "root") == {"audio/a.wav": b"1"}
    assert [path.name for path in tmp_path.iterdir()] == ["root"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path, server, kind):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        member = tarfile.TarInfo("audio/link")
        member.type, member.linkname = kind, "/etc/passwd"
        tar.addfile(member)
    with (
        serving({CORE: buffer.getvalue()}) as bad,
        pytest.raises(RecipeError, match="'audio/link', which is neither a file nor a folder"),
    ):
        download(tmp_path, ["core"], bad.url)
    assert contents(tmp_path) == {}


def test_a_damaged_archive_is_named(tmp_path, server):
    whole = server.files[VALIDATION]
    with (
        serving({VALIDATION: whole[: len(whole) // 2]}) as bad,
        pytest.raises(RecipeError, match=r"validation.v1.0.tgz is damaged"),
    ):
        download(tmp_path, ["validation"], bad.url)
    assert not list(tmp_path.rglob("*.wav"))


def test_a_second_process_on_the_same_folder_is_refused(server, tmp_path):
    with (
        locks.hold(tmp_path / "downloads" / "download.lock"),
        pytest.raises(RecipeError, match=rf"process {os.getpid()} on .* is fetching data into"),
    ):
        download(tmp_path, ["core"], server.url)
    assert server.asked == []
    download(tmp_path, ["core"], server.url)


def test_names_that_the_record_does_not_have(server, tmp_path):
    with pytest.raises(RecipeError, match="no package test in the record: choose from core, val"):
        download(tmp_path, ["core", "test"], server.url)
    assert not list(tmp_path.iterdir())


def test_list_shows_names_and_sizes(server, capsys):
    main(["--list"], server.url)
    size = len(server.files[VALIDATION]) / 1e3
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(rf"core +\d\.\d kB  {re.escape(CORE)}", lines[0])
    assert lines[1] == f"validation   {size:.1f} kB  {VALIDATION}"


def test_without_a_network_there_is_one_line_with_the_address(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/api/records/13285307"
        with pytest.raises(SystemExit) as stop:
            main(["--root", str(tmp_path), "core"], url)
    assert stop.value.code == f"error: no answer from {url} (ConnectionError): is there a network?"
    assert capsys.readouterr().err == ""


def test_an_answer_that_is_no_record(server, tmp_path, monkeypatch):
    for record in ({"files": [{"key": "../a"}]}, {"message": "moved"}, []):
        monkeypatch.setattr(server, "record", lambda record=record: record)
        with pytest.raises(RecipeError, match="not with a record of Zenodo"):
            download(tmp_path, ["core"], server.url)


def test_the_address_is_that_of_the_challenge():
    assert module.RECORD_URL == "https://zenodo.org/api/records/13285307"


def test_without_pooch(monkeypatch, tmp_path):
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(SystemExit, match=r"pip install 'cadenza-icassp-2024\[download\]'"):
        main(["--root", str(tmp_path), "core"])


def test_a_file_in_the_place_of_the_folder_is_named(server, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit, match=r"^error: .*file"):
        main(["--root", str(tmp_path / "file"), "core"], server.url)
