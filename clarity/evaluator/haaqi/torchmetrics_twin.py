"""The exact HAAQI as a torchmetrics metric, computed in the background.

Needs the package torchmetrics (extra ``train``); nothing else imports this module.
"""

from __future__ import annotations

from typing import Any

import torch
from torchmetrics import Metric

from clarity.evaluator.haaqi.background import BackgroundScorer
from clarity.utils.audiogram import Audiogram, Listener


class BackgroundHaaqi(Metric):
    """Mean exact HAAQI over all pairs, scored while the loop goes on.

    Parameters
    ----------
    sample_rate : float
        Rate of all signals in Hz.
    equalisation, level1
        See `clarity.evaluator.haaqi.evaluate_haaqi`.
    seed : int
        Of the threshold noise of each pair.
    n_workers, max_pending : int
        See `clarity.evaluator.haaqi.BackgroundScorer`.

    Examples
    --------
    >>> metric = BackgroundHaaqi(sample_rate=44100)  # doctest: +SKIP
    >>> for enhanced, reference, listeners in batches:
    ...     metric.update(enhanced, reference, listeners)  # returns at once
    >>> metric.compute()  # waits for what is not scored yet
    """

    higher_is_better = True
    full_state_update = False
    total: torch.Tensor
    n_pairs: torch.Tensor

    def __init__(
        self,
        sample_rate: float,
        *,
        equalisation: int = 1,
        level1: float = 65.0,
        seed: int = 0,
        n_workers: int = 1,
        max_pending: int = 64,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._sample_rate = sample_rate
        self._options = {"equalisation": equalisation, "level1": level1, "seed": seed}
        self._scorer = BackgroundScorer(n_workers, max_pending)
        self._is_pending = False
        self.add_state("total", torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("n_pairs", torch.tensor(0), dist_reduce_fx="sum")

    def update(
        self,
        processed: torch.Tensor,
        reference: torch.Tensor,
        hearing: list[Audiogram] | list[Listener],
    ) -> None:
        """Submit a batch.

        Parameters
        ----------
        processed, reference : Tensor, shape (batch, samples) or (batch, 2, samples)
            Signals.
        hearing : list of Audiogram or Listener
            Hearing loss of each pair.

        Raises
        ------
        ValueError
            When the shapes or the hearing loss do not fit together.
        """
        for one, other, loss in zip(processed, reference, hearing, strict=True):
            self._scorer.submit(one.T, other.T, loss, self._sample_rate, **self._options)  # type: ignore[arg-type]
            self._is_pending = True

    def sync(self, *args: Any, **kwargs: Any) -> None:
        """Wait for this process's pairs, then add up those of all processes."""
        self._gather()
        super().sync(*args, **kwargs)

    def compute(self) -> torch.Tensor:
        """Wait for all pairs and return their mean score; NaN without any.

        Raises
        ------
        clarity.evaluator.haaqi.BackgroundScoringError
            When a pair could not be scored.
        """
        self._gather()
        return self.total / self.n_pairs

    def reset(self) -> None:
        """Start over; pairs that are pending are waited for and dropped."""
        if self._is_pending:
            self._scorer.collect_results()
            self._is_pending = False
        super().reset()

    def _gather(self) -> None:
        """Add what has been submitted to the states."""
        if self._is_pending:
            self._is_pending = False
            means = self._scorer.collect()
            self.total += means["score"] * means["n_pairs"]
            self.n_pairs += int(means["n_pairs"])
