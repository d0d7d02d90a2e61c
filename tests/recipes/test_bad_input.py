"""Everything that can be wrong with the data: a message that says what and where, exit code 1."""

from __future__ import annotations

import json
import logging
import pickle
import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile
from hydra.core.singleton import Singleton

from recipes.cad_icassp_2024.baseline import enhance
from recipes.cad_icassp_2024.data.dataset import Dataset
from recipes.cad_icassp_2024.data.errors import MAX_LINES_PER_KIND, RecipeError
from recipes.cad_icassp_2024.data.scenes import SONG_FILES
from tests.recipes.test_dataset import data_paths, load
from tests.recipes.tiny_dataset import TinyDataset, make_tiny_dataset, read, write

Break = Callable[[TinyDataset], object]

GAINS, LISTENERS, SCENES = "gains.json", "listeners.train.json", "scenes.train.json"
SCENE_LISTENERS, AT_MIC = "scene_listeners.train.json", "at_mic_music.train.json"
POSITIONS = "head_loudspeaker_positions.json"
DELETE = object()


# --- ways to break a data set -----------------------------------------------------------------


def text(name: str, content: str | bytes) -> Break:
    """Put other content into a metadata file."""
    content = content.encode() if isinstance(content, str) else content
    return lambda data: (data.metadata / name).write_bytes(content)


def entry(name: str, *keys: str | int, value: object = DELETE) -> Break:
    """Change or delete what stands at a place in a metadata file."""

    def change(data: TinyDataset) -> None:
        content = read(data.metadata / name)
        place = content
        for key in keys[:-1]:
            place = place[key]
        if value is DELETE:
            del place[keys[-1]]
        else:
            place[keys[-1]] = value
        write(data.metadata / name, content)

    return change


def twice(name: str, entry_id: str) -> Break:
    """Write an entry a second time under the same key."""

    def change(data: TinyDataset) -> None:
        path = data.metadata / name
        again = json.dumps({entry_id: read(path)[entry_id]})[1:-1]
        path.write_text(path.read_text().rstrip()[:-1] + f",\n{again}}}")

    return change


def remove(name: str) -> Break:
    return lambda data: (data.metadata / name).unlink()


def folder_instead(name: str) -> Break:
    def change(data: TinyDataset) -> None:
        (data.metadata / name).unlink()
        (data.metadata / name).mkdir()

    return change


def ids_that_collide(data: TinyDataset) -> None:
    scenes = read(data.metadata / SCENES)
    listeners = read(data.metadata / LISTENERS)
    scenes |= {"a_b": scenes["scene_10001"], "a": scenes["scene_10001"]}
    listeners |= {"c": listeners["L0001"], "b_c": listeners["L0001"]}
    write(data.metadata / SCENES, scenes)
    write(data.metadata / LISTENERS, listeners)
    both = read(data.metadata / SCENE_LISTENERS) | {"a_b": ["c"], "a": ["b_c"]}
    write(data.metadata / SCENE_LISTENERS, both)


def songs_that_collide(data: TinyDataset) -> None:
    """``Song A`` at ``x-hp_0001`` and ``Song A-x`` at ``hp_0001``."""
    scenes = read(data.metadata / SCENES)
    scenes["scene_10001"] |= {"music": "Song A", "head_loudspeaker_positions": "x-hp_0001"}
    scenes["scene_10002"] |= {"music": "Song A-x", "head_loudspeaker_positions": "hp_0001"}
    write(data.metadata / SCENES, scenes)


def audio(name: str, change: Callable[[Path], object]) -> Break:
    """Change one file of the first song."""
    return lambda data: change(data.at_mic_folder("Song A-hp_0001") / f"{name}.wav")


def signal(values: np.ndarray, rate: int = 44100) -> Callable[[Path], object]:
    return lambda path: soundfile.write(path, values, rate, subtype="FLOAT", format="WAV")


