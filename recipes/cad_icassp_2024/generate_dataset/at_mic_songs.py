"""The songs that scenes need at the microphones: their files, what is there, what is to be done."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from recipes.cad_icassp_2024.data.audio_files import SongFolders, audio_problems, song_problems
from recipes.cad_icassp_2024.data.dataset import note_equal_folders
from recipes.cad_icassp_2024.data.errors import Problems, RecipeError
from recipes.cad_icassp_2024.data.metadata import read_table, read_tracks
from recipes.cad_icassp_2024.data.paths import CaseInsensitivePaths, find_on_disk
from recipes.cad_icassp_2024.data.scenes import MIXTURE, SONG_FILES, mixture_id
from recipes.cad_icassp_2024.data.schema import HeadPosition, SceneEntry
from recipes.cad_icassp_2024.generate_dataset.config import GenerateConfig
from recipes.cad_icassp_2024.generate_dataset.hrtf import load_hrtf_signals
from recipes.cad_icassp_2024.runs.disk import require_space
from recipes.cad_icassp_2024.runs.parallel import Stop, run_side_by_side

logger = logging.getLogger(__name__)

BYTES_PER_FRAME = 4
"""Two channels of 16 bits."""


@dataclass(frozen=True)
class AtMicSong:
    """A song to be put at the microphones of one head.

    Attributes
    ----------
    song, head_position : str
        Ids in the metadata.
    source : dict of str to Path
        The five files to be filtered.
    hrtf_left, hrtf_right : ndarray
        Impulse responses of the left and the right loudspeaker, shape (taps, 2): left ear, right
        ear.
    folder : Path
        Where the five results go.
    """

    song: str
    head_position: str
    source: dict[str, Path]
    hrtf_left: np.ndarray
    hrtf_right: np.ndarray
    folder: Path

    @property
    def name(self) -> str:
        """``{song}-{head position}``."""
        return mixture_id(self.song, self.head_position)

    @property
    def results(self) -> dict[str, Path]:
        """Paths of the five files to be written."""
        return {name: self.folder / f"{name}.wav" for name in SONG_FILES}

    def entry(self, split: str) -> dict[str, str]:
        """Entry of at_mic_music.{split}.json."""
        return {
            "Track Name": self.name,
            "Split": split,
            "Path": f"{split}/{self.name}",
            "Original Track Name": self.song,
            "Head Position": self.head_position,
        }

    def is_complete(self, sample_rate: int) -> bool:
        """Whether all five results are there, in the right length and rate."""
        if not _has_all_files(self.folder) or song_problems(self.results):
            return False
        source, result = (soundfile.info(files[MIXTURE]) for files in (self.source, self.results))
        wanted = source.frames * sample_rate / source.samplerate
        return result.samplerate == sample_rate and abs(result.frames - wanted) <= 1


def _has_all_files(folder: Path) -> bool:
    return all((folder / f"{name}.wav").is_file() for name in SONG_FILES)


def find_precreated_samples(source_dir: str | Path, split: str = "train") -> list[str]:
    """Find the at-mic songs of which all five files are there.

    Parameters
    ----------
    source_dir : str or Path
        Folder of the at-mic music.
    split : str
        Folder in it.

    Returns
    -------
    list of str
        Names ``{song}-{head position}``, sorted.
    """
    folder = CaseInsensitivePaths().find(Path(source_dir) / split)
    if not folder.is_dir():
        return []
    return sorted(song.name for song in folder.iterdir() if _has_all_files(song))


def plan_songs(config: GenerateConfig) -> list[AtMicSong]:
    """Read the metadata and the impulse responses.

    Parameters
    ----------
    config : GenerateConfig
        The configuration.

    Returns
    -------
    list of AtMicSong
        Every distinct song and head position, in the order of the scenes.

    Raises
    ------
    RecipeError
        With a list of everything that is wrong.
    """
    path = config.path
    problems = Problems()
    tracks = read_tracks(find_on_disk(path.music_file), "path.music_file", problems)
    positions_key = "head_loudspeaker_positions_file"
    positions = read_table(
        find_on_disk(getattr(path, positions_key)), f"path.{positions_key}", HeadPosition, problems
    )
    scenes = read_table(find_on_disk(path.scene_file), "path.scene_file", SceneEntry, problems)
    for scene_id, scene in scenes.entries.items():
        where = f"{scenes.path}: {scene_id}"
        tracks.note_missing(scene.music, "song", where, problems)
        positions.note_missing(scene.head_loudspeaker_positions, "head position", where, problems)
    note_equal_folders(scenes, problems)
    problems.raise_if_any(f"the metadata in {path.metadata_dir}")
    wanted = dict.fromkeys(
        (scene.music, scene.head_loudspeaker_positions) for scene in scenes.entries.values()
    )
    hrtfs = _read_hrtfs({name: positions.entries[name] for _, name in wanted}, config)
    music_dir, output_dir = (Path(p).expanduser() for p in (path.music_dir, path.output_music_dir))
    songs = SongFolders(music_dir, {name: track.folder for name, track in tracks.entries.items()})
    return [
        AtMicSong(
            song,
            position,
            {name: songs.file(song, name) for name in SONG_FILES},
            *hrtfs[position],
            output_dir / path.split / mixture_id(song, position),
        )
        for song, position in wanted
    ]


def _read_hrtfs(
    positions: Mapping[str, HeadPosition], config: GenerateConfig
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Read the impulse responses of all head positions, and report all faults together."""
    problems = Problems()
    hrtfs = {}
    folder = Path(config.path.hrtf_dir).expanduser()
    for name, position in positions.items():
        try:
            hrtfs[name] = load_hrtf_signals(folder, vars(position), config.sample_rate)
        except RecipeError as error:
            problems.add("impulse response", str(error))
    problems.raise_if_any(f"the impulse responses in {config.path.hrtf_dir}")
    return hrtfs


