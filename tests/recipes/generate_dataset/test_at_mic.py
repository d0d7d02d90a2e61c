"""Music at the microphones: the peer's samples, whole files or none, and what can be wrong."""

from __future__ import annotations

import json
import logging
import re
import shutil
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest
import soundfile

from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.generate_dataset.config import generate_config
from recipes.cad_icassp_2024.generate_dataset.generate_at_mic_musdb18 import (
    apply_hrtf,
    find_precreated_samples,
    load_hrtf_signals,
    normalise_lufs_level,
    run,
)
from tests.recipes.generate_dataset.make_peer_reference import EVERY
from tests.recipes.tiny_dataset import (
    FILES,
    SAMPLE_RATE,
    TinyDataset,
    make_tiny_dataset,
    read,
    write,
)

PEER = json.loads((Path(__file__).parent / "peer_reference.json").read_text())
HP_0002 = {"subject": "VP_E1", "mic": "BTE_fr", "left_angle": -30.0, "right_angle": 37.5}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> TinyDataset:
    data = make_tiny_dataset(tmp_path_factory.mktemp("tiny"), seconds=1.0, at_mic=False)
    (data.metadata / "at_mic_music.train.json").unlink()
    return data


@pytest.fixture
def data(template: TinyDataset, tmp_path: Path) -> TinyDataset:
    return template.copied_to(tmp_path / "data")


def samples(path: Path) -> np.ndarray:
    return soundfile.read(path, dtype="int16")[0].astype(int)


def test_every_file_is_the_peers(data: TinyDataset) -> None:
    run(generate_config(data.root))
    assert (data.metadata / "at_mic_music.train.json").read_text() == PEER["at_mic_music"]
    assert len(PEER["at_mic_every_441st_sample"]) == len(data.mixtures) * len(FILES) == 20
    for name, expected in PEER["at_mic_every_441st_sample"].items():
        path = data.root / "audio" / "at_mic_music" / "train" / f"{name}.wav"
        header = soundfile.info(path)
        assert (header.frames, header.samplerate, header.subtype) == (44100, 44100, "PCM_16")
        np.testing.assert_allclose(samples(path)[::EVERY], expected, rtol=0, atol=1)
        assert np.abs(expected).max() > 300


@pytest.mark.shared
def test_golden_files_within_one_step(cadenza_mini: Path, golden: Path, tmp_path: Path) -> None:
    song = "The Easton Ellises - Falcon 69"
    config = generate_config(cadenza_mini)
    config.path.output_music_dir = str(tmp_path / "at_mic_music")
    config.path.output_music_file = str(tmp_path / "at_mic_music.train.json")
    run(config)
    listing = (golden / "at_mic" / "at_mic_music.train.json").read_text()
    assert read(tmp_path / "at_mic_music.train.json") == json.loads(listing)
    for name in FILES:
        made = samples(tmp_path / "at_mic_music" / "train" / f"{song}-hp_0003" / f"{name}.wav")
        assert np.abs(made - samples(golden / "at_mic" / f"{name}.wav")).max() <= 1


def test_apply_hrtf_is_the_sum_over_both_loudspeakers() -> None:
    rng = np.random.default_rng(0)
    signal, left, right = (rng.standard_normal((n, 2)) for n in (1000, 60, 45))
    ears = apply_hrtf(signal, left, right)
    for ear in range(2):
        heard = np.convolve(signal[:, 0], left[:, ear])[:1000]
        heard += np.convolve(signal[:, 1], right[:, ear])[:1000]
        np.testing.assert_allclose(ears[:, ear], heard, rtol=0, atol=1e-12)


def test_apply_hrtf_of_an_impulse_is_the_response_and_starts_at_once() -> None:
    signal = np.zeros((10, 2))
    signal[2, 1] = 1.0
    right = np.arange(1.0, 7.0).reshape(3, 2)
    ears = apply_hrtf(signal, np.ones((3, 2)), right)
    np.testing.assert_allclose(ears[2:5], right, atol=1e-12)
    np.testing.assert_allclose(np.delete(ears, [2, 3, 4], axis=0), 0.0, atol=1e-12)