def spoilt(value: float) -> Callable[[Path], object]:
    def change(path: Path) -> None:
        samples, rate = soundfile.read(path)
        samples[1000, 1] = value
        soundfile.write(path, samples, rate, subtype="FLOAT", format="WAV")

    return change


def cut(n_bytes: int) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(path.read_bytes()[:n_bytes])


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


NOISE = 0.1 * np.random.default_rng(0).standard_normal((22050, 3))

gain = partial(entry, GAINS, "gain_0001")
listener = partial(entry, LISTENERS, "L0001")
scene = partial(entry, SCENES, "scene_10001")
hearers = partial(entry, SCENE_LISTENERS, "scene_10001")
position = partial(entry, POSITIONS, "hp_0001")
at_mic = partial(entry, AT_MIC, "Song A-hp_0001")

METADATA: dict[str, tuple[Break, str]] = {
    # files
    "gains: missing": (remove(GAINS), r"gains\.json: no such file; set path\.gains_file=\.\.\."),
    "gains: a folder": (folder_instead(GAINS), r"gains\.json: cannot be read \(Is a directory\)"),
    "gains: empty": (text(GAINS, ""), r"gains\.json: not valid JSON at line 1, column 1"),
    "gains: cut off": (text(GAINS, '{\n  "gain_1": {'), r"not valid JSON at line 2, column 14"),
    "gains: Latin-1": (text(GAINS, b'{"caf\xe9": 1}'), r"gains\.json: not UTF-8 text at byte 5"),
    "gains: a pickle": (text(GAINS, pickle.dumps({"a": 1})), r"gains\.json: not (UTF-8|valid)"),
    "gains: too deep": (text(GAINS, "[" * 100_000), r"gains\.json: nested too deeply"),
    "gains: a list": (text(GAINS, "[1]"), r"gains\.json: holds a list, but must hold an object"),
    "gains: null": (text(GAINS, "null"), r"gains\.json: holds null"),
    "gains: a word": (text(GAINS, '"x"'), r"gains\.json: holds a string"),
    "gains: a number": (text(GAINS, "1"), r"gains\.json: holds a number"),
    "gains: thousands of digits": (text(GAINS, "1" * 9999), r"gains\.json: not usable: .*digits"),
    "gains: no entries": (text(GAINS, "{}"), r"gains\.json: has no entries"),
    "listeners: missing": (remove(LISTENERS), r"listeners\.train\.json: no such file"),
    "listeners: broken": (text(LISTENERS, "{,}"), r"listeners.* at line 1, column 2"),
    "listeners: a list": (text(LISTENERS, "[]"), r"listeners\.train\.json: holds a list"),
    "listeners: no entries": (text(LISTENERS, "{}"), r"listeners\.train\.json: has no entries"),
    "scenes: missing": (remove(SCENES), r"scenes\.train\.json: no such file"),
    "scenes: broken": (text(SCENES, "{'a': 1}"), r"/scenes\.train\.json: not valid JSON"),
    "scenes: a list": (text(SCENES, "[]"), r"/scenes\.train\.json: holds a list"),
    "scenes: no entries": (text(SCENES, "{}"), r"/scenes\.train\.json: has no entries"),
    "scene listeners: missing": (remove(SCENE_LISTENERS), r"scene_listeners.*: no such file"),
    "scene listeners: broken": (text(SCENE_LISTENERS, "{"), r"scene_listeners.*: not valid JSON"),
    "scene listeners: a list": (text(SCENE_LISTENERS, "[1]"), r"scene_listeners.*: holds a list"),
    "scene listeners: no entries": (text(SCENE_LISTENERS, "{}"), r"scene_list.*: has no entries"),
    "at-mic: broken": (text(AT_MIC, "{"), r"at_mic_music\.train\.json: not valid JSON at line 1"),
    "at-mic: a list": (text(AT_MIC, "[1]"), r"at_mic_music\.train\.json: holds a list"),
    "positions: broken": (text(POSITIONS, "{"), r"positions\.json: not valid JSON at line 1"),
    # gains
    "gain: stem missing": (gain("bass"), "gain_0001: lacks 'bass'"),
    "gain: a word": (
        gain("bass", value="loud"),
        r'gain_0001: bass is "loud", but must be a number from -300 to 300 \(dB\)',
    ),
    "gain: null": (gain("bass", value=None), "bass is null"),
    "gain: true": (gain("bass", value=True), "bass is true"),
    "gain: half a character": (
        gain("bass", value="\ud83d"),
        r'gain_0001: bass is "\\ud83d", but must be a number',
    ),
    "gain: NaN": (gain("bass", value=np.nan), "bass is NaN"),
    "gain: infinite": (gain("bass", value=np.inf), "bass is Infinity"),
    "gain: beyond reason": (gain("bass", value=1e308), "bass is 1e\\+308"),
    "gain: too large": (gain("bass", value=10**400), "bass is 1000"),
    "gain: a list": (gain("bass", value=[1]), r"bass is \[1\]"),
    "gain: unknown stem": (
        gain("piano", value=1),
        'gain_0001: holds "piano", which is unknown; remove it',
    ),
    "gain: set a list": (
        gain(value=[0, 0, 0, 0]),
        "gain_0001: is a list, but must be an object with vocals, drums, bass, other",
    ),
    "gain: twice": (twice(GAINS, "gain_0001"), r"gain_0001: is there more than once"),
    # listeners
    "listener: no frequencies": (
        listener("audiogram_cfs"),
        r"listeners\.train\.json: L0001: lacks 'audiogram_cfs'; add it",
    ),
    "listener: one ear": (listener("audiogram_levels_r"), "L0001: lacks 'audiogram_levels_r'"),
    "listener: lengths": (
        listener("audiogram_levels_l", 7),
        r"L0001: audiogram_cfs and audiogram_levels_l make no audiogram: .*\(7\).*\(8\)",
    ),
    "listener: not ascending": (
        listener("audiogram_cfs", 3, value=700),
        "L0001: audiogram_cfs and audiogram_levels_l make no audiogram: .*ascending",
    ),
    "listener: repeated": (listener("audiogram_cfs", 3, value=1000), "make no audiogram: .*unique"),
    "listener: zero frequency": (
        listener("audiogram_cfs", 0, value=0),
        "make no audiogram: .*above 0 Hz",
    ),
    "listener: frequencies no list": (
        listener("audiogram_cfs", value=1000),
        "L0001: audiogram_cfs is a number, but must be a list",
    ),
    "listener: no levels": (
        listener("audiogram_levels_l", value=[]),
        "L0001: audiogram_levels_l is empty",
    ),
    "listener: level a word": (
        listener("audiogram_levels_r", 2, value="35"),
        r'L0001: entry 3 of audiogram_levels_r is "35", but must be a number from -30 to',
    ),
    "listener: level null": (
        listener("audiogram_levels_r", 2, value=None),
        "entry 3 of audiogram_levels_r is null",
    ),
    "listener: level NaN": (
        listener("audiogram_levels_r", 2, value=np.nan),
        "entry 3 of audiogram_levels_r is NaN",
    ),
    "listener: level impossible": (
        listener("audiogram_levels_r", 2, value=450),
        "L0001: entry 3 of audiogram_levels_r is 450, but must be a number from -30 to 150",
    ),
    "listener: a list": (listener(value=[1]), "L0001: is a list, but must be"),
    "listener: twice": (twice(LISTENERS, "L0001"), "L0001: is there more than once"),
    "listener: id with a slash": (
        entry(LISTENERS, "a/b", value={}),
        'id "a/b" cannot be part of a file name',
    ),
    "listener: id leaves": (entry(LISTENERS, "../x", value={}), "leaves the data set by '..'"),
    "listener: id absolute": (entry(LISTENERS, "/x", value={}), 'id "/x" is an absolute path'),
    "listener: id too long": (entry(LISTENERS, "\u00e9" * 51, value={}), "longer than 100 bytes"),
    "listener: id of two lines": (entry(LISTENERS, "a\nb", value={}), "has control characters"),
    "listener: id with a colon": (
        entry(LISTENERS, "a:b", value={}),
        'id "a:b" cannot be part of a file name; take out the colons',
    ),
    "listener: id with half a character": (
        entry(LISTENERS, "L\ud83d", value={}),
        r'id "L\\ud83d" has half a character \(a lone surrogate\)',
    ),
    "listener: id empty": (entry(LISTENERS, "", value={}), "id is empty"),
    # scenes
    "scene: no song": (scene("music"), "scene_10001: lacks 'music'; add it"),
    "scene: no gain": (scene("gain"), "scene_10001: lacks 'gain'"),
    "scene: no position": (
        scene("head_loudspeaker_positions"),
        "scene_10001: lacks 'head_loudspeaker_positions'",
    ),
    "scene: song a number": (scene("music", value=7), "scene_10001: music 7 is not a string"),
    "scene: song leaves": (
        scene("music", value="../../etc/passwd"),
        r'scene_10001: music "\.\./\.\./etc/passwd" leaves the data set by',
    ),
    "scene: song absolute": (
        scene("music", value="/etc/passwd"),
        'music "/etc/passwd" is an absolute path',
    ),
    "scene: song on a drive": (scene("music", value="C:\\music"), "is an absolute path"),
    "scene: song leaves backwards": (scene("music", value="..\\..\\x"), "leaves the data set by"),
    "scene: position leaves": (
        scene("head_loudspeaker_positions", value="x/../../.."),
        "head_loudspeaker_positions .* leaves the data set by",
    ),
    "scene: id leaves": (entry(SCENES, "../s", value={}), r'id "\.\./s" leaves the data set by'),
    "scene: song longer than a file name": (
        scene("music", value="\u00e9" * 128),
        "scene_10001: music .* is longer than the 255 bytes of a file name",
    ),
    "scene: folder longer than a file name": (
        scene("music", value="x" * 250),
        "scene_10001: the folder .* is longer than the 255 bytes of a file name",
    ),
    "scene: one folder for two songs": (
        songs_that_collide,
        "scene_10001 and scene_10002 would share the folder 'Song A-x-hp_0001', but not the song",
    ),
    "scene: a word": (scene(value="x"), "scene_10001: is a string, but must be"),
    "scene: twice": (twice(SCENES, "scene_10001"), "scene_10001: is there more than once"),
    "scene: unknown gain": (
        scene("gain", value="gain_9999"),
        r"/scenes\.train\.json: scene_10001: gain 'gain_9999' is not in .*gains\.json; correct",
    ),
    "scene: unknown position": (
        scene("head_loudspeaker_positions", value="hp_9999"),
        r"scene_10001: head position 'hp_9999' is not in .*head_loudspeaker_positions\.json",
    ),
    "scene: unknown song": (
        scene("music", value="Song Z"),
        r"scene_10001: at-mic song 'Song Z-hp_0001' is not in .*at_mic_music\.train\.json",
    ),
    # listeners of scenes
    "pairs: scene without listeners": (
        hearers(),
        "scene_10001: has no listeners; add them or remove the scene",
    ),
    "pairs: empty list": (hearers(value=[]), "scene_10001: has no listeners; name at least one"),
    "pairs: a word": (hearers(value="L0001"), "scene_10001: is a string, but must be a list"),
    "pairs: an object": (hearers(value={}), "is an object, but"),
    "pairs: listener a number": (hearers(value=[1]), "scene_10001: entry 1 1 is not a string"),
    "pairs: listener leaves": (
        hearers(value=["../../L"]),
        "scene_10001: entry 1 .* leaves the data set",
    ),
    "pairs: unknown listener": (
        hearers(0, value="L9999"),
        r"scene_10001: listener 'L9999' is not in .*listeners\.train\.json; correct the id",
    ),
    "pairs: listener twice": (
        hearers(value=["L0001", "L0001"]),
        'scene_10001: names listener "L0001" more than once',
    ),
    "pairs: unknown scene": (
        entry(SCENE_LISTENERS, "scene_9", value=["L0001"]),
        r"scene_9: there is no such scene in .*/scenes\.train\.json",
    ),
    "pairs: scene twice": (twice(SCENE_LISTENERS, "scene_10001"), "is there more than once"),
    "pairs: one file name": (ids_that_collide, "a with b_c and a_b with c would share a file name"),
    # at-mic music and head positions
    "at-mic: Path leaves": (
        at_mic("Path", value="../../etc/passwd"),
        r"at_mic_music\.train\.json: Song A-hp_0001: Path .* leaves the data set by",
    ),
    "at-mic: Path absolute": (
        at_mic("Path", value="/etc"),
        'Song A-hp_0001: Path "/etc" is an absolute path',
    ),
    "at-mic: Path a number": (at_mic("Path", value=3), "Song A-hp_0001: Path 3 is not a string"),
    "at-mic: a word": (at_mic(value="x"), "hp_0001: is a string, but"),
    "at-mic: one Path for two songs": (
        entry(AT_MIC, "Song A-hp_0002", "Path", value="train/Song A-hp_0001"),
        "Song A-hp_0001 and Song A-hp_0002 have the same Path, 'train/Song A-hp_0001'; correct one",
    ),
    "at-mic: no place": (at_mic(value={"Split": "train"}), "Song A-hp_0001: lacks 'Track Name'"),
    "position: no microphone": (position("mic"), "hp_0001: lacks 'mic'"),
    "position: angle NaN": (
        position("left_angle", value=np.nan),
        r"hp_0001: left_angle is NaN, but must be a number below 0 \(degrees\)",
    ),
}

