"""Fine-tune: train a separator on what a listener hears behind the whole chain."""

from __future__ import annotations

if __name__ == "__main__":
    from clarity.utils.stopping import end_at_once_when_stopped

    end_at_once_when_stopped()

import logging
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import hydra
from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from tqdm import tqdm

from recipes.cad_icassp_2024.baseline.finetune_config import FinetuneConfig
from recipes.cad_icassp_2024.baseline.validation import Validator, choose_validator
from recipes.cad_icassp_2024.data.dataset import Dataset
from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.data.scenes import SONG_FILES, Pair
from recipes.cad_icassp_2024.runs.command_line import command_line
from recipes.cad_icassp_2024.runs.composition import CONFIG_DIR
from recipes.cad_icassp_2024.runs.job import job
from recipes.cad_icassp_2024.runs.run import open_run
from recipes.cad_icassp_2024.runs.schema import check_config
from recipes.cad_icassp_2024.runs.settings import MadeFrom, Settings, digest, enhance_settings
from recipes.cad_icassp_2024.runs.training_folder import TrainingFolder, mean_score

if TYPE_CHECKING:
    from recipes.cad_icassp_2024.baseline.training import CropReader

log = logging.getLogger(__name__)


def finetune(config: DictConfig | FinetuneConfig) -> None:
    """Train a separator, and keep the weights with the best exact score.

    The kept weights are never worse on the validation pairs than those it started from. The same
    command goes on where an earlier run stopped.

    Parameters
    ----------
    config : FinetuneConfig, or what Hydra composed

    Raises
    ------
    RecipeError
        When the data or the settings do not allow it, or the separator cannot be trained.
    """
    config = check_config(config, FinetuneConfig)
    with open_run("finetune", config) as run:
        pairs = run.with_music(run.pairs, SONG_FILES)
        if not pairs:
            raise RecipeError(f"{run.dataset.paths.music_dir}: no song is left to train on")
        # Imported here, so that --help and complaints of the data do not wait for torch.
        from recipes.cad_icassp_2024.baseline.separators import build_trainable  # noqa: PLC0415
        from recipes.cad_icassp_2024.baseline.training import CropReader, train  # noqa: PLC0415

        separator, fingerprint = build_trainable(config.separator, config.sample_rate)
        reader = CropReader(config, run.dataset, pairs, separator.sources)
        validator = choose_validator(run, config)
        folder = TrainingFolder(run.experiment.folder)
        run.check_settings(_settings(config, fingerprint, reader, validator), [folder.state_file])
        if config.overwrite:
            folder.state_file.unlink(missing_ok=True)
        train(config, separator, reader, validator, folder)
        log.info("%s", _outcome(config, folder))


def _settings(
    config: FinetuneConfig, fingerprint: str, reader: CropReader, validator: Validator
) -> Settings:
    """Return what weights depend on, but for the number of epochs: more of them go on."""
    training = {f"training.{key}": value for key, value in vars(config.training).items()}
    del training["training.epochs"]
    return {
        "training data": _data_digest(reader.dataset, reader.pairs),
        "validation data": _data_digest(validator.dataset, validator.pairs),
        **enhance_settings(config, fingerprint),
        **training,
    }


def _data_digest(dataset: Dataset, pairs: Sequence[Pair]) -> str:
    """Return a hash of the music, gains and audiograms of some pairs."""
    made_from = MadeFrom(dataset, SONG_FILES, {})
    shown = tqdm(pairs, desc="knowing the music again", leave=False, disable=None)
    return digest({pair.id: made_from(pair) for pair in shown})


def _outcome(config: FinetuneConfig, folder: TrainingFolder) -> str:
    """Say what training has brought, and how to go on."""
    start, best = mean_score(folder.rows[0]), folder.best_row
    if best["epoch"] == 0:
        return (
            f"validation score {start:.4f} at the start, and in no epoch of {len(folder.rows) - 1} "
            f"a better one: {folder.best_file} holds the weights of the start. Try a lower "
            "training.learning_rate or other weights of the losses in another path.exp_folder"
        )
    script = Path(__file__).with_name("enhance.py")
    command = shlex.join([sys.executable, str(script), *_enhance_arguments(config, folder)])
    return (
        f"validation score {start:.4f} at the start, {mean_score(best):.4f} in epoch "
        f"{best['epoch']:g}, the best: {folder.best_file}\n{command} takes it"
    )


def _enhance_arguments(config: FinetuneConfig, folder: TrainingFolder) -> list[str]:
    """Return arguments with which enhance.py does, in any folder, what was validated."""
    paths = {"root": config.path.root}
    others = [f"separator={config.separator.model}"]
    if HydraConfig.initialized():
        given = HydraConfig.get()
        keys = {text: text.lstrip("+~").partition("=")[0] for text in given.overrides.task}
        paths |= {k[5:]: getattr(config.path, k[5:]) for k in keys.values() if k[:5] == "path."}
        own = ("path.", "training.", "separator.checkpoint", "overwrite")
        others = [text for text, key in keys.items() if not key.startswith(own)]
        others += _search_path(given)
    paths |= {"exp_folder": str(folder.folder)}
    absolute = {
        key: value if key == "split" else Path(value).expanduser().absolute()
        for key, value in paths.items()
    }
    return [
        *(f"path.{key}={value}" for key, value in absolute.items()),
        *others,
        f"separator.checkpoint={folder.best_file.absolute()}",
    ]


def _search_path(given: HydraConf) -> list[str]:
    """Return the override that has Hydra look for configurations where this run did."""
    places = [
        f"'file://{Path(source.path).absolute()}'"
        if source.schema == "file"
        else f"{source.schema}://{source.path}"
        for source in given.runtime.config_sources
        if "command-line" in source.provider
    ]
    return [f"hydra.searchpath=[{','.join(places)}]"] if places else []


@command_line(
    "finetune",
    "train a separator on HAAQI behind the whole chain, and keep the best weights",
    "python finetune.py path.root=cadenza_data training.valid_split=valid",
    "python finetune.py path.root=cadenza_data separator=masknet training.l1_weight=0",
    "python finetune.py path.root=cadenza_data separator=openunmix separator.checkpoint=mine",
    config_name="finetune",
    schema=FinetuneConfig,
)
@hydra.main(version_base="1.3", config_path=str(CONFIG_DIR), config_name="finetune")
def main(cfg: DictConfig) -> None:
    """Run the script."""
    with job("finetune", cfg, schema=FinetuneConfig, makes_folder=True) as config:
        finetune(config)


if __name__ == "__main__":
    main()