@pytest.mark.parametrize("shape", [(1000,), (1000, 1), (2, 1000)])
def test_apply_hrtf_wants_two_channels(shape: tuple[int, ...]) -> None:
    taps = np.ones((5, 2))
    with pytest.raises(ValueError, match=r"signal must be \(samples, 2\)"):
        apply_hrtf(np.ones(shape), taps, taps)


def test_normalise_lufs_level_reaches_the_loudness_of_the_reference() -> None:
    rng = np.random.default_rng(1)
    signal = 0.01 * rng.standard_normal((SAMPLE_RATE, 2))
    reference = (
        0.07 * rng.standard_normal((SAMPLE_RATE, 2)) * np.linspace(0, 1, SAMPLE_RATE)[:, None]
    )
    scaled = normalise_lufs_level(signal, reference, SAMPLE_RATE)
    meter = pyloudnorm.Meter(SAMPLE_RATE)
    assert meter.integrated_loudness(scaled) == pytest.approx(
        meter.integrated_loudness(reference), abs=1e-9
    )
    ratio = scaled / signal
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-12)


def test_silence_stays_silence_and_never_becomes_nan() -> None:
    silence, noise = np.zeros((SAMPLE_RATE, 2)), np.full((SAMPLE_RATE, 2), 0.1)
    noise[::2] *= -1
    assert np.array_equal(normalise_lufs_level(silence, noise, SAMPLE_RATE), silence)
    assert np.array_equal(normalise_lufs_level(noise, silence, SAMPLE_RATE), silence)
    assert np.array_equal(normalise_lufs_level(silence, silence, SAMPLE_RATE), silence)


def test_what_is_below_the_gate_is_not_pulled_up() -> None:
    hiss = 1e-6 * np.random.default_rng(3).standard_normal((SAMPLE_RATE, 2))
    noise = 1e5 * hiss
    assert np.array_equal(normalise_lufs_level(hiss, noise, SAMPLE_RATE), hiss)


def test_a_silent_stem_gives_a_silent_file(data: TinyDataset) -> None:
    path = data.root / "audio" / "music" / "train" / "Song A" / "vocals.wav"
    soundfile.write(path, np.zeros((44100, 2)), 44100, subtype="PCM_16")
    run(generate_config(data.root))
    assert not samples(data.at_mic_folder("Song A-hp_0001") / "vocals.wav").any()
    assert samples(data.at_mic_folder("Song A-hp_0001") / "drums.wav").any()


def test_load_hrtf_signals_takes_left_and_right_loudspeaker(data: TinyDataset) -> None:
    folder = data.root / "audio" / "hrtf"
    left, right = load_hrtf_signals(str(folder), HP_0002)
    assert np.array_equal(left, soundfile.read(folder / "BTE_fr-VP_E1-n30.0.wav")[0])
    assert np.array_equal(right, soundfile.read(folder / "BTE_fr-VP_E1-p37.5.wav")[0])


@pytest.mark.parametrize("on_disk", ["n30.wav", "n30.0.wav"])
@pytest.mark.parametrize("angle", [-30, -30.0, 30, 30.0])
def test_an_angle_may_be_written_with_and_without_its_decimal(
    on_disk: str, angle: float, data: TinyDataset
) -> None:
    folder = data.root / "audio" / "hrtf"
    expected, _ = soundfile.read(folder / "BTE_fr-VP_E1-n30.0.wav")
    (folder / "BTE_fr-VP_E1-n30.0.wav").rename(folder / f"BTE_fr-VP_E1-{on_disk}")
    left, _ = load_hrtf_signals(folder, HP_0002 | {"left_angle": angle})
    assert np.array_equal(left, expected)


def test_of_two_spellings_of_an_angle_the_exact_one_is_read(data: TinyDataset) -> None:
    folder = data.root / "audio" / "hrtf"
    soundfile.write(folder / "BTE_fr-VP_E1-n30.wav", np.full((9, 2), 0.5), 44100, subtype="FLOAT")
    for angle, n_taps in ((-30, 9), (-30.0, 128), (30, 9)):
        assert load_hrtf_signals(folder, HP_0002 | {"left_angle": angle})[0].shape[0] == n_taps