AUDIO: dict[str, tuple[Break, str]] = {
    "song missing": (
        lambda data: shutil.rmtree(data.at_mic_folder("Song A-hp_0001")),
        "Song A-hp_0001: no such folder",
    ),
    "stem missing": (audio("bass", Path.unlink), r"hp_0001/bass\.wav: no such file"),
    "mixture missing": (audio("mixture", Path.unlink), r"hp_0001/mixture\.wav: no such file"),
    "a folder": (audio("bass", directory), r"bass\.wav: cannot be read as audio"),
    "no bytes": (audio("bass", cut(0)), r"bass\.wav: is empty \(0 bytes\)"),
    "no samples": (
        audio("bass", signal(np.zeros((0, 2)))),
        r"bass\.wav: (holds no samples|cannot be read as audio)",
    ),
    "cut in the header": (audio("bass", cut(30)), r"bass\.wav: cannot be read as audio \(.+\)"),
    "cut in the samples": (audio("bass", cut(9000)), r"bass\.wav: is cut short by \d+ bytes"),
    "no audio": (
        audio("bass", lambda path: path.write_text("not music " * 100)),
        r"bass\.wav: cannot be read as audio \(.+\); generate or download it again",
    ),
    "a pickle": (
        audio("bass", lambda path: path.write_bytes(pickle.dumps(NOISE))),
        r"bass\.wav: cannot be read as audio",
    ),
    "mono": (audio("bass", signal(NOISE[:, 0])), r"bass\.wav: has 1 channel\(s\), but must be st"),
    "mono mixture": (audio("mixture", signal(NOISE[:, 0])), r"mixture\.wav: has 1 channel\(s\)"),
    "three channels": (audio("bass", signal(NOISE)), r"bass\.wav: has 3 channel\(s\)"),
    "shorter": (
        audio("bass", signal(NOISE[:-1, :2])),
        r"bass\.wav: has 22049 samples, but .*mixture\.wav has 22050; all files of a song must",
    ),
    "other rate": (
        audio("bass", signal(NOISE[:, :2], 48000)),
        r"bass\.wav: has 48000 Hz, but .*mixture\.wav has 44100 Hz; all files of a song must",
    ),
    "NaN": (
        audio("bass", spoilt(np.nan)),
        r"bass\.wav: holds NaN or infinity in 1 samples, the first at sample 1000",
    ),
    "NaN in the mixture": (audio("mixture", spoilt(np.nan)), r"mixture\.wav: holds NaN"),
    "infinity": (audio("bass", spoilt(-np.inf)), r"bass\.wav: holds NaN or infinity"),
}

