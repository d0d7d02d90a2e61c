"""Schema of ``config/finetune.yaml``."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from hydra.core.config_store import ConfigStore

from recipes.cad_icassp_2024.runs.config import Config
from recipes.cad_icassp_2024.runs.schema import config_field, nested

SHORTEST_S = 0.1
"""Crops of less hold too little sound for HAAQI, which compares segments of 16 ms after delays."""


@dataclass
class TrainingConfig:
    """How a separator is fine-tuned."""

    epochs: int = config_field(20, "epochs; the separator is validated after each")
    steps_per_epoch: int = config_field(100, "steps of the optimiser in an epoch")
    batch_size: int = config_field(2, "crops in a step")
    crop_s: float = config_field(3.0, "length of the random crops, in s")
    learning_rate: float = config_field(1e-4, "step size of Adam")
    l1_weight: float = config_field(10.0, "weight of the mean absolute error of the stems")
    haaqi_weight: float = config_field(1.0, "weight of 1 - HAAQI")
    max_gradient_norm: float = config_field(1.0, "norm that the gradient is clipped to")
    checkpointing: bool = config_field(False, "less memory for HAAQI's gradient, more time")
    seed: int = config_field(0, "of crops and noise")
    valid_split: str | None = config_field(None, "split to validate on (default: path.split)")
    valid_pairs: int = config_field(8, "pairs to validate on, spread over the split")
    valid_s: float = config_field(30.0, "length that is validated, from the middle of a song, in s")

    def problems(self) -> Iterator[str]:
        """Yield what is wrong with the values."""
        for key in ("epochs", "steps_per_epoch", "batch_size", "valid_pairs"):
            if getattr(self, key) < 1:
                yield f"training.{key}={getattr(self, key)}: must be 1 or more"
        yield from self._not_finite()
        if self.seed < 0:
            yield f"training.seed={self.seed}: must be 0 or more"
        for key in ("learning_rate", "max_gradient_norm"):
            if not getattr(self, key) > 0:
                yield f"training.{key}={getattr(self, key)}: must be above 0"
        for key in ("crop_s", "valid_s"):
            if not getattr(self, key) >= SHORTEST_S:
                yield f"training.{key}={getattr(self, key)}: must be {SHORTEST_S} s or more"
        weights = (self.l1_weight, self.haaqi_weight)
        if min(weights) < 0 or max(weights) <= 0:
            yield "training.l1_weight, training.haaqi_weight: one must be above 0, none below"

    def _not_finite(self) -> Iterator[str]:
        for key in ("crop_s", "learning_rate", "l1_weight", "haaqi_weight", "valid_s"):
            if not math.isfinite(getattr(self, key)):
                yield f"training.{key}={getattr(self, key)}: must be a finite number"


@dataclass
class FinetuneConfig(Config):
    """Fine-tuning; the other keys are those of enhance.py and evaluate.py."""

    training: TrainingConfig = nested(TrainingConfig)

    def problems(self) -> Iterator[str]:
        """Yield what is wrong with the values, in all parts."""
        yield from super().problems()
        yield from self.training.problems()
        if self.evaluate.batch_size > 1:
            yield f"evaluate.batch_size={self.evaluate.batch_size}: a training has one batch, 1"


ConfigStore.instance().store(name="finetune_schema", node=FinetuneConfig)
