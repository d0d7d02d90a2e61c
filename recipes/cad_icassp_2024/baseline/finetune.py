"""Fine-tune: train a separator on what a listener hears behind the whole chain."""

from __future__ import annotations

if __name__ == "__main__":
    from clarity.utils.stopping import end_at_once_when_stopped

    end_at_once_when_stopped()

import dataclasses
import logging
import shlex
from dataclasses import dataclass, field

import hydra
import numpy as np
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from torch.nn.utils import clip_grad_norm_
from tqdm import trange

from clarity.evaluator.haaqi_torch import HaaqiLoss
from clarity.separation.checked import CheckedSeparator
from clarity.separation.segmented import SegmentedSeparator
from recipes.cad_icassp_2024.baseline.evaluate import PRESENTATION_LEVEL_DB_SPL, Scorer
from recipes.cad_icassp_2024.baseline.finetune_config import FinetuneConfig
from recipes.cad_icassp_2024.baseline.reference import References
from recipes.cad_icassp_2024.baseline.separators import build_separator, search_path_overrides
from recipes.cad_icassp_2024.baseline.training import CropReader, training_losses
from recipes.cad_icassp_2024.baseline.validation import Validator, validation_paths
from recipes.cad_icassp_2024.data.dataset import Dataset
from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.data.scenes import SONG_FILES, Pair
from recipes.cad_icassp_2024.runs.command_line import command_line
from recipes.cad_icassp_2024.runs.composition import CONFIG_DIR
from recipes.cad_icassp_2024.runs.job import job
from recipes.cad_icassp_2024.runs.run import Run, open_run
from recipes.cad_icassp_2024.runs.schema import check_config
from recipes.cad_icassp_2024.runs.settings import enhance_settings
from recipes.cad_icassp_2024.runs.training_folder import HistoryRow, TrainingFolder, mean_score

log = logging.getLogger(__name__)


@dataclass
class Training:
    """A separator in training.

    Attributes
    ----------
    config : FinetuneConfig
    separator : SegmentedSeparator
        Its module is trained.
    crops : CropReader
    validator : Validator
    folder : TrainingFolder
        Where the state is kept.
    """

    config: FinetuneConfig
    separator: SegmentedSeparator
    crops: CropReader
    validator: Validator
    folder: TrainingFolder
    optimiser: torch.optim.Optimizer = field(init=False)

    def __post_init__(self) -> None:
        """Make an optimiser of the parameters that may be trained."""
        parameters = [p for p in self.separator.module.parameters() if p.requires_grad]
        self.optimiser = torch.optim.Adam(parameters, lr=self.config.training.learning_rate)

    def run(self) -> None:
        """Train epoch by epoch from where the folder stands; epoch 0 validates the start."""
        module, optimiser = self.separator.module, self.optimiser
        self.folder.restore(module, optimiser)
        for epoch in range(self.folder.next_epoch, self.config.training.epochs + 1):
            row: HistoryRow = {"epoch": epoch}
            if epoch > 0:
                row |= self.train(epoch)
            row["left_score"], row["right_score"] = self._scores(epoch)
            is_best = self.folder.note(row, module, optimiser)
            log.info("%s%s", _text(row), ", the best so far" if is_best else "")

    def _scores(self, epoch: int) -> tuple[float, float]:
        """Validate, or say that there is nothing to validate any more."""
        try:
            return self.validator.scores(self.separator)
        except ValueError as error:  # from the module
            advice = (
                "; the best weights before are kept: start again with a lower "
                "training.learning_rate in another path.exp_folder"
            )
            raise RecipeError(f"epoch {epoch}: {error}{advice if epoch > 0 else ''}") from error

    def train(self, epoch: int) -> HistoryRow:
        """Do the steps of an epoch; what is random in it depends on its number alone.

        Returns
        -------
        dict of str to float
            Means over the steps: ``l1``, ``1 - haaqi`` and ``gradient_norm``.
        """
        training, module = self.config.training, self.separator.module
        device = self.separator.device
        seed = int(np.random.SeedSequence((training.seed, epoch)).generate_state(1)[0])
        torch.manual_seed(seed)
        generator = np.random.default_rng(seed)
        haaqi_loss = HaaqiLoss(
            self.config.sample_rate,
            level1=PRESENTATION_LEVEL_DB_SPL,
            checkpoint=training.checkpointing,
            generator=torch.Generator(device).manual_seed(seed),
        )
        steps = []
        module.train()
        for _ in trange(training.steps_per_epoch, desc=f"epoch {epoch}", leave=False, disable=None):
            crops = self.crops.draw(training.batch_size, generator).to(device)
            losses = training_losses(
                *(self.separator, crops, haaqi_loss),
                soft_clip=self.config.soft_clip,
                haaqi_gradient=training.haaqi_weight > 0,
            )
            self.optimiser.zero_grad()
            weighted = (training.l1_weight, losses.l1), (training.haaqi_weight, losses.haaqi)
            # A loss of no weight is left out: 0 times a gradient that is not finite is NaN.
            torch.stack([weight * loss for weight, loss in weighted if weight > 0]).sum().backward()
            norm = clip_grad_norm_(module.parameters(), training.max_gradient_norm)
            if torch.isfinite(norm):
                self.optimiser.step()
            steps.append([losses.l1.item(), losses.haaqi.item(), norm.item()])
        module.eval()
        n_left_out = sum(not np.isfinite(norm) for _, _, norm in steps)
        if n_left_out:
            log.warning(
                "epoch %d: %d of %d steps were left out because their gradient was not finite",
                *(epoch, n_left_out, len(steps)),
            )
        means = np.ma.masked_invalid(steps).mean(axis=0).filled(np.nan)
        return dict(zip(("l1", "1 - haaqi", "gradient_norm"), map(float, means), strict=True))


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
        built = build_separator(dataclasses.replace(config.separator, cache_dir=None))
        separator = _trainable(built.separator, config)
        folder = TrainingFolder(run.experiment.folder)
        validator = _validator(run, config)
        settings = {
            "validation data": validator.data_digest(),
            **enhance_settings(config, built.fingerprint),
            **{f"training.{key}": value for key, value in vars(config.training).items()},
        }
        del settings["training.epochs"]  # more of them go on from where fewer stopped
        run.check_settings(settings, [folder.state_file])
        if config.overwrite:
            folder.clear()
        n_samples = round(config.training.crop_s * config.sample_rate)
        crops = CropReader(
            run.dataset, pairs, separator.sources, config.sample_rate, n_samples, config.nalr.make()
        )
        Training(config, separator, crops, validator, folder).run()
        log.info(
            "validation score %.4f at the start, %.4f in epoch %d, the best: %s\n"
            "python enhance.py %s takes it",
            *(mean_score(folder.rows[0]), mean_score(folder.best_row), folder.best_row["epoch"]),
            folder.best_file,
            shlex.join([*_own_arguments(config), f"separator.checkpoint={folder.best_file}"]),
        )


