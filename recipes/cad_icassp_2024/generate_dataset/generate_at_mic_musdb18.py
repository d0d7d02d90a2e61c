"""Put every song of the scenes at the microphones of its head.

``python generate_at_mic_musdb18.py path.root=cadenza_data`` filters mixture and stems of MUSDB18-HQ
with head-related impulse responses and lists the result in ``at_mic_music.train.json``. Songs that
are complete already are passed over, so a run that was stopped goes on where it stopped.
"""

from __future__ import annotations

if __name__ == "__main__":
    from clarity.utils.stopping import end_at_once_when_stopped

    end_at_once_when_stopped()

import logging
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import soundfile
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from clarity.utils.file_io import write_signal
from recipes.cad_icassp_2024.data import metadata
from recipes.cad_icassp_2024.data.audio_files import (
    OnDisk,
    audio_problems,
    find_on_disk,
    read_stereo,
    song_problems,
)
from recipes.cad_icassp_2024.data.dataset import SONG_FILES, mixture_id
from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.data.metadata import Problems, SceneEntry, Table
from recipes.cad_icassp_2024.generate_dataset.config import GenerateConfig, as_generate_config
from recipes.cad_icassp_2024.generate_dataset.generate_train_scenes import (
    check_generated,
    write_generated,
)
from recipes.cad_icassp_2024.generate_dataset.hrtf import (
    HrtfPair,
    apply_hrtf,
    load_hrtf_signals,
    normalise_lufs_level,
)
from recipes.cad_icassp_2024.runs.disk import require_space
from recipes.cad_icassp_2024.runs.entry import EntryPoint

__all__ = [
    "apply_hrtf",
    "find_precreated_samples",
    "generate_at_mic_music",
    "load_hrtf_signals",
    "normalise_lufs_level",
]

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
    hrtfs : HrtfPair
        Impulse responses to filter them with.
    folder : Path
        Where the five results go.
    """

    song: str
    head_position: str
    source: dict[str, Path]
    hrtfs: HrtfPair
    folder: Path

    @property
    def name(self) -> str:
        """``{song}-{head position}``."""
        return mixture_id(self.song, self.head_position)

    def entry(self, split: str) -> dict[str, str]:
        """Entry of at_mic_music.{split}.json."""
        return {
            "Track Name": self.name,
            "Split": split,
            "Path": f"{split}/{self.name}",
            "Original Track Name": self.song,
            "Head Position": self.head_position,
        }

    def results(self) -> dict[str, Path]:
        """Paths of the five files to be written."""
        return {name: self.folder / f"{name}.wav" for name in SONG_FILES}

    def is_complete(self, sample_rate: int) -> bool:
        """Whether all five results are there, in the right length and rate."""
        results = self.results()
        if not all(path.is_file() for path in results.values()) or song_problems(results):
            return False
        source, result = soundfile.info(self.source["mixture"]), soundfile.info(results["mixture"])
        wanted = source.frames * sample_rate / source.samplerate
        return result.samplerate == sample_rate and abs(result.frames - wanted) <= 1


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
    folder = OnDisk().find(Path(source_dir) / split)
    if not folder.is_dir():
        return []
    return sorted(
        song.name
        for song in folder.iterdir()
        if all((song / f"{name}.wav").is_file() for name in SONG_FILES)
    )


def generate_at_mic_music(cfg: Any) -> None:
    """Write the music at the microphones for all scenes, and the list of it.

    Parameters
    ----------
    cfg : GenerateConfig or DictConfig
        See `recipes.cad_icassp_2024.generate_dataset.config`.

    Raises
    ------
    RecipeError
        When metadata or audio has faults (all of them are listed), the disk is too small, or the
        list of the music is there already and differs.
    """
    config = as_generate_config(cfg)
    songs = plan_songs(config)
    listing = {song.name: song.entry(config.path.split) for song in songs}
    listing_path = find_on_disk(config.path.output_music_file)
    check_generated(listing_path, listing, config.overwrite)
    write_missing_songs(songs, config)
    write_generated(listing_path, listing, config.overwrite)


def write_missing_songs(songs: Sequence[AtMicSong], config: GenerateConfig) -> None:
    """Check the music and write what is not there yet.

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
    faults = audio_problems(sources.values())
    metadata.raise_problems(faults, f"the music in {config.path.music_dir}")
    missing = [
        song for song in songs if config.overwrite or not song.is_complete(config.sample_rate)
    ]
    if len(missing) < len(songs):
        logger.info("%d of %d songs are there already", len(songs) - len(missing), len(songs))
    check_disk_space(missing, Path(config.path.output_music_dir).expanduser())
    _filter_all(missing, config.sample_rate, config.n_workers)


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
    tracks_file = find_on_disk(path.music_file)
    tracks = metadata.read_tracks(tracks_file, "path.music_file", problems)
    positions = metadata.read_table(
        find_on_disk(path.head_loudspeaker_positions_file),
        "path.head_loudspeaker_positions_file",
        problems,
        metadata.parse_head_position,
    )
    scenes = metadata.read_table(
        find_on_disk(path.scene_file), "path.scene_file", problems, metadata.parse_scene
    )
    if tracks:
        known = Table(tracks_file, tracks, frozenset(tracks))
        _note_unknown_ids(scenes, known, positions, problems)
    problems.raise_if_any(f"the metadata in {path.metadata_dir}")
    wanted = dict.fromkeys((s.music, s.head_position) for s in scenes.entries.values())
    used = dict.fromkeys(position for _, position in wanted)
    hrtfs = _read_hrtfs({name: positions.entries[name] for name in used}, config)
    disk = OnDisk()
    music_dir, output_dir = (Path(p).expanduser() for p in (path.music_dir, path.output_music_dir))
    return [
        AtMicSong(
            song=song,
            head_position=position,
            source={
                name: disk.find(music_dir / tracks[song] / f"{name}.wav") for name in SONG_FILES
            },
            hrtfs=hrtfs[position],
            folder=output_dir / path.split / mixture_id(song, position),
        )
        for song, position in wanted
    ]


