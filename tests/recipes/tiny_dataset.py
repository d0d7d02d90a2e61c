"""A small, complete data set in the challenge's layout, made from seeds: no file is carried."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile

SAMPLE_RATE = 44100
STEMS = ("vocals", "drums", "bass", "other")
FILES = ("mixture", *STEMS)
ANGLES = (22.5, 30.0, 37.5)
SUBJECT = "VP_E1"
MIC = "BTE_fr"


@dataclass(frozen=True)
class TinyDataset:
    """What `make_tiny_dataset` wrote."""

    root: Path
    split: str
    songs: tuple[str, ...]
    scenes: dict[str, dict[str, str]]
    scene_listeners: dict[str, list[str]]

    @property
    def metadata(self) -> Path:
        return self.root / "metadata"

    @property
    def mixtures(self) -> list[str]:
        """Distinct ``{song}-{head position}``, in the order of the scenes."""
        names = (f"{s['music']}-{s['head_loudspeaker_positions']}" for s in self.scenes.values())
        return list(dict.fromkeys(names))

    def at_mic_folder(self, mixture: str) -> Path:
        return self.root / "audio" / "at_mic_music" / self.split / mixture

    def copied_to(self, root: Path) -> TinyDataset:
        """Copy all files, so that a test may change them."""
        shutil.copytree(self.root, root)
        return replace(self, root=root)


def make_tiny_dataset(
    root: Path,
    *,
    seconds: float = 2.0,
    n_songs: int = 2,
    n_scenes_per_song: int = 2,
    n_listeners_per_scene: int = 2,
    split: str = "train",
    sample_rate: int = SAMPLE_RATE,
    music: bool = True,
    at_mic: bool = True,
    scenes: bool = True,
    seed: int = 0,
) -> TinyDataset:
    """Write a data set.

    Parameters
    ----------
    root
        Folder to write to (made if missing).
    seconds, n_songs, n_scenes_per_song, n_listeners_per_scene, split, sample_rate
        Its size. There are three listeners, six gain sets and three head positions.
    music
        Write the unfiltered songs too (what generate_at_mic_musdb18 needs).
    at_mic
        Write the at-mic songs: here simply the stems with a delay and a level a ear, not filtered
        with the impulse responses.
    scenes
        Write the scenes, their listeners and the list of at-mic music.
    seed
        Another seed, other signals.

    Returns
    -------
    TinyDataset
        What was written.
    """
    songs = tuple(f"Song {chr(ord('A') + index)}" for index in range(n_songs))
    data = TinyDataset(
        root, split, songs, *_scenes(songs, n_scenes_per_song, n_listeners_per_scene)
    )
    (root / "metadata").mkdir(parents=True, exist_ok=True)
    _write_metadata(data, scenes)
    write_hrtfs(root / "audio" / "hrtf")
    stems = {song: make_stems(seconds, sample_rate, (seed, n)) for n, song in enumerate(songs)}
    if music:
        for song in songs:
            write_song(root / "audio" / "music" / split / song, stems[song], sample_rate)
    if at_mic:
        for mixture in data.mixtures:
            song, position = mixture.rsplit("-", 1)
            shift = 3 * int(position[-1])
            heard = {
                name: np.stack(
                    [signal[:, 0], 0.8 * np.roll(signal[:, 1] + 0.3 * signal[:, 0], shift)], axis=1
                )
                for name, signal in stems[song].items()
            }
            write_song(data.at_mic_folder(mixture), heard, sample_rate)
    return data


def make_stems(
    seconds: float, sample_rate: int, seed: int | tuple[int, ...]
) -> dict[str, np.ndarray]:
    """Four stereo stems, shape (samples, 2): a gliding voice, noise bursts, a low tone, chords."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * sample_rate)) / sample_rate
    pitch = 220.0 + 40.0 * np.sin(2 * np.pi * 0.7 * t + rng.uniform(0, 6))
    phase = 2 * np.pi * np.cumsum(pitch) / sample_rate
    voice = sum(np.sin(k * phase) / k for k in range(1, 8)) * (0.6 + 0.4 * np.sin(9 * t))
    beat = np.exp(-18.0 * (t % 0.4)) * rng.standard_normal(t.size)
    bass = np.sin(2 * np.pi * rng.uniform(55, 80) * t) * np.exp(-1.5 * (t % 0.8))
    chord = sum(np.sin(2 * np.pi * f * t + rng.uniform(0, 6)) for f in (330.0, 415.3, 493.9, 1760))
    levels = {"vocals": (0.10, 0.08), "drums": (0.12, 0.09), "bass": (0.15, 0.15)}
    signals = dict(zip(STEMS, (voice, beat, bass, chord), strict=True))
    return {
        name: signal[:, None] * np.asarray(levels.get(name, (0.04, 0.06)))
        for name, signal in signals.items()
    }