def test_the_left_loudspeaker_is_n_and_the_right_one_p_whatever_their_signs(
    data: TinyDataset,
) -> None:
    folder = data.root / "audio" / "hrtf"
    expected = load_hrtf_signals(folder, HP_0002)
    for left_angle, right_angle in ((30.0, -37.5), (30.0, 37.5), (-30.0, -37.5)):
        signs = {"left_angle": left_angle, "right_angle": right_angle}
        for one, other in zip(load_hrtf_signals(folder, HP_0002 | signs), expected, strict=True):
            assert np.array_equal(one, other)


@pytest.mark.parametrize("angles", [(-30, 38), (-30.0, 37.5)])
def test_names_of_impulse_responses_are_those_that_the_peer_looks_for(
    angles: tuple[float, float], data: TinyDataset
) -> None:
    # Printed by the error of pyclarity 0.9.0's load_hrtf_signals for these angles.
    names = {(-30, 38): "mic-none-n30.wav", (-30.0, 37.5): "mic-none-n30.0.wav"}
    position = {"subject": "none", "mic": "mic", "left_angle": angles[0], "right_angle": angles[1]}
    with pytest.raises(RecipeError, match=re.escape(f"/{names[angles]}: no such file")):
        load_hrtf_signals(data.root, position)


def test_find_precreated_samples_wants_all_five(tmp_path: Path) -> None:
    assert find_precreated_samples(tmp_path) == []
    for song, names in {"B": FILES, "A": FILES, "C": FILES[:4]}.items():
        (tmp_path / "train" / song).mkdir(parents=True)
        for name in names:
            (tmp_path / "train" / song / f"{name}.wav").touch()
    assert find_precreated_samples(str(tmp_path)) == ["A", "B"]


def test_songs_without_a_path_lie_below_their_split(data: TinyDataset) -> None:
    tracks = read(data.metadata / "musdb18.train.json")
    write(
        data.metadata / "musdb18.train.json",
        [{key: value for key, value in track.items() if key != "Path"} for track in tracks],
    )
    run(generate_config(data.root))
    assert find_precreated_samples(data.root / "audio" / "at_mic_music") == sorted(data.mixtures)


def test_other_spellings_on_disk(data: TinyDataset) -> None:
    run(generate_config(data.root))
    plain = samples(data.at_mic_folder("Song B-hp_0003") / "bass.wav")
    music = data.root / "audio" / "music"
    shutil.rmtree(data.root / "audio" / "at_mic_music")
    (music / "train").rename(music / "Train")
    for path in list(music.rglob("*.wav")):
        path.rename(path.with_name(path.name.capitalize()))
    positions = data.metadata / "head_loudspeaker_positions.json"
    positions.rename(data.metadata / "head_positions.json")
    run(generate_config(data.root))
    assert np.array_equal(samples(data.at_mic_folder("Song B-hp_0003") / "bass.wav"), plain)


def test_music_of_another_rate_is_resampled(data: TinyDataset) -> None:
    root = data.root.with_name("slow")
    slow = make_tiny_dataset(root, seconds=1.0, at_mic=False, sample_rate=22050)
    (slow.metadata / "at_mic_music.train.json").unlink()
    run(generate_config(root))
    header = soundfile.info(slow.at_mic_folder("Song A-hp_0001") / "bass.wav")
    assert (header.samplerate, header.frames) == (44100, 44100)


# --- going on, starting over ------------------------------------------------------------------


def stamps(data: TinyDataset) -> dict[Path, int]:
    folder = data.root / "audio" / "at_mic_music"
    return {path: path.stat().st_mtime_ns for path in sorted(folder.rglob("*.wav"))}


def test_complete_songs_are_passed_over(data: TinyDataset) -> None:
    run(generate_config(data.root))
    before = stamps(data)
    run(generate_config(data.root))
    assert stamps(data) == before
    run(generate_config(data.root, overwrite=True))
    after = stamps(data)
    assert all(after[path] > stamp for path, stamp in before.items())


@pytest.mark.parametrize("fault", ["missing", "short", "all short", "broken", "other rate"])
def test_a_song_that_is_not_complete_is_made_again(data: TinyDataset, fault: str) -> None:
    run(generate_config(data.root))
    before = stamps(data)
    folder = data.at_mic_folder("Song A-hp_0002")
    path = folder / "drums.wav"
    good = path.read_bytes()
    if fault == "missing":
        path.unlink()
    elif fault == "broken":
        path.write_bytes(good[:20])
    else:
        rate = 48000 if fault == "other rate" else 44100
        for file in folder.glob("*.wav") if fault == "all short" else [path]:
            soundfile.write(file, np.zeros((44000, 2)), rate, subtype="PCM_16")
    leftover = folder / ".drums.wav.123.tmp.wav"
    leftover.write_bytes(good[:1000])
    run(generate_config(data.root))
    assert path.read_bytes() == good
    assert not leftover.exists()
    after = stamps(data)
    assert {p for p in after if after[p] != before[p]} == set(folder.glob("*.wav"))