def _note_unknown_ids(
    scenes: Table[SceneEntry],
    tracks: Table[str],
    positions: Table[metadata.HeadPosition],
    problems: Problems,
) -> None:
    """Note songs and head positions that a scene names and no file has."""
    for scene_id, scene in scenes.entries.items():
        for what, wanted, table in (
            ("song", scene.music, tracks),
            ("head position", scene.head_position, positions),
        ):
            if table.lacks(wanted):
                line = f"{scenes.path}: {scene_id}: {what} '{wanted}' is not in {table.path}"
                problems.add(f"unknown {what}", f"{line}; correct the id or add the entry")


def _read_hrtfs(
    positions: dict[str, metadata.HeadPosition], config: GenerateConfig
) -> dict[str, HrtfPair]:
    """Read the impulse responses of all head positions, and report all faults together."""
    problems = Problems()
    pairs: dict[str, HrtfPair] = {}
    for name, position in positions.items():
        try:
            left, right = load_hrtf_signals(
                Path(config.path.hrtf_dir).expanduser(), vars(position), config.sample_rate
            )
        except RecipeError as error:
            problems.add("impulse response", str(error))
            continue
        pairs[name] = HrtfPair(left, right)
    problems.raise_if_any(f"the impulse responses in {config.path.hrtf_dir}")
    return pairs


def check_disk_space(songs: Sequence[AtMicSong], folder: Path) -> None:
    """Compare what the songs will take with what the disk has left.

    Parameters
    ----------
    songs : sequence of AtMicSong
        Songs to be written.
    folder : Path
        Where they go; need not be there yet.

    Raises
    ------
    RecipeError
        When the disk is too small.
    """
    if not songs:
        return
    n_frames = sum(soundfile.info(song.source["mixture"]).frames for song in songs)
    needed = n_frames * BYTES_PER_FRAME * len(SONG_FILES)
    require_space(folder, needed, f"{len(songs)} songs", "set path.output_music_dir")


def _filter_all(songs: Sequence[AtMicSong], sample_rate: int, n_workers: int) -> None:
    """Filter songs, several at a time, with a progress bar."""
    progress = tqdm(total=len(songs), desc="At-mic music", disable=None)
    with logging_redirect_tqdm(), progress:
        if n_workers == 1:
            for song in songs:
                write_at_mic_song(song, sample_rate)
                progress.update()
            return
        stopped = threading.Event()
        with ThreadPoolExecutor(n_workers) as pool:
            futures = [pool.submit(write_at_mic_song, song, sample_rate, stopped) for song in songs]
            try:
                for future in as_completed(futures):
                    future.result()
                    progress.update()
            except BaseException:
                stopped.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def write_at_mic_song(
    song: AtMicSong, sample_rate: int, stopped: threading.Event | None = None
) -> None:
    """Filter the five files of a song and write them as 16-bit WAV.

    Each result has the loudness of its source. Samples beyond full scale are clipped, with a
    warning in the log.

    Parameters
    ----------
    song : AtMicSong
        The song.
    sample_rate : int
        Rate of the results in Hz.
    stopped : threading.Event, optional
        Ends the work between two files when it is set.

    Raises
    ------
    RecipeError
        When a source file cannot be used.
    """
    for leftover in _leftovers(song.folder):
        leftover.unlink(missing_ok=True)
    for name, result in song.results().items():
        if stopped is not None and stopped.is_set():
            return
        signal = read_stereo(song.source[name], sample_rate)
        ears = apply_hrtf(signal, song.hrtfs.left, song.hrtfs.right)
        ears = normalise_lufs_level(ears, signal, sample_rate)
        write_signal(result, ears, sample_rate, floating_point=False)


def _leftovers(folder: Path) -> Iterator[Path]:
    """Temporary files of a run that was killed."""
    return folder.glob(".*.tmp.wav")


def main() -> None:
    """Run the script."""
    EntryPoint(
        name="generate_at_mic_musdb18",
        task=generate_at_mic_music,
        summary="filter MUSDB18-HQ to the hearing-aid microphones for all scenes",
        examples=(
            "python generate_at_mic_musdb18.py path.root=cadenza_data",
            "python generate_at_mic_musdb18.py path.root=cadenza_data n_workers=4",
            "python generate_at_mic_musdb18.py path.root=cadenza_data "
            "path.output_music_dir=/big/at_mic_music",
        ),
        config_name="generate_dataset",
        schema=GenerateConfig,
        results=None,
    ).run()


if __name__ == "__main__":
    main()
