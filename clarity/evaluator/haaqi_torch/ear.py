"""Parameters of ears, from their audiograms, and the NAL-R that they need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from scipy import fft
from torch import Tensor

from clarity.enhancer.nalr import NALR
from clarity.evaluator.ear_model.constants import SAMPLE_RATE_HZ
from clarity.evaluator.ear_model.gammatone import centre_frequencies_hz
from clarity.evaluator.ear_model.hearing_loss import hearing_loss
from clarity.evaluator.ear_model.quality import NALR_ORDER
from clarity.utils.audiogram import AUDIOGRAM_REF, Audiogram


@dataclass(frozen=True)
class EarParameters:
    """What the metric knows of some ears, all in float64.

    Attributes
    ----------
    ohc_db, ihc_db, lower_knee_db, compression_ratio, min_bandwidth : Tensor, shape (ears, 32)
        See `ear_model.hearing_loss.HearingLoss`.
    nalr : Tensor, shape (ears, 141)
        NAL-R filter at 24 kHz, which equalisation 1 applies to the reference.
    """

    ohc_db: Tensor
    ihc_db: Tensor
    lower_knee_db: Tensor
    compression_ratio: Tensor
    min_bandwidth: Tensor
    nalr: Tensor

    @staticmethod
    def from_audiograms(audiograms: Sequence[Audiogram]) -> EarParameters:
        """Make the parameters of ears from their audiograms.

        Parameters
        ----------
        audiograms : sequence of Audiogram
            One for each pair of signals, or one for all; for signals of several channels, one for
            each channel of each item (item by item), or one for each channel.

        Returns
        -------
        EarParameters
            On the CPU; `to` moves them.

        Raises
        ------
        TypeError
            When this is no sequence of audiograms.
        ValueError
            When it is empty, or an audiogram lacks a level that is needed.
        """
        if isinstance(audiograms, Audiogram):
            raise TypeError("from_audiograms takes a list: from_audiograms([audiogram])")
        if not audiograms:
            raise ValueError("an ear needs an audiogram; the list is empty")
        losses = [hearing_loss(audiogram, centre_frequencies_hz()) for audiogram in audiograms]
        prescription = NALR(NALR_ORDER, SAMPLE_RATE_HZ)
        rows = {
            name: [getattr(loss, name) for loss in losses]
            for name in ("ohc_db", "ihc_db", "lower_knee_db", "compression_ratio", "min_bandwidth")
        }
        rows["nalr"] = [prescription.build(audiogram)[0] for audiogram in audiograms]
        return EarParameters(**{name: torch.as_tensor(np.stack(row)) for name, row in rows.items()})

    def to(self, device: torch.device | str) -> EarParameters:
        """Move to a device."""
        return self._map(lambda values: values.to(device))

    def __len__(self) -> int:
        """Count the ears."""
        return self.ohc_db.shape[0]

    def rows(self, index: Tensor) -> EarParameters:
        """Take some ears, in the order given."""
        return self._map(lambda values: values[index])

    def bands(self, bands: slice) -> EarParameters:
        """Take some bands."""
        part = self._map(lambda values: values[:, bands])
        return EarParameters(**{**_as_dict(part), "nalr": self.nalr})

    def _map(self, function: Any) -> EarParameters:
        return EarParameters(**{name: function(value) for name, value in _as_dict(self).items()})


def healthy(ear: EarParameters) -> EarParameters:
    """Ears of normal hearing, as many as there are and on their device."""
    normal = EarParameters.from_audiograms([AUDIOGRAM_REF]).to(ear.ohc_db.device)
    return normal.rows(torch.zeros(len(ear), dtype=torch.int64, device=ear.ohc_db.device))


def _as_dict(ear: EarParameters) -> dict[str, Tensor]:
    """Tensors by name."""
    return {field.name: getattr(ear, field.name) for field in fields(ear)}


def with_nalr(reference: Tensor, ear: EarParameters) -> Tensor:
    """Amplify references, shape (batch, samples), for the audiograms; drops the onset."""
    n = reference.shape[-1]
    n_fft = fft.next_fast_len(n + NALR_ORDER, real=True)
    spectrum = torch.fft.rfft(reference.double(), n_fft) * torch.fft.rfft(ear.nalr, n_fft)
    amplified = torch.fft.irfft(spectrum, n_fft)[:, NALR_ORDER : NALR_ORDER + n]
    return amplified.to(reference.dtype)