ONLY_WHEN_READ = {"NaN", "NaN in the mixture", "infinity"}
"""What no header tells."""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> TinyDataset:
    return make_tiny_dataset(tmp_path_factory.mktemp("tiny"), seconds=0.5, music=False)


@pytest.fixture
def data(template: TinyDataset, tmp_path: Path) -> TinyDataset:
    return template.copied_to(tmp_path / "data")


@pytest.fixture
def script(
    data: TinyDataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
):
    """Run a script of the baseline as its command line does; give exit code and output."""
    root_logger = logging.getLogger()
    kept = Singleton.get_state(), root_logger.handlers[:], root_logger.level

    def run(module: ModuleType, *arguments: str) -> tuple[object, str]:
        exp_folder = f"path.exp_folder={tmp_path}/exp"
        argv = [str(module.__file__), f"path.root={data.root}", exp_folder, *arguments]
        monkeypatch.setattr("sys.argv", argv)
        monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
        capfd.readouterr()
        try:
            module.main()
            code: object = 0
        except SystemExit as stop:
            code = stop.code
        printed = capfd.readouterr()
        return code, printed.out + printed.err

    yield run
    Singleton.set_state(kept[0])
    root_logger.handlers[:] = kept[1]
    root_logger.setLevel(kept[2])


def expect_message(code: object, output: str, message: str, folder: Path) -> None:
    assert code == 1, output
    assert re.search(message, output), output
    assert "Traceback" not in output
    written = [path for path in (folder / "exp").rglob("*") if path.is_file()]
    assert not [path for path in written if path.suffix == ".flac" or ".tmp" in path.name]