def pending_songs(songs: Sequence[AtMicSong], config: GenerateConfig) -> list[AtMicSong]:
    """Check the music and find the songs that are yet to be written.

    Parameters
    ----------
    songs : sequence of AtMicSong
        The songs, from `plan_songs`.
    config : GenerateConfig
        The configuration.

    Raises
    ------
    RecipeError
        When audio has faults (all of them are listed) or the disk is too small.
    """
    sources = {song.song: song.source for song in songs}
    audio_problems(sources.values()).raise_if_any(f"the music in {config.path.music_dir}")
    pending = [
        song for song in songs if config.overwrite or not song.is_complete(config.sample_rate)
    ]
    if len(pending) < len(songs):
        logger.info("%d of %d songs are there already", len(songs) - len(pending), len(songs))
    if pending:
        n_frames = sum(soundfile.info(song.source[MIXTURE]).frames for song in pending)
        needed = n_frames * BYTES_PER_FRAME * len(SONG_FILES)
        folder = Path(config.path.output_music_dir).expanduser()
        require_space(folder, needed, f"{len(pending)} songs", "set path.output_music_dir")
    return pending


def write_songs(
    songs: Sequence[AtMicSong],
    write_file: Callable[[AtMicSong, str, int], None],
    config: GenerateConfig,
) -> None:
    """Write the five files of every song, several songs at a time, with a progress bar.

    Parameters
    ----------
    songs : sequence of AtMicSong
        From `pending_songs`.
    write_file : callable
        Writes the mixture or a stem of a song, by name, at a rate in Hz.
    config : GenerateConfig
        With ``sample_rate`` and ``n_workers``.
    """
    stop = Stop()

    def write(song: AtMicSong) -> None:
        for leftover in song.folder.glob(".*.tmp.wav"):  # of a run that was killed
            leftover.unlink(missing_ok=True)
        for name in SONG_FILES:
            stop.check()
            write_file(song, name, config.sample_rate)

    with (
        logging_redirect_tqdm(),
        tqdm(total=len(songs), desc="At-mic music", disable=None) as progress,
    ):

        def count(song: AtMicSong, written: None) -> None:
            del song, written
            progress.update()

        run_side_by_side(songs, write, count, config.n_workers, stop)
