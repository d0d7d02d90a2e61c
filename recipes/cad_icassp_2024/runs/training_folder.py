"""The folder of a fine-tuning: where it stands, what was best, and how it came there.

After each epoch ``state.pt`` is replaced as a whole; it holds all that a run goes on from, and the
best weights. ``best.pt`` (for ``separator.checkpoint``) and ``history.csv`` (for people) are made
from it, again when a run goes on: a kill at any moment, or a file that is lost, costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clarity.utils.atomic_files import atomic_path
from clarity.utils.file_io import write_csv
from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.runs.experiment import remove_leftovers

if TYPE_CHECKING:
    import torch

HistoryRow = dict[str, float]
"""Epoch, mean losses and gradient norm of its steps, validation score behind it."""

HISTORY_COLUMNS = ("epoch", "l1", "1 - haaqi", "gradient_norm", "left_score", "right_score")


@dataclass
class TrainingFolder:
    """State of a fine-tuning on disk.

    Attributes
    ----------
    folder : Path
    rows : list of HistoryRow
        One row per epoch; the first, epoch 0, is the start.
    best_weights : dict of str to Tensor
        Those of `best_row`.
    """

    folder: Path
    rows: list[HistoryRow] = field(default_factory=list)
    best_weights: dict[str, torch.Tensor] = field(default_factory=dict)

    @property
    def state_file(self) -> Path:
        """What a run goes on from."""
        return self.folder / "state.pt"

    @property
    def best_file(self) -> Path:
        """The best weights, for ``separator.checkpoint``."""
        return self.folder / "best.pt"

    @property
    def next_epoch(self) -> int:
        """The epoch to do next; 0 stands for the validation of the start."""
        return len(self.rows)

    @property
    def best_row(self) -> HistoryRow:
        """The epoch with the highest validation score, the first of equal ones."""
        return max(self.rows, key=mean_score)

    def restore(self, module: torch.nn.Module, optimiser: torch.optim.Optimizer) -> None:
        """Bring a module and its optimiser to where an earlier run stopped, if there was one.

        Raises
        ------
        RecipeError
            When the state is damaged or belongs to another module.
        """
        import torch  # noqa: PLC0415 - takes two seconds, which --help does without

        remove_leftovers([self.state_file, self.best_file, self.folder / "history.csv"])
        if not self.state_file.exists():
            return
        try:
            state: dict[str, Any] = torch.load(
                self.state_file, map_location="cpu", weights_only=True
            )
            for weights in ("best", "module"):
                module.load_state_dict(state[weights])
            optimiser.load_state_dict(state["optimiser"])
            self.rows, self.best_weights = state["rows"], state["best"]
            self._write_history()
        except OSError:
            raise
        except Exception as error:  # a damaged file raises anything
            raise RecipeError(
                f"{self.state_file} is damaged or belongs to another separator "
                f"({type(error).__name__}): start over with overwrite=true, or choose another "
                "path.exp_folder"
            ) from error
        _save(self.best_weights, self.best_file)

    def note(
        self, row: HistoryRow, module: torch.nn.Module, optimiser: torch.optim.Optimizer
    ) -> bool:
        """Add an epoch; returns whether it is the best so far."""
        self.rows.append(row)
        is_best = self.best_row is row
        if is_best:
            weights = module.state_dict().items()
            self.best_weights = {name: tensor.cpu().clone() for name, tensor in weights}
        state = {
            "module": module.state_dict(),
            "optimiser": optimiser.state_dict(),
            "rows": self.rows,
            "best": self.best_weights,
        }
        _save(state, self.state_file)
        if is_best:
            _save(self.best_weights, self.best_file)
        self._write_history()
        return is_best

    def _write_history(self) -> None:
        history = ({**one, "score": mean_score(one)} for one in self.rows)
        write_csv(self.folder / "history.csv", (*HISTORY_COLUMNS, "score"), history)


def mean_score(row: HistoryRow) -> float:
    """Mean validation score of both ears."""
    return (row["left_score"] + row["right_score"]) / 2


def _save(data: Any, path: Path) -> None:
    """Write tensors whole or not at all."""
    import torch  # noqa: PLC0415

    with atomic_path(path) as temporary, temporary.open("wb") as file:
        try:
            torch.save(data, file)
        except RuntimeError as error:  # torch's own, on top of a full disk or Ctrl-C
            if isinstance(error.__context__, OSError | KeyboardInterrupt):
                raise error.__context__ from error
            raise
