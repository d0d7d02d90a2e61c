"""Put every song of the scenes at the microphones of its head.

``python generate_at_mic_musdb18.py path.root=cadenza_data`` filters mixture and stems of MUSDB18-HQ
with head-related impulse responses and lists the result in ``at_mic_music.train.json``. Songs that
are complete already are passed over, so a run that was stopped goes on where it stopped.
"""

from __future__ import annotations

if __name__ == "__main__":
    from clarity.utils.stopping import end_at_once_when_stopped

    end_at_once_when_stopped()

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from clarity.utils.atomic_files import leftovers
from clarity.utils.file_io import write_signal
from recipes.cad_icassp_2024.data.audio_files import read_stereo
from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.data.metadata import needs_writing, write_generated
from recipes.cad_icassp_2024.generate_dataset.at_mic_songs import (
    AtMicSong,
    find_precreated_samples,
    pending_songs,
    plan_songs,
)
from recipes.cad_icassp_2024.generate_dataset.config import GenerateConfig, as_generate_config
from recipes.cad_icassp_2024.generate_dataset.hrtf import (
    apply_hrtf,
    load_hrtf_signals,
    normalise_lufs_level,
)
from recipes.cad_icassp_2024.runs import locks
from recipes.cad_icassp_2024.runs.command_line import command_line
from recipes.cad_icassp_2024.runs.composition import CONFIG_DIR
from recipes.cad_icassp_2024.runs.job import job
from recipes.cad_icassp_2024.runs.parallel import CancelToken, ordered_parallel_map
from recipes.cad_icassp_2024.runs.records import Records

__all__ = ["apply_hrtf", "find_precreated_samples", "load_hrtf_signals", "normalise_lufs_level"]


def run(cfg: Any) -> None:
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
    folder = Path(config.path.output_music_dir).expanduser()
    try:
        with (
            locks.hold(folder / "locks" / "generate.lock"),
            Records(folder / "records", verify=config.verify) as records,
        ):
            _write_what_is_missing(config, records)
    except locks.HeldError as other:
        raise RecipeError(
            f"{other} is putting music at the microphones into {folder}: wait until it has "
            "finished, or choose another path.output_music_dir"
        ) from None


def _write_what_is_missing(config: GenerateConfig, records: Records) -> None:
    songs = plan_songs(config, records.contents)
    listing = {song.name: song.entry(config.path.split) for song in songs}
    listing_file = config.path.output_music_file
    needs_writing(listing_file, listing, config.overwrite)  # or an error, before hours of work
    write_songs(pending_songs(songs, records, config), records, config.n_workers)
    write_generated(listing_file, listing, config.overwrite)


def write_songs(songs: Sequence[AtMicSong], records: Records, n_workers: int) -> None:
    """Write the five files of every song, several songs at a time, with a progress bar."""
    cancel = CancelToken()

    def write(song: AtMicSong) -> None:
        for leftover in leftovers(song.folder):  # of a run that was killed
            leftover.unlink(missing_ok=True)
        for name in song.source:
            cancel.check()
            write_at_mic_file(song, name, records)

    with (
        logging_redirect_tqdm(),
        tqdm(total=len(songs), desc="At-mic music", disable=None) as progress,
    ):

        def count(*_: object) -> None:
            progress.update()

        ordered_parallel_map(songs, write, count, n_workers, cancel)


def write_at_mic_file(song: AtMicSong, name: str, records: Records) -> None:
    """Filter the mixture or a stem of a song, and give it the loudness that it had."""
    with records.contents.reading(song.source[name]):
        music = read_stereo(song.source[name], song.sample_rate)
    ears = apply_hrtf(music, song.hrtfs.left, song.hrtfs.right)
    ears = normalise_lufs_level(ears, music, song.sample_rate)
    made_from = song.made_from(name, records.contents)
    with records.writing(song.results[name], song.result_name(name), made_from) as temporary:
        write_signal(temporary, ears, song.sample_rate, floating_point=False)


@command_line(
    "generate_at_mic_musdb18",
    "filter MUSDB18-HQ to the hearing-aid microphones for all scenes",
    "python generate_at_mic_musdb18.py path.root=cadenza_data",
    "python generate_at_mic_musdb18.py path.root=cadenza_data n_workers=4",
    "python generate_at_mic_musdb18.py path.root=cadenza_data "
    "path.output_music_dir=/big/at_mic_music",
    config_name="generate_dataset",
    schema=GenerateConfig,
)
@hydra.main(version_base="1.3", config_path=str(CONFIG_DIR), config_name="generate_dataset")
def main(cfg: DictConfig) -> None:
    """Run the script."""
    with job("generate_at_mic_musdb18", cfg, schema=GenerateConfig, results=None) as config:
        run(config)


if __name__ == "__main__":
    main()
