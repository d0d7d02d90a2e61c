"""Enhance: separate each mixture once, remix it for its scenes, amplify it for their listeners."""

from __future__ import annotations

if __name__ == "__main__":
    from clarity.utils.stopping import end_at_once_when_stopped

    end_at_once_when_stopped()

import functools
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import hydra
import numpy as np
from omegaconf import DictConfig

from clarity.separation.base import VDBO, Mixture, Separator, needs_true_stems
from clarity.utils.loudness import integrated_loudness
from clarity.utils.memory import keep_freed_memory
from clarity.utils.signal_processing import Clipping
from clarity.utils.source_separation_support import get_device, separate_sources
from recipes.cad_icassp_2024.baseline.enhanced_signals import (
    clipping_text,
    pending_pairs,
    require_space_for_signals,
    write_enhanced,
)
from recipes.cad_icassp_2024.baseline.hearing_aid import HearingAid
from recipes.cad_icassp_2024.baseline.remix import remix_to_loudness
from recipes.cad_icassp_2024.baseline.songs import Song, files_needed, group_by_mixture
from recipes.cad_icassp_2024.data.scenes import MIXTURE, Pair, Scene
from recipes.cad_icassp_2024.pyclarity import (
    apply_gains,
    apply_ha,
    decompose_signal,
    make_scene_listener_list,
    process_remix_for_listener,
    remix_stems,
    save_flac_signal,
)
from recipes.cad_icassp_2024.runs.command_line import command_line
from recipes.cad_icassp_2024.runs.composition import CONFIG_DIR
from recipes.cad_icassp_2024.runs.config import Config
from recipes.cad_icassp_2024.runs.job import job
from recipes.cad_icassp_2024.runs.parallel import n_side_by_side, overlap_stages
from recipes.cad_icassp_2024.runs.progress import progress
from recipes.cad_icassp_2024.runs.run import Run, open_run
from recipes.cad_icassp_2024.runs.settings import MadeFrom, enhance_settings

__all__ = [
    "apply_gains",
    "apply_ha",
    "decompose_signal",
    "enhance",
    "get_device",
    "make_scene_listener_list",
    "process_remix_for_listener",
    "remix_stems",
    "save_flac_signal",
    "separate_sources",
]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Enhancer:
    """What turns mixtures into the enhanced signals of their pairs.

    Attributes
    ----------
    run : Run
        The data, the experiment folder and the machinery.
    separator : Separator
    made_from : MadeFrom
        Tells what a signal is made from, for its record.
    done : callable
        Called with each pair and its clipping, or None when it failed.
    """

    run: Run
    separator: Separator
    made_from: MadeFrom
    done: Callable[[Pair, Clipping | None], None] = lambda pair, clipping: None

    def chain(self, song: Song) -> Iterator[None]:
        """Mixture -> stems -> remix for each scene -> hearing aid for each listener -> FLAC.

        Each ``yield`` hands the song on to another thread: one song is read, the song before it
        separated and the one before that written at the same time (`overlap_stages`).
        """
        run, rate = self.run, self.run.config.sample_rate
        with run.failures.attributed_to(song.pairs):
            mixture = self.read(song.scene)
            loudness_lufs = integrated_loudness(mixture.signal, rate)
            yield
            with run.dataset.reading(song.scene, files_needed(self.separator)):
                stems = self.separator.separate(mixture)
            del mixture  # the next one is in memory by now
            yield
            for scene, pairs in song.by_scene():
                with run.failures.attributed_to(pairs):
                    remix = remix_to_loudness(stems.items(), scene.gains_db, loudness_lufs, rate)
                    amplify = functools.partial(self.amplify, remix)
                    run.for_each(pairs, amplify, self.done, self.n_at_a_time(len(remix)))

    def read(self, scene: Scene) -> Mixture:
        """Read the mixture of a scene, with the files of its stems for the oracle."""
        rate = self.run.config.sample_rate
        names = VDBO if needs_true_stems(self.separator) else ()
        stem_files = {name: self.run.dataset.music_file(scene, name) for name in names}
        return Mixture(self.run.dataset.read_music(scene, MIXTURE, rate), rate, stem_files)

    def amplify(self, remix: np.ndarray, pair: Pair) -> Clipping:
        """Amplify a remix for a listener; write it, and the record of what it was made from."""
        amplified = HearingAid.from_config(self.run.config).amplify_blocks(remix, pair.listener)
        return write_enhanced(self.run, pair, amplified, self.made_from)

    def n_at_a_time(self, n_samples: int) -> int:
        """Return how many listeners to amplify for at a time."""
        if HearingAid.from_config(self.run.config).works_in_blocks:
            return self.run.n_cores
        return n_side_by_side(self.run.n_cores, n_samples / self.run.config.sample_rate)


def enhance(config: DictConfig | Config) -> None:
    """Enhance the pairs of a batch, and go on where an earlier run stopped.

    Parameters
    ----------
    config : Config, or what Hydra composed

    Raises
    ------
    RecipeError
        When the data, the settings or the disk do not allow it, or when pairs failed.
    """
    keep_freed_memory()
    with open_run("enhance", config) as run:
        usable = run.with_music(run.pairs, [MIXTURE])
        require_space_for_signals(run, usable)
        # Imported here, so that --help and complaints of the data do not wait for torch.
        from recipes.cad_icassp_2024.baseline.separators import build_separator  # noqa: PLC0415

        separator, fingerprint = build_separator(run.config.separator)
        files = files_needed(separator)
        usable = run.with_music(usable, files)
        settings = enhance_settings(run.config, fingerprint)
        run.check_settings(settings, map(run.experiment.signal_file, run.dataset.pairs))
        made_from = MadeFrom(run.dataset, files, settings)
        todo = pending_pairs(run, usable, made_from)
        if not todo:
            log.info("all %d pairs are done: %s", len(usable), run.experiment.signals)
            return
        songs = group_by_mixture(todo)
        name, folder = run.config.separator.model, run.experiment.signals
        log.info("%s: %d mixtures for %d pairs into %s", name, len(songs), len(todo), folder)
        with progress("enhance", todo, clipping_text) as shown:
            enhancer = Enhancer(run, separator, made_from, shown.done)
            overlap_stages(songs, enhancer.chain, run.cancel)


@command_line(
    "enhance",
    "separate, remix and amplify music for the listeners of each scene",
    "python enhance.py path.root=cadenza_data",
    "python enhance.py path.root=cadenza_data path.split=valid separator=openunmix",
    "python enhance.py -m path.root=cadenza_data separator=demucs,openunmix,hpss",
)
@hydra.main(version_base="1.3", config_path=str(CONFIG_DIR), config_name="config")
def main(cfg: DictConfig) -> None:
    """Run the script."""
    with job("enhance", cfg, makes_folder=True) as config:
        enhance(config)


if __name__ == "__main__":
    main()
