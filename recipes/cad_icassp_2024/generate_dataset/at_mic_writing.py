"""Writing the music at the microphones: what is there and still holds stays, the rest is made."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from clarity.utils.file_io import leftovers, write_signal
from recipes.cad_icassp_2024.data.audio_files import audio_problems, read_stereo
from recipes.cad_icassp_2024.data.errors import MAX_LINES_PER_KIND, RecipeError
from recipes.cad_icassp_2024.data.scenes import MIXTURE, SONG_FILES
from recipes.cad_icassp_2024.generate_dataset.at_mic_songs import AtMicSong
from recipes.cad_icassp_2024.generate_dataset.config import GenerateConfig
from recipes.cad_icassp_2024.runs import locks
from recipes.cad_icassp_2024.runs.disk import require_space
from recipes.cad_icassp_2024.runs.parallel import CancelToken, ordered_parallel_map
from recipes.cad_icassp_2024.runs.records import Records, Result

logger = logging.getLogger(__name__)

BYTES_PER_FRAME = 4
"""Two channels of 16 bits."""


@contextlib.contextmanager
def open_records(config: GenerateConfig) -> Iterator[Records]:
    """Hold the folder of the music at the microphones, and open the records in it."""
    folder = Path(config.path.output_music_dir).expanduser()
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(locks.hold(folder / "locks" / "generate.lock"))
        except locks.HeldError as other:
            raise RecipeError(
                f"{other} is putting music at the microphones into {folder}: wait until it has "
                "finished, or choose another path.output_music_dir"
            ) from None
        yield held.enter_context(Records(folder / "records", verify=config.verify))


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
        complete = [song for song in songs if song.is_complete(config.sample_rate)]
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
        Result(
            song.result_name(name),
            contents.digest(path),
            song.made_from(name, config.sample_rate, contents),
        )
        for song in songs
        for name, path in song.results.items()
    )
    if comparison.unknown:
        listed = "\n  ".join(comparison.unknown[:MAX_LINES_PER_KIND])
        raise RecipeError(
            f"{len(comparison.unknown)} files in {config.path.output_music_dir} have no record of "
            "what they were made from, or were changed since: move them away, or give "
            f"overwrite=true to make all music again:\n  {listed}"
        )
    for line in comparison.changes("files of music at the microphones"):
        logger.warning("%s: made again", line)
    return {
        song.name
        for song in songs
        if not any(song.result_name(name) in comparison.changed for name in SONG_FILES)
    }


def write_songs(
    songs: Sequence[AtMicSong],
    put_at_microphones: Callable[[AtMicSong, np.ndarray, int], np.ndarray],
    records: Records,
    config: GenerateConfig,
) -> None:
    """Write the five files of every song, several songs at a time, with a progress bar.

    `put_at_microphones` is given a song, a signal of it and its rate in Hz, and returns what the
    ears get.
    """
    cancel, rate = CancelToken(), config.sample_rate

    def write(song: AtMicSong) -> None:
        for leftover in leftovers(song.folder):  # of a run that was killed
            leftover.unlink(missing_ok=True)
        for name, path in song.results.items():
            cancel.check()
            with records.contents.reading(song.source[name]):
                music = read_stereo(song.source[name], rate)
            ears = put_at_microphones(song, music, rate)
            made_from = song.made_from(name, rate, records.contents)
            with records.writing(path, song.result_name(name), made_from) as temporary:
                write_signal(temporary, ears, rate, floating_point=False)

    with (
        logging_redirect_tqdm(),
        tqdm(total=len(songs), desc="At-mic music", disable=None) as progress,
    ):

        def count(song: AtMicSong, written: None) -> None:
            del song, written
            progress.update()

        ordered_parallel_map(songs, write, count, config.n_workers, cancel)
