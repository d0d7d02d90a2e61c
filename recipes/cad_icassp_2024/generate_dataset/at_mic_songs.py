"""The songs that scenes need at the microphones: their files, what is there, what is to be done."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from clarity import __version__
from recipes.cad_icassp_2024.data.audio_files import SongFolders, audio_problems, song_problems
from recipes.cad_icassp_2024.data.consistency import note_equal_folders, note_shared_paths
from recipes.cad_icassp_2024.data.content import Contents, digest_of
from recipes.cad_icassp_2024.data.errors import Problems, RecipeError, shortened
from recipes.cad_icassp_2024.data.metadata import read_table, read_tracks
from recipes.cad_icassp_2024.data.paths import find_on_disk
from recipes.cad_icassp_2024.data.scenes import MIXTURE, SONG_FILES, mixture_id
from recipes.cad_icassp_2024.data.schema import HeadPosition, SceneEntry
from recipes.cad_icassp_2024.generate_dataset.config import GenerateConfig
from recipes.cad_icassp_2024.generate_dataset.hrtf import find_hrtf_files, load_hrtf_signals
from recipes.cad_icassp_2024.runs.disk import require_space
from recipes.cad_icassp_2024.runs.records import Dependencies, Records, Result

logger = logging.getLogger(__name__)

CLIPPING_RULE = "16 bits, clipped at full scale"
BYTES_PER_FRAME = 4
"""Two channels of 16 bits."""


@dataclass(frozen=True)
class Hrtfs:
    """Impulse responses of the left and the right loudspeaker for one head, and their files."""

    position: HeadPosition
    left: np.ndarray
    right: np.ndarray
    files: tuple[Path, Path]


@dataclass(frozen=True)
class AtMicSong:
    """A song to be put at the microphones of one head: from which files, and into which folder."""

    song: str
    head_position: str
    source: dict[str, Path]
    hrtfs: Hrtfs
    folder: Path
    sample_rate: int

    @property
    def name(self) -> str:
        """``{song}-{head position}``."""
        return mixture_id(self.song, self.head_position)

    @property
    def results(self) -> dict[str, Path]:
        """Paths of the five files to be written."""
        return {name: self.folder / f"{name}.wav" for name in SONG_FILES}

    def result_name(self, name: str) -> str:
        """How the file of the mixture or of a stem is called in the records."""
        return f"{self.folder.parent.name}/{self.name}/{name}"

    def entry(self, split: str) -> dict[str, str]:
        """Entry of at_mic_music.{split}.json."""
        return {
            "Track Name": self.name,
            "Split": split,
            "Path": f"{split}/{self.name}",
            "Original Track Name": self.song,
            "Head Position": self.head_position,
        }

    def made_from(self, name: str, contents: Contents) -> Dependencies:
        """Return what the file of the mixture or of a stem depends on."""
        return {
            "music": contents.digest(self.source[name]),
            "HRTFs": digest_of([contents.digest(file) for file in self.hrtfs.files]),
            "head position": digest_of(self.hrtfs.position.model_dump()),
            "sampling rate": f"{self.sample_rate} Hz",
            "clipping rule": CLIPPING_RULE,
            "package version": __version__,
        }

    def is_complete(self) -> bool:
        """Whether all five results are there, in the right length and rate."""
        if song_problems(self.results):
            return False
        source, result = (soundfile.info(files[MIXTURE]) for files in (self.source, self.results))
        wanted = source.frames * self.sample_rate / source.samplerate
        return result.samplerate == self.sample_rate and abs(result.frames - wanted) <= 1


def find_precreated_samples(source_dir: str | Path, split: str = "train") -> list[str]:
    """Return the names of the at-mic songs of which all five files are there, sorted."""
    folder = find_on_disk(Path(source_dir) / split)
    songs = folder.iterdir() if folder.is_dir() else ()
    files = [f"{name}.wav" for name in SONG_FILES]
    return sorted(song.name for song in songs if all((song / file).is_file() for file in files))


def plan_songs(config: GenerateConfig, contents: Contents) -> list[AtMicSong]:
    """Return every distinct song and head position of the scenes, in their order, with its HRTFs.

    Raises `RecipeError` with a list of everything that is wrong with metadata and HRTFs.
    """
    path = config.path
    problems = Problems()
    tracks = read_tracks(path, problems)
    positions = read_table(path, "head_loudspeaker_positions_file", HeadPosition, problems)
    scenes = read_table(path, "scene_file", SceneEntry, problems)
    for scene_id, scene in scenes.entries.items():
        where = f"{scenes.path}: {scene_id}"
        tracks.note_missing(scene.music, "song", where, problems)
        positions.note_missing(scene.head_loudspeaker_positions, "head position", where, problems)
    note_equal_folders(scenes, problems)
    note_shared_paths(tracks, problems)
    problems.raise_if_any(f"the metadata in {path.metadata_dir}")
    wanted = dict.fromkeys(
        (scene.music, scene.head_loudspeaker_positions) for scene in scenes.entries.values()
    )
    hrtfs = _read_hrtfs({name: positions.entries[name] for _, name in wanted}, config, contents)
    music_dir, output_dir = (Path(p).expanduser() for p in (path.music_dir, path.output_music_dir))
    songs = SongFolders(music_dir, {name: track.folder for name, track in tracks.entries.items()})
    return [
        AtMicSong(
            song,
            position,
            {name: songs.file(song, name) for name in SONG_FILES},
            hrtfs[position],
            output_dir / path.split / mixture_id(song, position),
            config.sample_rate,
        )
        for song, position in wanted
    ]


def _read_hrtfs(
    positions: Mapping[str, HeadPosition], config: GenerateConfig, contents: Contents
) -> dict[str, Hrtfs]:
    """Read the impulse responses of all head positions, and report all faults together."""
    problems = Problems()
    hrtfs = {}
    folder = Path(config.path.hrtf_dir).expanduser()
    for name, position in positions.items():
        files = find_hrtf_files(folder, vars(position))
        try:
            with contents.reading(files[0]), contents.reading(files[1]):
                signals = load_hrtf_signals(folder, vars(position), config.sample_rate)
            hrtfs[name] = Hrtfs(position, *signals, files)
        except RecipeError as error:
            problems.add("impulse response", str(error))
    _note_short_hrtfs(hrtfs.values(), problems)
    problems.raise_if_any(f"the impulse responses in {config.path.hrtf_dir}")
    return hrtfs


def _note_short_hrtfs(hrtfs: Iterable[Hrtfs], problems: Problems) -> None:
    """Note impulse responses that have another length than most of their head and microphone."""
    heads: dict[tuple[str, str], dict[Path, int]] = {}
    for one in hrtfs:
        n_taps = zip(one.files, (len(one.left), len(one.right)), strict=True)
        heads.setdefault((one.position.mic, one.position.subject), {}).update(n_taps)
    for lengths in heads.values():
        counts = Counter(lengths.values())
        usual = max(counts, key=lambda n: (counts[n], n))
        for file, n in lengths.items():
            if n != usual:
                problems.add(
                    "impulse response",
                    f"{file}: has {n} taps, but most of this head have {usual}; get the whole file "
                    "again, or append zeros if it is meant to be shorter",
                )


def pending_songs(
    songs: Sequence[AtMicSong], records: Records, config: GenerateConfig
) -> list[AtMicSong]:
    """Return the songs that are missing or not complete, and those made from something else.

    Raises `RecipeError` when audio has faults (all of them are listed), there is music that was not
    made here, or the disk is too small.
    """
    sources = {song.song: song.source for song in songs}
    audio_problems(sources.values()).raise_if_any(f"the music in {config.path.music_dir}")
    pending = list(songs)
    if not config.overwrite:
        complete = [song for song in songs if song.is_complete()]
        current = _current_songs(complete, records, config)
        pending = [song for song in songs if song.name not in current]
    if len(pending) < len(songs):
        logger.info("%d of %d songs are there already", len(songs) - len(pending), len(songs))
    if pending:
        n_frames = sum(soundfile.info(song.source[MIXTURE]).frames for song in pending)
        needed = n_frames * BYTES_PER_FRAME * len(SONG_FILES)
        folder = Path(config.path.output_music_dir).expanduser()
        require_space(folder, needed, f"{len(pending)} songs", "set path.output_music_dir")
    return pending


def _current_songs(
    songs: Sequence[AtMicSong], records: Records, config: GenerateConfig
) -> set[str]:
    """Return the names of the songs that would come out the same now, and say why others not."""
    contents = records.contents
    comparison = records.compare(
        Result(song.result_name(name), contents.digest(path), song.made_from(name, contents))
        for song in songs
        for name, path in song.results.items()
    )
    if comparison.unknown:
        raise RecipeError(
            f"{len(comparison.unknown)} files in {config.path.output_music_dir} have no record of "
            "what they were made from, or were changed since: move them away, or give "
            f"overwrite=true to make all music again:{shortened(comparison.unknown)}"
        )
    for line in comparison.changes("files of music at the microphones"):
        logger.warning("%s: made again", line)
    return {
        song.name
        for song in songs
        if not any(song.result_name(name) in comparison.changed for name in SONG_FILES)
    }