def _own_arguments(config: FinetuneConfig) -> list[str]:
    """Arguments that choose the data and the separator as this run's did; its weights aside."""
    if not HydraConfig.initialized():
        return [f"path.root={config.path.root}", f"separator={config.separator.model}"]
    given = HydraConfig.get()
    own = {text: text.lstrip("+~") for text in given.overrides.task}
    path = [text for text, key in own.items() if key.startswith(("path=", "path."))]
    separator = [text for text, key in own.items() if key.startswith("separator.")]
    return [
        *search_path_overrides(),
        *(text for text in path if not own[text].startswith("path.exp_folder=")),
        f"separator={given.runtime.choices['separator']}",
        *(text for text in separator if not own[text].startswith("separator.checkpoint=")),
    ]


def _trainable(separator: object, config: FinetuneConfig) -> SegmentedSeparator:
    """Return a separator that can be trained, or say why it cannot."""
    name = config.separator.model
    separator = separator.separator if isinstance(separator, CheckedSeparator) else separator
    if not isinstance(separator, SegmentedSeparator):
        raise RecipeError(f"the separator {name!r} is no torch module: there is nothing to train")
    if not any(p.requires_grad for p in separator.module.parameters()):
        raise RecipeError(f"the separator {name!r} has no parameters to train")
    if "checkpoint" not in config.separator.module:
        raise RecipeError(
            f"the separator {name!r} takes no weights: give its separator.module an argument "
            "checkpoint: ${separator.checkpoint}, so that enhance.py can load what is trained"
        )
    if separator.sample_rate != config.sample_rate:
        raise RecipeError(
            f"separator.sample_rate={separator.sample_rate}: must be sample_rate="
            f"{config.sample_rate} for training"
        )
    return separator


def _validator(run: Run, config: FinetuneConfig) -> Validator:
    """Choose the pairs to validate on, spread over their split."""
    dataset, training = run.dataset, config.training
    if training.valid_split not in (None, config.path.split):
        dataset = Dataset.load(validation_paths(config), run.records.contents)
    n_pairs = min(training.valid_pairs, len(dataset.pairs))
    chosen = np.linspace(0, len(dataset.pairs) - 1, n_pairs).round().astype(int)
    pairs: list[Pair] = [dataset.pairs[index] for index in chosen]
    problems = dataset.check_audio(pairs, SONG_FILES)
    if problems:
        raise RecipeError("the music to validate on is not usable:\n  " + "\n  ".join(problems))
    scorer = Scorer(run, References(dataset, config.sample_rate), n_threads=run.n_cores)
    return Validator(scorer, dataset, pairs, training.valid_s)


def _text(row: HistoryRow) -> str:
    """Say in a line how an epoch went."""
    losses = [f"{name} {row[name]:.4f}" for name in ("l1", "1 - haaqi") if name in row]
    score = f"exact HAAQI {mean_score(row):.4f} (left {row['left_score']:.4f}, right"
    return f"epoch {row['epoch']:g}: {', '.join([*losses, score])} {row['right_score']:.4f})"


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
