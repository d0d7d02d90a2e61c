"""A separator made of any torch module."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from clarity.separation.base import Mixture, Stems
from clarity.separation.devices import select_device
from clarity.separation.fingerprint import fingerprint
from clarity.separation.inverse_stft import RealInverseStft
from clarity.separation.segments import MIN_SEGMENT_S, overlap_add, plan_segments
from clarity.utils.memory import blocks
from clarity.utils.precision import full_precision
from clarity.utils.signal_processing import resample


class SegmentedSeparator:
    """Separate music of any length with a torch module, segment by segment.

    Parameters
    ----------
    module : torch.nn.Module
        Maps float32 (batch, channels, time) to (batch, sources, channels, time). It separates in
        evaluation mode and is left in the mode that it is in.
    sources : sequence of str
        The stems in the order in which the module gives them.
    sample_rate : int
        The rate the module works at; mixtures at another rate are resampled, and the stems back.
    normalise : bool
        Whether the module wants a signal standardised by the mean and the standard deviation of the
        mono mixture; the estimates are scaled back. A silent mixture is only shifted.
    segment, overlap : float
        See `clarity.separation.segments.plan_segments`.
    device : str or None
        See `clarity.separation.devices.select_device`.
    batch_size : int
        Segments that go through the module together.
    mixed_precision : bool
        Whether to use float16 where torch holds it safe (CUDA only).

    Raises
    ------
    ValueError
        If a setting is out of its range or the device is not there.
    """

    def __init__(
        self,
        module: torch.nn.Module,
        *,
        sources: Sequence[str],
        sample_rate: int,
        normalise: bool = False,
        segment: float = 10.0,
        overlap: float = 0.1,
        device: str | None = None,
        batch_size: int = 1,
        mixed_precision: bool = False,
    ) -> None:
        self.sources = tuple(sources)
        self.sample_rate = sample_rate
        self.normalise = normalise
        self.segment = segment
        self.overlap = overlap
        self.device = select_device(device)
        self.batch_size = batch_size
        self.mixed_precision = mixed_precision
        self._check_settings()
        self.module = module.to(self.device)

    def _check_settings(self) -> None:
        """Raise ValueError for a setting that cannot be."""
        if not self.sources or len(set(self.sources)) != len(self.sources):
            raise ValueError(f"sources must name each stem once, not {list(self.sources)}")
        if self.sample_rate <= 0:
            raise ValueError(f"sample_rate must be positive, not {self.sample_rate}")
        if self.batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {self.batch_size}")
        if self.mixed_precision and self.device.type != "cuda":
            raise ValueError(f"mixed_precision needs a CUDA device, this one is {self.device}")
        plan_segments(1, self.sample_rate, self.segment, self.overlap)

    def separate(self, mixture: Mixture) -> Stems:
        """Split a mixture into stems.

        Parameters
        ----------
        mixture : Mixture
            The piece, of any length and at any rate, with as many channels as the module takes.

        Returns
        -------
        dict of str to ndarray
            For each of `sources` a float32 signal (samples, channels), as long as the mixture and
            at its rate; each channel is contiguous in memory.

        Raises
        ------
        ValueError
            If the module does not take the mixture's channels, or returns another number of stems
            or values that are not finite.
        """
        signal = resample(mixture.signal, mixture.sample_rate, self.sample_rate)
        mean, deviation = _mono_statistics(signal) if self.normalise else (0.0, 1.0)
        with _evaluation_mode(self.module):
            stems = overlap_add(
                lambda batch: self._forward(batch, mean, deviation),
                signal,
                plan_segments(len(signal), self.sample_rate, self.segment, self.overlap),
                n_sources=len(self.sources),
                batch_size=self.batch_size,
                min_samples=round(MIN_SEGMENT_S * self.sample_rate),
            )
        if self.normalise:
            # After the fades, which therefore go to the mean, as the published scores have it.
            for samples in blocks(stems.shape[-1]):
                stems[..., samples] *= np.float32(deviation)
                stems[..., samples] += np.float32(mean)
        n_samples = len(mixture.signal)
        return {
            name: _fit(resample(stem.T, self.sample_rate, mixture.sample_rate), n_samples)
            for name, stem in zip(self.sources, stems, strict=True)
        }

    @torch.inference_mode()
    def _forward(self, batch: torch.Tensor, mean: float, deviation: float) -> torch.Tensor:
        """Run the module on one batch, standardised if it wants that."""
        signal = batch.to(self.device)
        if self.normalise:
            signal = (signal - mean) / deviation
        precision = nullcontext() if self.mixed_precision else full_precision()
        half = torch.autocast(self.device.type, torch.float16, enabled=self.mixed_precision)
        with precision, half:
            estimates = self.run_module(signal)
        if not isinstance(estimates, torch.Tensor):
            raise ValueError(
                f"{type(self.module).__name__} returned a {type(estimates).__name__}, not a tensor "
                "(batch, sources, channels, time)"
            )
        return estimates.float()

    def run_module(self, signal: torch.Tensor) -> Any:
        """Call the module; what it makes of a signal is the same on every device."""
        with nullcontext() if self.device.type == "cpu" else RealInverseStft():
            return self.module(signal)

    def fingerprint(self) -> str:
        """Identify the stems this separator would give for a mixture.

        Returns
        -------
        str
            SHA-256 over the module's fingerprint and the settings that change its output by more
            than rounding, so not over the device and the batch size.
        """
        settings = (
            self.sources,
            self.sample_rate,
            self.normalise,
            self.segment,
            self.overlap,
            self.mixed_precision,
        )
        return hashlib.sha256(f"{fingerprint(self.module)}{settings}".encode()).hexdigest()


@contextmanager
def _evaluation_mode(module: torch.nn.Module) -> Iterator[None]:
    """Put a module into evaluation mode and each of its parts back into the mode it was in."""
    training = [part for part in module.modules() if part.training]
    module.eval()
    try:
        yield
    finally:
        for part in training:
            part.training = True


def _mono_statistics(signal: NDArray[np.floating]) -> tuple[float, float]:
    """Mean and (population) standard deviation of the mono signal, 1 for a deviation of 0."""
    mono = signal.mean(axis=1, dtype=np.float64)
    return float(mono.mean()), float(mono.std()) or 1.0


def _fit(signal: NDArray[np.float32], n_samples: int) -> NDArray[np.float32]:
    """Cut or zero-pad a signal by the few samples that resampling back and forth has rounded."""
    if len(signal) >= n_samples:
        return signal[:n_samples]
    return np.pad(signal, ((0, n_samples - len(signal)), (0, 0)))
