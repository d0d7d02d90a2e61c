"""Put every song of the scenes at the microphones of its head.

``python generate_at_mic_musdb18.py path.root=cadenza_data`` filters mixture and stems of MUSDB18-HQ
with head-related impulse responses and lists the result in ``at_mic_music.train.json``. Songs that
are complete already are passed over, so a run that was stopped goes on where it stopped.
"""

from __future__ import annotations

if __name__ == "__main__":
    from clarity.utils.stopping import end_at_once_when_stopped

    end_at_once_when_stopped()

from typing import Any

import hydra
import numpy as np
from omegaconf import DictConfig

from recipes.cad_icassp_2024.data.paths import find_on_disk
from recipes.cad_icassp_2024.generate_dataset.at_mic_songs import (
    AtMicSong,
    find_precreated_samples,
    plan_songs,
)
from recipes.cad_icassp_2024.generate_dataset.at_mic_writing import (
    open_records,
    pending_songs,
    write_songs,
)
from recipes.cad_icassp_2024.generate_dataset.config import GenerateConfig, as_generate_config
from recipes.cad_icassp_2024.generate_dataset.generated_metadata import (
    needs_writing,
    write_generated,
)
from recipes.cad_icassp_2024.generate_dataset.hrtf import (
    apply_hrtf,
    load_hrtf_signals,
    normalise_lufs_level,
)
from recipes.cad_icassp_2024.runs.command_line import CONFIG_DIR, command_line
from recipes.cad_icassp_2024.runs.job import job

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
    with open_records(config) as records:
        songs = plan_songs(config, records.contents)
        listing = {song.name: song.entry(config.path.split) for song in songs}
        listing_file = find_on_disk(config.path.output_music_file)
        needs_writing(listing_file, listing, config.overwrite)  # or an error, before hours of work
        pending = pending_songs(songs, records, config)
        write_songs(pending, put_at_microphones, records, config)
        write_generated(listing_file, listing, config.overwrite)


def put_at_microphones(song: AtMicSong, music: np.ndarray, sample_rate: int) -> np.ndarray:
    """Filter the mixture or a stem of a song, and give it the loudness that it had.

    Parameters
    ----------
    song : AtMicSong
        Has the impulse responses.
    music : ndarray
        What the loudspeakers play, shape (samples, 2).
    sample_rate : int
        In Hz.

    Returns
    -------
    ndarray
        What the ears get, shape (samples, 2).
    """
    ears = apply_hrtf(music, song.hrtfs.left, song.hrtfs.right)
    return normalise_lufs_level(ears, music, sample_rate)


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