@pytest.mark.parametrize("case", METADATA)
def test_metadata(case: str, data: TinyDataset, script, tmp_path: Path) -> None:
    break_it, message = METADATA[case]
    break_it(data)
    with pytest.raises(RecipeError, match=message):
        load(data.root)
    expect_message(*script(enhance, "separator=oracle"), message, tmp_path)


@pytest.mark.parametrize("case", sorted(set(AUDIO) - ONLY_WHEN_READ))
def test_audio(case: str, data: TinyDataset, script, tmp_path: Path) -> None:
    break_it, message = AUDIO[case]
    break_it(data)
    dataset = load(data.root)
    problems = dataset.check_audio(dataset.pairs, SONG_FILES)
    assert re.search(message, "\n".join(problems))
    expect_message(*script(enhance, "separator=oracle"), message, tmp_path)


@pytest.mark.parametrize("case", sorted(ONLY_WHEN_READ))
def test_audio_that_only_reading_tells(case: str, data: TinyDataset) -> None:
    break_it, message = AUDIO[case]
    break_it(data)
    dataset = load(data.root)
    assert dataset.check_audio(dataset.pairs, SONG_FILES) == []
    name = "mixture" if "mixture" in case else "bass"
    with pytest.raises(RecipeError, match=message):
        dataset.read_music(dataset.pairs[0].scene, name, 44100)


