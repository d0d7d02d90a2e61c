"""Scenes and their listeners: drawn as the peer draws them, and never written over by surprise."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.generate_dataset.config import as_generate_config, generate_config
from recipes.cad_icassp_2024.generate_dataset.generate_train_scenes import (
    choose_samples,
    generate_scene_listener,
    generate_scenes,
    run,
)
from tests.recipes.tiny_dataset import TinyDataset, make_tiny_dataset, read, write

PEER = json.loads((Path(__file__).parent / "peer_reference.json").read_text())


@pytest.fixture
def data(tmp_path: Path) -> TinyDataset:
    return make_tiny_dataset(tmp_path, n_songs=4, scenes=False, music=False, at_mic=False)


@pytest.mark.parametrize("counts", PEER["scenes"])
def test_scenes_are_byte_for_byte_the_peers(data: TinyDataset, counts: str) -> None:
    n_scenes, n_listeners = map(int, counts.split())
    run(
        generate_config(
            data.root,
            scene__number_scenes_per_song=n_scenes,
            scene_listener__number_listeners_per_scene=n_listeners,
        )
    )
    for name, text in PEER["scenes"][counts].items():
        assert (data.metadata / f"{name}.train.json").read_text() == text


@pytest.mark.shared
def test_scenes_of_cadenza_mini_come_out_byte_for_byte(cadenza_mini: Path, tmp_path: Path) -> None:
    shutil.copytree(cadenza_mini / "metadata", tmp_path / "metadata")
    names = ("scenes.train.json", "scene_listeners.train.json")
    for name in names:
        (tmp_path / "metadata" / name).unlink()
    run(generate_config(tmp_path))
    for name in names:
        drawn = (tmp_path / "metadata" / name).read_bytes()
        assert drawn == (cadenza_mini / "metadata" / name).read_bytes()


def test_the_peers_configuration_is_understood(data: TinyDataset) -> None:
    peer = OmegaConf.create(
        {
            "path": {
                "root": str(data.root),
                "metadata_dir": "${path.root}/metadata",
                "scene_file": "${path.metadata_dir}/scenes.train.json",
                "tracklist_file": "./musdb18_tracklist.csv",
            },
            "scene": {"number_scenes_per_song": 2},
            "hydra": {"job": {"chdir": True}},
        }
    )
    generate_scenes(peer)
    generate_scene_listener(peer)
    scenes = (data.metadata / "scenes.train.json").read_text()
    assert scenes == PEER["scenes"]["2 2"]["scenes"]
    listeners = (data.metadata / "scene_listeners.train.json").read_text()
    assert listeners == PEER["scenes"]["2 2"]["scene_listeners"]


def test_only_the_keys_that_are_used_need_to_be_there(data: TinyDataset) -> None:
    paths = {
        "metadata_dir": str(data.metadata),
        "gains_file": str(data.metadata / "gains.json"),
        "head_loudspeaker_positions_file": str(data.metadata / "head_loudspeaker_positions.json"),
    }
    generate_scenes(OmegaConf.create({"path": paths, "scene": {"number_scenes_per_song": 2}}))
    two = {"number_listeners_per_scene": 2}
    paths = {"metadata_dir": str(data.metadata)}
    generate_scene_listener(OmegaConf.create({"path": paths, "scene_listener": two}))
    for name, text in PEER["scenes"]["2 2"].items():
        assert (data.metadata / f"{name}.train.json").read_text() == text


def test_the_split_stands_in_every_name(tmp_path: Path) -> None:
    data = make_tiny_dataset(tmp_path, split="valid", scenes=False, music=False, at_mic=False)
    run(generate_config(data.root, path__split="valid", scene__number_scenes_per_song=1))
    assert set(read(data.metadata / "scenes.valid.json")) == {"scene_10001", "scene_10002"}
    assert (data.metadata / "scene_listeners.valid.json").is_file()


def test_a_root_in_the_home_folder(data: TinyDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(data.root.parent))
    monkeypatch.chdir(data.root)
    run(generate_config(f"~/{data.root.name}", scene__number_scenes_per_song=1))
    assert (data.metadata / "scenes.train.json").is_file()
    assert not (data.root / "~").exists()


def test_choose_samples_draws_what_numpy_draws_and_keeps_the_items() -> None:
    source = [{"item": index} for index in range(9)]
    np.random.seed(5)
    expected = np.random.choice(9, 4, replace=False)
    np.random.seed(5)
    assert choose_samples(source, 4) == [source[index] for index in expected]


@pytest.mark.parametrize("size", [3, 4])
def test_a_short_list_is_taken_whole_without_a_draw(size: int) -> None:
    np.random.seed(1)
    before = np.random.get_state()[2]
    assert choose_samples(["a", "b", "c"], size) == ["a", "b", "c"]
    assert np.random.get_state()[2] == before


def test_drawing_again_changes_nothing(data: TinyDataset) -> None:
    config = generate_config(data.root, scene__number_scenes_per_song=2)
    run(config)
    path = data.metadata / "scenes.train.json"
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    run(config)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def test_other_scenes_are_not_written_over(data: TinyDataset) -> None:
    run(generate_config(data.root, scene__number_scenes_per_song=2))
    path = data.metadata / "scenes.train.json"
    before = path.read_bytes()
    with pytest.raises(RecipeError, match=r"scenes\.train\.json.*overwrite=true"):
        run(generate_config(data.root, scene__number_scenes_per_song=1))
    assert path.read_bytes() == before
    run(generate_config(data.root, scene__number_scenes_per_song=1, overwrite=True))
    assert path.read_text() == PEER["scenes"]["1 1"]["scenes"]


def test_a_broken_scene_file_is_not_written_over(data: TinyDataset) -> None:
    path = data.metadata / "scenes.train.json"
    path.write_text('{"scene_10001": ')
    with pytest.raises(RecipeError, match="overwrite=true"):
        generate_scenes(generate_config(data.root, scene__number_scenes_per_song=1))
    assert path.read_text() == '{"scene_10001": '


def _remove(name: str):
    return lambda data: (data.metadata / name).unlink()


def _replace(name: str, content: object):
    return lambda data: write(data.metadata / name, content)


def _tracks(*tracks: object):
    return _replace("musdb18.train.json", list(tracks))


def _position(**changes: object):
    position = {"subject": "S", "mic": "M", "left_angle": -30, "right_angle": 30} | changes
    return _replace("head_loudspeaker_positions.json", {"hp_1": position})


BAD = {
    "no track list": (_remove("musdb18.train.json"), r"musdb18\.train\.json: no such file"),
    "no gains": (_remove("gains.json"), r"gains\.json: no such file; set path\.gains_file"),
    "no listeners": (_remove("listeners.train.json"), r"listeners\.train\.json: no such file"),
    "tracks no list": (_replace("musdb18.train.json", {"a": 1}), "holds an object"),
    "no tracks": (_tracks(), r"musdb18\.train\.json: has no entries"),
    "track no object": (_tracks("A"), "song 1: is a string"),
    "track without name": (
        _tracks({"Split": "train", "Path": "train/A"}),
        "song 1: lacks 'Track Name'",
    ),
    "track twice": (
        _tracks(*2 * [{"Track Name": "A", "Path": "train/A"}]),
        'song 2: "A" is there more than once',
    ),
    "track without folder": (_tracks({"Track Name": "A"}), "song 1: lacks 'Split'"),
    "track outside": (
        _tracks({"Track Name": "A", "Path": "../../etc/passwd"}),
        r"song 1: Path .*passwd.* leaves the data set",
    ),
    "left to the right": (
        _position(left_angle=30),
        "hp_1: left_angle is 30, but must be a number below 0",
    ),
    "angle a word": (_position(left_angle="x"), 'hp_1: left_angle is "x"'),
    "subject outside": (_position(subject="../S"), "hp_1: subject .*leaves the data set"),
}


@pytest.mark.parametrize("case", BAD)
def test_faults_of_the_metadata(data: TinyDataset, case: str) -> None:
    break_it, message = BAD[case]
    break_it(data)
    with pytest.raises(RecipeError, match=message):
        run(generate_config(data.root, scene__number_scenes_per_song=1))
    assert not (data.metadata / "scene_listeners.train.json").exists()


def test_more_scenes_than_head_positions(data: TinyDataset) -> None:
    message = "number_scenes_per_song=4, but there are only 3 head positions"
    with pytest.raises(RecipeError, match=message):
        generate_scenes(generate_config(data.root))


@pytest.mark.parametrize(
    "key",
    [
        "sample_rate",
        "n_workers",
        "scene__number_scenes_per_song",
        "scene_listener__number_listeners_per_scene",
    ],
)
def test_counts_below_one(data: TinyDataset, key: str) -> None:
    with pytest.raises(RecipeError, match=f"{key.replace('__', '.')}=0: must be 1 or more"):
        generate_config(data.root, **{key: 0})


def test_root_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"path\.root=.*nowhere does not exist"):
        generate_config(tmp_path / "nowhere")


def test_root_not_given() -> None:
    with pytest.raises(RecipeError, match=r"path\.root is not given"):
        as_generate_config(OmegaConf.create({"path": {}}))
