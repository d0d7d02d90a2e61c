"""The demo data: complete, in the challenge's layout, made once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("av", reason="the extra demo is not installed")

from clarity.utils.audiogram import STANDARD_AUDIOGRAMS
from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.data.scenes import SONG_FILES
from recipes.cad_icassp_2024.generate_dataset import make_demo_data as demo
from tests.recipes.test_dataset import load


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "cadenza_data"
    demo.make_demo_data(folder)
    return folder


def test_the_baseline_takes_it(root: Path) -> None:
    dataset = load(root)
    assert len(dataset.pairs) == 8
    assert dataset.check_audio(dataset.pairs, SONG_FILES) == []
    assert {pair.listener.id for pair in dataset.pairs} >= {"N2", "N4", "S2"}
    assert dataset.listeners["N2-S2"].audiogram_right == STANDARD_AUDIOGRAMS["S2"]
    assert dataset.listeners["N2-S2"].audiogram_left == STANDARD_AUDIOGRAMS["N2"]
    assert len({scene.mixture_id for scene in dataset.scenes.values()}) == 4


def test_stems_are_in_their_places(root: Path) -> None:
    folder = root / "audio" / "music" / "train" / demo.SONG
    signals = {name: soundfile.read(folder / f"{name}.wav")[0] for name in SONG_FILES}
    assert all(signal.shape == (268288, 2) for signal in signals.values())
    total = sum(signals[name] for name in SONG_FILES[1:])
    error = np.sum((total - signals["mixture"]) ** 2) / np.sum(signals["mixture"] ** 2)
    assert error < 0.05  # the mixture went through a limiter
    # What each stem has below 200 Hz tells them apart.
    low = {}
    for name in SONG_FILES[1:]:
        power = np.abs(np.fft.rfft(signals[name].mean(axis=1))) ** 2
        low[name] = power[: round(200 / 44100 * 268288)].sum() / power.sum()
    assert sorted(low, key=low.get) == ["vocals", "other", "bass", "drums"]


@pytest.mark.shared
def test_stems_are_those_of_the_reference_data(root: Path, cadenza_mini: Path) -> None:
    for name in SONG_FILES:
        part = Path("audio") / "music" / "train" / demo.SONG / f"{name}.wav"
        made, _ = soundfile.read(root / part, dtype="int16")
        reference, _ = soundfile.read(cadenza_mini / part, dtype="int16")
        assert np.abs(made.astype(int) - reference).max() <= 2


def all_but_digests(root: Path) -> dict[Path, bytes]:
    """All files, without what is remembered of them once they have been left alone for a while."""
    paths = (path for path in root.rglob("*") if path.is_file())
    return {path: path.read_bytes() for path in paths if not path.match("records/contents-*")}


def test_making_it_again_changes_no_byte(root: Path) -> None:
    before = all_but_digests(root)
    stamps = {path: path.stat().st_mtime_ns for path in root.rglob("*.wav")}
    demo.make_demo_data(root)
    assert all_but_digests(root) == before
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*.wav")} == stamps


def test_attribution_is_written_and_printed(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["make_demo_data", "--root", str(root)])
    demo.main()
    printed = capsys.readouterr().out
    for words in ("The Easton Ellises", "CC BY-NC-SA 3.0", "Brown and", "Bisgaard"):
        assert words in printed
    assert (root / "ATTRIBUTION.txt").read_text() in printed


def test_another_data_set_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "metadata").mkdir()
    monkeypatch.setattr("sys.argv", ["make_demo_data", "--root", str(tmp_path)])
    with pytest.raises(SystemExit) as stop:
        demo.main()
    assert stop.value.code == 1
    assert "holds another data set" in capsys.readouterr().err
    assert list(tmp_path.rglob("*")) == [tmp_path / "metadata"]


def test_without_stempeg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(RecipeError, match=r"pip install 'cadenza-icassp-2024\[demo\]'"):
        demo.example_stems_file()


def test_a_file_in_the_place_of_the_folder_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr("sys.argv", ["make_demo_data", "--root", str(tmp_path / "file")])
    with pytest.raises(SystemExit, match=r"cannot write the demo data: .*file.*; choose another"):
        demo.main()