def test_enhance_on_a_mixture_with_nan(data: TinyDataset, script, tmp_path: Path) -> None:
    break_it, message = AUDIO["NaN in the mixture"]
    break_it(data)
    expect_message(*script(enhance, "separator=oracle"), message, tmp_path)


@pytest.mark.parametrize("case", ["gains: cut off", "scene: unknown gain", "listener: lengths"])
def test_evaluate_says_the_same_of_metadata(
    case: str, data: TinyDataset, script, tmp_path: Path
) -> None:
    break_it, message = METADATA[case]
    break_it(data)
    from recipes.cad_icassp_2024.baseline import evaluate

    expect_message(*script(evaluate), message, tmp_path)
    assert not (tmp_path / "exp" / "scores.csv").exists()


@pytest.mark.parametrize("case", sorted(set(AUDIO) - ONLY_WHEN_READ))
def test_evaluate_says_the_same_of_audio(
    case: str, data: TinyDataset, script, tmp_path: Path
) -> None:
    break_it, message = AUDIO[case]
    from recipes.cad_icassp_2024.baseline import evaluate

    break_it(data)
    (tmp_path / "exp" / "enhanced_signals").mkdir(parents=True)
    expect_message(*script(evaluate), message, tmp_path)


def test_a_fault_of_a_stem_does_not_stop_who_does_not_need_it(
    data: TinyDataset, script, tmp_path: Path
) -> None:
    audio("bass", Path.unlink)(data)
    code, output = script(enhance, "separator=hpss")
    assert code == 0, output
    assert len(list((tmp_path / "exp").rglob("*.flac"))) == 8


