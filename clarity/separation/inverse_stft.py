"""An inverse short-time Fourier transform that means the same on every device.

The spectrum of a real signal has a real first and, of an even length, a real last bin. Networks
that estimate spectra give these an imaginary part, too. Transforms on a CPU leave it out; in
float32, the one on a GPU does not, and what comes out differs by as much as 45 dB below the signal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode


class RealInverseStft(TorchFunctionMode):
    """Let `torch.istft` leave out imaginary parts that no real signal has, in this context."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Call a function of torch."""
        del types
        if func in (torch.istft, Tensor.istft):
            return _real_istft(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _real_istft(input: Tensor, n_fft: int, *args: Any, **kwargs: Any) -> Tensor:  # noqa: A002
    """Inverse transform of spectra (..., bins, frames), whose half ends are taken as real."""
    spectra = input.clone()
    if input.shape[-2] == n_fft // 2 + 1:
        spectra.imag[..., 0, :] = 0.0
        if n_fft % 2 == 0:
            spectra.imag[..., -1, :] = 0.0
    return torch.istft(spectra, n_fft, *args, **kwargs)
