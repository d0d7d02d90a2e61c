"""The data set as it is read: order, batches, names on disk, signals, seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from hydra import compose, initialize_config_dir

import recipes.cad_icassp_2024.runs.command_line  # noqa: F401 - tells Hydra the schemas
from recipes.cad_icassp_2024.data.dataset import Dataset
from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.data.paths import CaseInsensitivePaths, DataPaths
from recipes.cad_icassp_2024.data.scenes import SONG_FILES, mixture_id, seed_for, set_song_seed
from tests.conftest import ROOT
from tests.recipes.tiny_dataset import TinyDataset, make_tiny_dataset, read, write


def data_paths(root: Path, *overrides: str) -> DataPaths:
    """Paths as the real configuration gives them."""
    with initialize_config_dir(str(ROOT / "config"), version_base="1.3"):
        return DataPaths.from_config(compose("config", [f"path.root='{root}'", *overrides]).path)


def load(root: Path, *overrides: str) -> Dataset:
    return Dataset.load(data_paths(root, *overrides))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> TinyDataset:
    return make_tiny_dataset(tmp_path_factory.mktemp("tiny"), seconds=0.5, music=False)


@pytest.fixture
def data(template: TinyDataset, tmp_path: Path) -> TinyDataset:
    return template.copied_to(tmp_path / "cadenza data")


def test_scenes_listeners_and_pairs(data: TinyDataset) -> None:
    dataset = load(data.root)
    assert list(dataset.scenes) == [f"scene_{n}" for n in (10001, 10002, 10003, 10004)]
    scene = dataset.scenes["scene_10003"]
    assert (scene.song, scene.head_position, scene.gain_id) == ("Song B", "hp_0003", "gain_0003")
    assert scene.gains_db == {"vocals": 0, "drums": -10, "bass": 0, "other": 3}
    assert scene.mixture_id == mixture_id("Song B", "hp_0003") == "Song B-hp_0003"
    expected = [f"{s}_{name}" for s, names in data.scene_listeners.items() for name in names]
    assert [pair.id for pair in dataset.pairs] == expected
    listener = dataset.pairs[0].listener
    assert listener.id == "L0001"
    assert listener.audiogram_left.levels.tolist() == [10, 10, 12, 15, 20, 25, 30, 30]
    assert listener.audiogram_right.levels.tolist() == [12, 12, 14, 17, 22, 27, 32, 32]
    assert listener.audiogram_right.frequencies[-1] == 8000


def test_pairs_follow_the_file_of_scene_listeners(data: TinyDataset) -> None:
    path = data.metadata / "scene_listeners.train.json"
    write(path, dict(reversed(read(path).items())))
    dataset = load(data.root)
    assert [pair.scene.id for pair in dataset.pairs[::2]] == list(reversed(data.scenes))
    assert list(dataset.scenes) == list(data.scenes)


def test_listeners_are_known_by_their_key_not_their_name(data: TinyDataset) -> None:
    path = data.metadata / "listeners.train.json"
    listeners = read(path)
    del listeners["L0001"]["name"]
    listeners["L0002"]["name"] = "somebody"
    write(path, listeners)
    assert set(load(data.root).listeners) == {"L0001", "L0002", "L0003"}


def test_batches_are_dealt_out_and_small_test_comes_first(tmp_path: Path) -> None:
    data = make_tiny_dataset(
        tmp_path,
        n_songs=10,
        n_scenes_per_song=3,
        n_listeners_per_scene=3,
        music=False,
        at_mic=False,
    )
    dataset = load(data.root)
    assert len(dataset.pairs) == 90
    batches = [dataset.select(batch, 4) for batch in range(4)]
    assert batches[1] == list(dataset.pairs[1::4])
    assert sorted(pair.id for batch in batches for pair in batch) == sorted(
        pair.id for pair in dataset.pairs
    )
    assert dataset.select(small_test=True) == list(dataset.pairs[::15])
    assert dataset.select(1, 2, small_test=True) == [dataset.pairs[n] for n in (15, 45, 75)]
    for batch, n_batches in ((4, 4), (-1, 4), (0, 0)):
        with pytest.raises(RecipeError, match=f"no batch {batch} of {n_batches}"):
            dataset.select(batch, n_batches)


def test_the_split_switches_every_name(tmp_path: Path) -> None:
    data = make_tiny_dataset(tmp_path, split="valid", seconds=0.5, music=False)
    dataset = load(data.root, "path.split=valid")
    assert dataset.check_audio(dataset.pairs, SONG_FILES) == []
    folder = data.root / "audio" / "at_mic_music" / "valid" / "Song A-hp_0001"
    assert dataset.music_file(dataset.pairs[0].scene, "bass") == folder / "bass.wav"


@pytest.mark.parametrize("with_listing", [True, False])
def test_music_is_found_with_and_without_its_listing(data: TinyDataset, with_listing: bool) -> None:
    listing = data.metadata / "at_mic_music.train.json"
    if with_listing:
        entries = read(listing)
        for name, entry in entries.items():
            entry["Path"] = f"elsewhere/{name}"
        write(listing, entries)
        data.at_mic_folder("").rename(data.root / "audio" / "at_mic_music" / "elsewhere")
    else:
        listing.unlink()
    dataset = load(data.root)
    assert dataset.check_audio(dataset.pairs, SONG_FILES) == []
    folder = "elsewhere" if with_listing else "train"
    assert dataset.music_file(dataset.pairs[0].scene, "mixture").parts[-3] == folder


@pytest.mark.parametrize("positions", ["head_positions.json", None])
def test_head_positions_under_their_other_name_or_not_at_all(
    data: TinyDataset, positions: str | None
) -> None:
    path = data.metadata / "head_loudspeaker_positions.json"
    path.rename(path.with_name(positions)) if positions else path.unlink()
    dataset = load(data.root)
    assert len(dataset.pairs) == 8
    if positions:
        assert dataset.paths.head_positions_file.name == positions


def test_capital_letters_on_disk(data: TinyDataset) -> None:
    plain = load(data.root)
    expected = plain.read_music(plain.pairs[0].scene, "drums", 44100)
    data.at_mic_folder("").rename(data.root / "audio" / "at_mic_music" / "Train")
    for path in list((data.root / "audio" / "at_mic_music").rglob("*.wav")):
        path.rename(path.with_name(path.name.capitalize()))
    dataset = load(data.root)
    assert dataset.check_audio(dataset.pairs, SONG_FILES) == []
    scene = dataset.pairs[0].scene
    assert dataset.music_file(scene, "drums").parts[-3:] == ("Train", "Song A-hp_0001", "Drums.wav")
    assert np.array_equal(dataset.read_music(scene, "drums", 44100), expected)


def test_the_exact_name_wins_over_another_spelling(tmp_path: Path) -> None:
    (tmp_path / "Bass.wav").write_text("capital")
    (tmp_path / "bass.wav").write_text("plain")
    assert CaseInsensitivePaths().find(tmp_path / "bass.wav").read_text() == "plain"
    assert CaseInsensitivePaths().find(tmp_path / "Bass.wav").read_text() == "capital"
    assert CaseInsensitivePaths().find(tmp_path / "drums.wav") == tmp_path / "drums.wav"


@pytest.mark.parametrize("with_listing", [True, False])
def test_a_missing_song_is_not_found_under_the_name_of_another(
    data: TinyDataset, with_listing: bool
) -> None:
    scenes = read(data.metadata / "scenes.train.json")
    scenes["scene_10003"] |= {"music": "SONG A", "head_loudspeaker_positions": "hp_0001"}
    write(data.metadata / "scenes.train.json", scenes)
    listing = data.metadata / "at_mic_music.train.json"
    if with_listing:
        write(listing, read(listing) | {"SONG A-hp_0001": {"Path": "train/SONG A-hp_0001"}})
    else:
        listing.unlink()
    music = data.root / "audio" / "at_mic_music"
    for split in ("train", "Train"):  # which is spelt otherwise on disk, as the challenge does
        problems = "\n".join(load(data.root).check_audio(load(data.root).pairs, SONG_FILES))
        assert "SONG A-hp_0001: no such folder" in problems
        assert "Song A-hp_0001" not in problems
        if split == "train":
            (music / "train").rename(music / "Train")
    (music / "Train" / "Song A-hp_0001").rename(music / "Train" / "SONG A-hp_0001")
    problems = "\n".join(load(data.root).check_audio(load(data.root).pairs, SONG_FILES))
    assert "Song A-hp_0001: no such folder" in problems
    assert "SONG A-hp_0001" not in problems
    (music / "Train" / "SONG A-hp_0001").rename(music / "Train" / "song a-hp_0001")
    problems = "\n".join(load(data.root).check_audio(load(data.root).pairs, SONG_FILES))
    for song in ("Song A", "SONG A"):  # nobody can tell whose folder it is
        assert f"{song}-hp_0001: no such folder" in problems


def test_accents_however_they_are_composed(tmp_path: Path) -> None:
    (tmp_path / "Cafe\u0301").mkdir()
    assert CaseInsensitivePaths().find(tmp_path / "Caf\u00e9").is_dir()


def test_a_linked_folder_is_followed(data: TinyDataset, tmp_path: Path) -> None:
    music = data.root / "audio" / "at_mic_music"
    music.rename(tmp_path / "big disk")
    music.symlink_to(tmp_path / "big disk")
    dataset = load(data.root)
    assert dataset.check_audio(dataset.pairs, SONG_FILES) == []


def test_relative_root_and_home(data: TinyDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(data.root.parent)
    monkeypatch.setenv("HOME", str(data.root.parent))
    for root in ("cadenza data", "~/cadenza data", "./cadenza data/"):
        dataset = load(Path(root))
        assert dataset.check_audio(dataset.pairs, ["mixture"]) == []


def test_signals_are_read_as_they_are(data: TinyDataset) -> None:
    dataset = load(data.root)
    scene = dataset.pairs[0].scene
    signal = dataset.read_music(scene, "vocals", 44100)
    integers, _ = soundfile.read(dataset.music_file(scene, "vocals"), dtype="int16")
    assert signal.dtype == np.float64
    assert np.array_equal(signal, integers / 32768)
    assert signal.shape == (22050, 2)


def test_music_that_changes_while_others_read_it_is_an_error(data: TinyDataset) -> None:
    dataset = load(data.root)
    scene = dataset.pairs[0].scene
    path = dataset.music_file(scene, "drums")
    with dataset.reading(scene, SONG_FILES):
        path.read_bytes()
    changed = pytest.raises(RecipeError, match=r"drums\.wav: was changed while this run went on")
    with changed, dataset.reading(scene, SONG_FILES):
        path.write_bytes(path.read_bytes() + b"\0")


def test_files_that_agree_on_another_rate_are_resampled(tmp_path: Path) -> None:
    data = make_tiny_dataset(tmp_path, seconds=0.5, sample_rate=32000, music=False)
    dataset = load(data.root)
    assert dataset.check_audio(dataset.pairs, SONG_FILES) == []
    scene = dataset.pairs[0].scene
    original, _ = soundfile.read(dataset.music_file(scene, "bass"))
    signal = dataset.read_music(scene, "bass", 44100)
    assert np.array_equal(signal, soxr.resample(original, 32000, 44100, quality="HQ"))
    assert signal.shape == (22050, 2)


def test_each_header_is_read_once(data: TinyDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = load(data.root)
    real, asked = soundfile.info, []
    monkeypatch.setattr(soundfile, "info", lambda path: asked.append(path) or real(path))
    dataset.check_audio(dataset.pairs, ["mixture", "bass"])
    assert len(asked) == len(set(asked)) == 2 * len(data.mixtures)


def test_seeds_are_the_peers(small: dict[str, Any]) -> None:
    for text, expected in small["seeds"].items():
        assert seed_for(text) == expected["seed"]
        set_song_seed(text)
        assert np.random.standard_normal(3).tolist() == expected["first_normals"]


@pytest.mark.shared
def test_cadenza_mini(cadenza_mini: Path) -> None:
    dataset = load(cadenza_mini)
    assert [pair.id for pair in dataset.pairs][:3] == [
        "scene_10001_L0036",
        "scene_10001_L0091",
        "scene_10002_L0040",
    ]
    assert dataset.scenes["scene_10001"].gains_db["vocals"] == -3