def test_a_run_that_stops_leaves_whole_files_only(
    data: TinyDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(generate_config(data.root))
    whole = {path: path.read_bytes() for path in stamps(data)}
    shutil.rmtree(data.root / "audio" / "at_mic_music")
    (data.metadata / "at_mic_music.train.json").unlink()
    real, calls = Path.write_bytes, []

    def failing(path: Path, content: bytes) -> None:
        calls.append(path)
        if len(calls) == 8:
            real(path, bytes(content)[:1000])
            raise OSError(28, "No space left on device")
        real(path, content)

    monkeypatch.setattr(Path, "write_bytes", failing)
    with pytest.raises(OSError, match="No space"):
        run(generate_config(data.root))
    monkeypatch.undo()
    written = {p: p.read_bytes() for p in data.root.rglob("*.wav") if "at_mic_music" in p.parts}
    assert 7 <= len(written) < len(whole)  # the next song may have begun when the run is called off
    assert all(whole[path] == content for path, content in written.items())
    assert not (data.metadata / "at_mic_music.train.json").exists()
    run(generate_config(data.root))
    assert {path: path.read_bytes() for path in stamps(data)} == whole


def test_several_workers_write_the_same(data: TinyDataset) -> None:
    run(generate_config(data.root))
    one = {path: path.read_bytes() for path in stamps(data)}
    run(generate_config(data.root, overwrite=True, n_workers=2))
    assert {path: path.read_bytes() for path in stamps(data)} == one


def test_clipping_is_reported(data: TinyDataset, caplog: pytest.LogCaptureFixture) -> None:
    path = data.root / "audio" / "music" / "train" / "Song A" / "drums.wav"
    signal = np.random.default_rng(2).standard_normal((44100, 2))
    soundfile.write(path, np.clip(signal, -1, 0.999), 44100, subtype="PCM_16")
    with caplog.at_level(logging.WARNING):
        run(generate_config(data.root))
    assert any("drums.wav" in text and "clipped" in text for text in caplog.messages)
    assert samples(data.at_mic_folder("Song A-hp_0001") / "drums.wav").max() == 32767


def test_a_list_of_other_music_is_not_written_over(data: TinyDataset) -> None:
    path = data.metadata / "at_mic_music.train.json"
    write(path, {"Shipped-hp_0001": {"Path": "train/Shipped-hp_0001"}})
    before = path.read_bytes()
    with pytest.raises(RecipeError, match=r"at_mic_music\.train\.json.*overwrite=true"):
        run(generate_config(data.root))
    assert path.read_bytes() == before
    assert not stamps(data)


def test_a_disk_that_is_too_small(data: TinyDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(data.root)._replace(free=3_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(
        RecipeError, match=r"4 songs will take up to 3\.5 MB in .*, 3\.0 MB are free"
    ):
        run(generate_config(data.root))
    assert not stamps(data)


# --- what can be wrong ------------------------------------------------------------------------


def _song(data: TinyDataset, name: str) -> Path:
    return data.root / "audio" / "music" / "train" / "Song A" / f"{name}.wav"


def _hrtf(data: TinyDataset, name: str) -> Path:
    return data.root / "audio" / "hrtf" / f"BTE_fr-VP_E1-{name}.wav"


def _nan(path: Path) -> None:
    signal, rate = soundfile.read(path)
    signal[17] = np.nan
    soundfile.write(path, signal, rate, subtype="FLOAT", format="WAV")


def _scene(data: TinyDataset, key: str, value: object) -> None:
    path = data.metadata / "scenes.train.json"
    scenes = read(path)
    scenes["scene_10001"][key] = value
    write(path, scenes)


def _two_songs_in_one_folder(data: TinyDataset) -> None:
    positions = data.metadata / "head_loudspeaker_positions.json"
    write(positions, read(positions) | {"x-hp_0001": read(positions)["hp_0001"]})
    _track(data, "Song A-x")
    _scene(data, "head_loudspeaker_positions", "x-hp_0001")
    path = data.metadata / "scenes.train.json"
    scenes = read(path)
    scenes["scene_10002"] |= {"music": "Song A-x", "head_loudspeaker_positions": "hp_0001"}
    write(path, scenes)


def _song_in_capitals(data: TinyDataset) -> None:
    """A song that is not on disk, while one of the same name in other letters is."""
    _track(data, "SONG A")
    _scene(data, "music", "SONG A")


def _track(data: TinyDataset, name: str, folder: str | None = None) -> None:
    path = data.metadata / "musdb18.train.json"
    entry = {"Track Name": name, "Split": "train", "Path": folder or f"train/{name}"}
    write(path, [*read(path), entry])


BAD = {
    "unknown song": (
        lambda d: _scene(d, "music", "Song Z"),
        r"scene_10001: song 'Song Z' is not in .*musdb18\.train\.json",
    ),
    "one Path for two songs": (
        lambda d: _track(d, "Song Z", "train/Song A"),
        r"musdb18\.train\.json: Song A and Song Z have the same Path, 'train/Song A'; correct one",
    ),
    "unknown head position": (
        lambda d: _scene(d, "head_loudspeaker_positions", "hp_9"),
        r"scene_10001: head position 'hp_9' is not in .*head_loudspeaker_positions\.json",
    ),
    "song outside": (
        lambda d: _scene(d, "music", "../../x"),
        r"scene_10001: music .* leaves the data set",
    ),
    "no hrtf": (lambda d: _hrtf(d, "n22.5").unlink(), r"n22\.5\.wav: no such file"),
    "mono hrtf": (
        lambda d: soundfile.write(_hrtf(d, "p37.5"), np.ones(9), 44100),
        r"p37\.5\.wav: has 1 channel\(s\), but must be stereo",
    ),
    "hrtf of another rate": (
        lambda d: soundfile.write(_hrtf(d, "n30.0"), np.ones((9, 2)), 48000),
        r"n30\.0\.wav: has 48000 Hz, but sample_rate=44100",
    ),
    "hrtf with nan": (lambda d: _nan(_hrtf(d, "n22.5")), r"n22\.5\.wav: holds NaN"),
    "hrtf cut short": (
        lambda d: _hrtf(d, "n30.0").write_bytes(_hrtf(d, "n30.0").read_bytes()[:-100]),
        r"n30\.0\.wav: is cut short by 100 bytes",
    ),
    "one folder for two songs": (
        _two_songs_in_one_folder,
        "scene_10001 and scene_10002 would share the folder 'Song A-x-hp_0001', but not the song",
    ),
    "song of another spelling only": (_song_in_capitals, "SONG A: no such folder"),
    "no stem": (lambda d: _song(d, "bass").unlink(), r"Song A/bass\.wav: no such file"),
    "no song": (lambda d: shutil.rmtree(_song(d, "bass").parent), "Song A: no such folder"),
    "empty": (lambda d: _song(d, "bass").write_bytes(b""), r"bass\.wav: is empty \(0 bytes\)"),
    "mono": (
        lambda d: soundfile.write(_song(d, "bass"), np.ones(44100), 44100),
        r"bass\.wav: has 1 channel",
    ),
    "short": (
        lambda d: soundfile.write(_song(d, "bass"), np.ones((44000, 2)), 44100),
        r"bass\.wav: has 44000 samples, but .*mixture\.wav has 44100",
    ),
    "other rate": (
        lambda d: soundfile.write(_song(d, "bass"), np.ones((44100, 2)), 48000),
        r"bass\.wav: has 48000 Hz, but .*mixture\.wav has 44100 Hz",
    ),
    "nan": (lambda d: _nan(_song(d, "bass")), r"bass\.wav: holds NaN or infinity in 1 samples"),
}


@pytest.mark.parametrize("case", BAD)
def test_faults(data: TinyDataset, case: str) -> None:
    break_it, message = BAD[case]
    break_it(data)
    with pytest.raises(RecipeError, match=message):
        run(generate_config(data.root))
    assert not (data.metadata / "at_mic_music.train.json").exists()
    assert not list(data.root.rglob("*.tmp*"))