def write_song(folder: Path, stems: dict[str, np.ndarray], sample_rate: int) -> None:
    """Write the four stems and their sum as 16-bit WAV."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, signal in {"mixture": sum(stems.values()), **stems}.items():
        soundfile.write(folder / f"{name}.wav", signal, sample_rate, subtype="PCM_16")


def write_hrtfs(folder: Path) -> None:
    """Write impulse responses of both ears: decaying noise, later and weaker at the far ear."""
    folder.mkdir(parents=True, exist_ok=True)
    for n, angle in enumerate(ANGLES):
        for side in "np":
            rng = np.random.default_rng((7, n, side == "n"))
            near, far = (rng.standard_normal(128) * np.exp(-np.arange(128) / 9) for _ in range(2))
            far = 0.5 * np.roll(far, 8 + 3 * n)
            far[: 8 + 3 * n] = 0.0
            ears = np.stack([near, far] if side == "n" else [far, near], axis=1)
            name = f"{MIC}-{SUBJECT}-{side}{angle}.wav"
            soundfile.write(folder / name, 0.3 * ears, SAMPLE_RATE, subtype="FLOAT")


def pick_samples(signal: np.ndarray, sample_rate: int, new_sample_rate: int) -> np.ndarray:
    """Another rate by leaving samples out: crude, and the same to the bit on every machine."""
    n_samples = len(signal) * new_sample_rate // sample_rate
    return signal[np.arange(n_samples) * sample_rate // new_sample_rate]


def read(path: Path) -> object:
    return json.loads(path.read_text())


def write(path: Path, data: object) -> None:
    path.write_text(json.dumps(data, indent=4))


def _scenes(
    songs: tuple[str, ...], n_scenes: int, n_listeners: int
) -> tuple[dict[str, dict[str, str]], dict[str, list[str]]]:
    scenes, listeners = {}, {}
    for n, song in enumerate(song for song in songs for _ in range(n_scenes)):
        scenes[f"scene_{10001 + n}"] = {
            "music": song,
            "gain": f"gain_{n % 6 + 1:04d}",
            "head_loudspeaker_positions": f"hp_{n % 3 + 1:04d}",
        }
        listeners[f"scene_{10001 + n}"] = [f"L{(n + k) % 3 + 1:04d}" for k in range(n_listeners)]
    return scenes, listeners


def _write_metadata(data: TinyDataset, scenes: bool) -> None:
    gains = [
        (0, 0, 0, 0),
        (6, 0, 0, 0),
        (0, -10, 0, 3),
        (0, 0, 10, -3),
        (-6, 3, 0, 0),
        (3, 0, -6, 0),
    ]
    write(
        data.metadata / "gains.json",
        {f"gain_{n:04d}": dict(zip(STEMS, row, strict=True)) for n, row in enumerate(gains, 1)},
    )
    positions = {
        f"hp_{n:04d}": {"subject": SUBJECT, "mic": MIC, "left_angle": -left, "right_angle": right}
        for n, (left, right) in enumerate([(22.5, 22.5), (30.0, 37.5), (37.5, 30.0)], 1)
    }
    write(data.metadata / "head_loudspeaker_positions.json", positions)
    losses = {"L0001": (10, 12), "L0002": (30, 35), "L0003": (55, 50)}
    slope = np.array([0, 0, 2, 5, 10, 15, 20, 20])
    listeners = {
        name: {
            "name": name,
            "audiogram_cfs": [250, 500, 1000, 2000, 3000, 4000, 6000, 8000],
            "audiogram_levels_l": [int(left + x) for x in slope],
            "audiogram_levels_r": [int(right + x) for x in slope],
        }
        for name, (left, right) in losses.items()
    }
    write(data.metadata / f"listeners.{data.split}.json", listeners)
    tracks = [
        {"Track Name": song, "Split": data.split, "Path": f"{data.split}/{song}", "Genre": "none"}
        for song in data.songs
    ]
    write(data.metadata / f"musdb18.{data.split}.json", tracks)
    if scenes:
        write(data.metadata / f"scenes.{data.split}.json", data.scenes)
        write(data.metadata / f"scene_listeners.{data.split}.json", data.scene_listeners)
        at_mic = {
            mixture: {
                "Track Name": mixture,
                "Split": data.split,
                "Path": f"{data.split}/{mixture}",
                "Original Track Name": mixture.rsplit("-", 1)[0],
                "Head Position": mixture.rsplit("-", 1)[1],
            }
            for mixture in data.mixtures
        }
        write(data.metadata / f"at_mic_music.{data.split}.json", at_mic)
