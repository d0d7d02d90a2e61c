"""The hearing aid of the baseline: a prescription for each ear, and a compressor if asked for.

To try another one, have `HearingAid.from_config` return ``HearingAid(prescription)`` with an object
of your own that has ``build`` and ``apply``: enhance.py amplifies with it, as finetune.py does to
validate. The reference of evaluate.py stays amplified by NAL-R, and so do the crops on which
finetune.py trains. Signals that are there already are not made again for changed code; take a new
``path.exp_folder``, or ``overwrite=true``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np

from clarity.enhancer.compressor import Compressor
from clarity.enhancer.nalr import NALR
from clarity.utils.audiogram import Audiogram, Listener
from recipes.cad_icassp_2024.runs.config import Config


class Prescription(Protocol):
    """A hearing aid's amplification, such as `clarity.enhancer.nalr.NALR`."""

    def build(self, audiogram: Audiogram) -> tuple[Any, Any]:
        """Return the filter for an audiogram, and something else."""
        ...

    def apply(self, nalr: Any, wav: np.ndarray) -> np.ndarray:
        """Filter the signal of one ear; the result may have any length."""
        ...


@dataclass(frozen=True)
class HearingAid:
    """What amplifies a stereo signal for a listener.

    Attributes
    ----------
    prescription : Prescription
    compressor : Compressor, optional
        Follows the prescription.
    """

    prescription: Prescription
    compressor: Compressor | None = None

    @classmethod
    def from_config(cls, config: Config) -> HearingAid:
        """Make the hearing aid of the enhanced signals."""
        compressor = config.compressor.make(config.sample_rate) if config.apply_compressor else None
        return cls(config.nalr.make(), compressor)

    @property
    def works_in_blocks(self) -> bool:
        """Whether signals are amplified block by block; others stand in memory as a whole."""
        return type(self.prescription) is NALR and self.compressor is None

    def amplify_ear(self, signal: np.ndarray, audiogram: Audiogram) -> np.ndarray:
        """Amplify the signal of one ear, shape (samples,)."""
        fir, _ = self.prescription.build(audiogram)
        amplified = self.prescription.apply(fir, signal)
        return amplified if self.compressor is None else self.compressor.process(amplified)[0]

    def amplify(self, signal: np.ndarray, listener: Listener) -> np.ndarray:
        """Amplify both ears' signals.

        Parameters
        ----------
        signal : ndarray, shape (samples, 2)
            Left ear, right ear.
        listener : Listener
            The audiograms.

        Returns
        -------
        ndarray, shape (samples of the result, 2)
            With NAL-R as many samples more as the filter's order.

        Raises
        ------
        ValueError
            When the signal has another shape.
        """
        return np.concatenate(list(self.amplify_blocks(signal, listener)))

    def amplify_blocks(self, signal: np.ndarray, listener: Listener) -> Iterator[np.ndarray]:
        """Yield what `amplify` returns, block by block where the hearing aid can work in blocks.

        Parameters
        ----------
        signal, listener
            As for `amplify`.

        Yields
        ------
        ndarray, shape (samples, 2)
        """
        if np.ndim(signal) != 2 or np.shape(signal)[1] != 2:
            raise ValueError(
                "a signal for both ears has the shape (samples, 2), left and right, not "
                f"{np.shape(signal)}"
            )
        ears = list(zip(signal.T, (listener.audiogram_left, listener.audiogram_right), strict=True))
        if not self.works_in_blocks:
            yield np.column_stack([self.amplify_ear(ear, audiogram) for ear, audiogram in ears])
            return
        nalr = cast("NALR", self.prescription)
        blocks = [nalr.apply_blocks(nalr.build(audiogram)[0], ear) for ear, audiogram in ears]
        for both in zip(*blocks, strict=True):
            yield np.column_stack(both)
