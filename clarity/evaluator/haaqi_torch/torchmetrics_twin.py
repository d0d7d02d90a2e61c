"""The batched HAAQI as a torchmetrics metric, on the device of the signals.

Needs the package torchmetrics (extra ``train``); nothing else imports this module. On a machine
without a GPU the exact metric in the background costs less, see
`clarity.evaluator.haaqi.torchmetrics_twin`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from clarity.evaluator.haaqi_torch.ear import EarParameters
from clarity.evaluator.haaqi_torch.metric import haaqi


class BatchedHaaqi(Metric):
    """Mean HAAQI over all pairs.

    Parameters
    ----------
    sample_rate, equalisation, level1, band_chunk, dtype
        See `haaqi`.
    seed : int
        Of the threshold noise of every pair.

    Examples
    --------
    >>> metric = BatchedHaaqi(sample_rate=44100).to("cuda")  # doctest: +SKIP
    >>> for enhanced, reference, ear in batches:
    ...     metric.update(enhanced, reference, ear)
    >>> metric.compute()
    """

    higher_is_better = True
    is_differentiable = True
    full_state_update = False
    total: Tensor
    n_pairs: Tensor

    def __init__(
        self,
        sample_rate: float,
        *,
        equalisation: int = 2,
        level1: float = 65.0,
        seed: int = 0,
        band_chunk: int = 8,
        dtype: torch.dtype = torch.float64,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._options: dict[str, Any] = {
            "sample_rate": sample_rate,
            "equalisation": equalisation,
            "level1": level1,
            "noise": seed,
            "band_chunk": band_chunk,
            "dtype": dtype,
        }
        self.add_state("total", torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("n_pairs", torch.tensor(0), dist_reduce_fx="sum")

    def update(
        self,
        processed: Tensor,
        reference: Tensor,
        ear: EarParameters,
        lengths: Sequence[int] | Tensor | None = None,
    ) -> None:
        """Score a batch; see `haaqi` for the parameters and errors."""
        score = haaqi(processed, reference, ear, lengths=lengths, **self._options).score
        self.total += score.sum()
        self.n_pairs += score.numel()

    def compute(self) -> Tensor:
        """Give the mean score; NaN without any pair."""
        return self.total / self.n_pairs