def test_there_are_enough_cases() -> None:
    assert len(METADATA) + len(AUDIO) >= 60


def test_all_problems_are_reported_together(data: TinyDataset) -> None:
    for case in ("gain: NaN", "listener: lengths", "scene: unknown gain", "at-mic: Path leaves"):
        METADATA[case][0](data)
    entry(SCENE_LISTENERS, "scene_10002", 0, value="L9999")(data)
    with pytest.raises(RecipeError) as caught:
        load(data.root)
    lines = str(caught.value).splitlines()
    assert len(lines) == 6
    assert "metadata of split 'train'" in lines[0]
    places = ("gain_0001", "L0001", "Song A-hp_0001", "scene_10001: gain", "scene_10002: listener")
    for place in places:
        assert sum(place in line for line in lines) == 1, place


def test_a_broken_file_is_not_blamed_on_the_files_that_name_its_entries(data: TinyDataset) -> None:
    text(LISTENERS, "{")(data)
    with pytest.raises(RecipeError) as caught:
        load(data.root)
    assert len(str(caught.value).splitlines()) == 2


def test_a_malformed_entry_is_not_called_missing(data: TinyDataset) -> None:
    METADATA["gain: NaN"][0](data)
    with pytest.raises(RecipeError) as caught:
        load(data.root)
    assert len(str(caught.value).splitlines()) == 2


def test_many_problems_of_a_kind_are_counted(tmp_path: Path) -> None:
    data = make_tiny_dataset(tmp_path, n_songs=26, music=False, at_mic=False)
    scenes = read(data.metadata / SCENES)
    for scene in scenes.values():
        scene["gain"] = "gain_9"
    write(data.metadata / SCENES, scenes)
    with pytest.raises(RecipeError) as caught:
        load(data.root)
    lines = str(caught.value).splitlines()
    assert len(lines) == 1 + MAX_LINES_PER_KIND + 1
    assert lines[-1].strip() == "... and 32 more of the same kind"


def test_all_audio_problems_are_reported_together(data: TinyDataset) -> None:
    for case in ("mono mixture", "no bytes"):
        AUDIO[case][0](data)
    (data.at_mic_folder("Song B-hp_0003") / "other.wav").unlink()
    dataset = load(data.root)
    problems = dataset.check_audio(dataset.pairs, ["mixture", "bass", "other"])
    assert len(problems) == 3


def test_paths_cannot_leave_by_the_spelling_of_the_split(data: TinyDataset) -> None:
    with pytest.raises(RecipeError, match="no such file"):
        Dataset.load(data_paths(data.root, "path.split=valid"))


@pytest.mark.parametrize("root", ["nowhere", "file"])
def test_root(root: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    what = "is not a folder" if root == "file" else "does not exist"
    with pytest.raises(RecipeError, match=rf"path\.root=.*{root} {what} \(looked for /"):
        data_paths(tmp_path / root)
