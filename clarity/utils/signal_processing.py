"""Levels, clipping, sample formats and sampling rates of signals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import scipy
import soxr

FULL_SCALE_16BIT: Final = 32768
"""Integer that stands for 1.0 in 16-bit samples; 1.0 itself is one step too large for them."""

LARGEST_16BIT: Final = (FULL_SCALE_16BIT - 1) / FULL_SCALE_16BIT
"""Largest value that 16-bit samples hold, full scale 1."""

_SOXR_DTYPES: Final = (np.float32, np.float64, np.int16, np.int32)


def clip_signal(
    signal: npt.ArrayLike, soft_clip: bool = False
) -> tuple[npt.NDArray[np.floating], int]:
    """Limit a signal to [-1, 1].

    Parameters
    ----------
    signal : array_like, any shape
        The signal, full scale 1.
    soft_clip : bool
        Pass the signal through the hyperbolic tangent first, which bends peaks instead of cutting
        them (and lowers the rest a little).

    Returns
    -------
    signal : ndarray
        Limited copy.
    n_clipped : int
        Number of samples that were beyond the limits, all channels counted. NaN is not.
    """
    samples = np.tanh(signal) if soft_clip else np.asarray(signal)
    n_clipped = int(np.count_nonzero(samples > 1.0) + np.count_nonzero(samples < -1.0))
    return np.clip(samples, -1.0, 1.0), n_clipped


def to_16bit(signal: npt.ArrayLike) -> npt.NDArray[np.int16]:
    """16-bit samples of a signal, truncated toward zero and clipped at full scale.

    Parameters
    ----------
    signal : array_like, any shape
        The signal, full scale 1.

    Returns
    -------
    ndarray of int16, same shape
        The integer part of 32768 times the signal, from -32768 to 32767.

    Raises
    ------
    ValueError
        When a sample is NaN, which no integer stands for.
    """
    scaled = np.array(signal, dtype=np.float64)
    scaled *= FULL_SCALE_16BIT
    n_nan = np.count_nonzero(np.isnan(scaled))
    if n_nan:
        raise ValueError(f"cannot make 16-bit samples of a signal with {n_nan} NaN samples")
    np.clip(scaled, -FULL_SCALE_16BIT, FULL_SCALE_16BIT - 1, out=scaled)
    return scaled.astype(np.int16)


@dataclass
class Clipping:
    """How much of a signal was beyond full scale before it was limited.

    Attributes
    ----------
    n_clipped, n_samples : int
        Samples beyond full scale and all samples, all channels counted.
    peak : float
        The largest magnitude, full scale is 1.
    """

    n_clipped: int = 0
    n_samples: int = 0
    peak: float = 0.0


def limited_to_16bit(
    blocks: Iterator[npt.NDArray[np.floating]], soft_clip: bool, clipping: Clipping
) -> Iterator[npt.NDArray[np.int16]]:
    """Limit a signal to full scale and round it to 16 bits, block by block.

    Parameters
    ----------
    blocks : iterator of ndarray, shape (samples,) or (samples, channels)
        The signal, full scale 1.
    soft_clip : bool
        Pass the signal through the hyperbolic tangent.
    clipping : Clipping
        What was limited is added to it.

    Yields
    ------
    ndarray of int16
        Truncated toward zero, in the shapes of the blocks.
    """
    for block in blocks:
        limited, n_beyond = clip_signal(block, soft_clip)
        clipping.n_clipped += n_beyond
        clipping.n_samples += block.size
        clipping.peak = max(clipping.peak, float(np.max(np.abs(block), initial=0.0)))
        yield to_16bit(limited)


def compute_rms(signal: npt.ArrayLike) -> float:
    """Root of the mean square of a signal over all its samples and channels; 0 for an empty one."""
    samples = np.asarray(signal, dtype=np.float64)
    return float(np.sqrt(np.mean(np.square(samples)))) if samples.size else 0.0


def normalize_signal(signal: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Standardise a signal by the mean and standard deviation of its mono sum.

    Parameters
    ----------
    signal : ndarray or torch.Tensor, shape (channels, samples)
        The signal.

    Returns
    -------
    signal : ndarray or torch.Tensor, shape (channels, samples)
        Less the mean and divided by the standard deviation of `ref`.
    ref : ndarray or torch.Tensor, shape (samples,)
        Mean over the channels, for `denormalize_signals`.

    Notes
    -----
    When `ref` is constant (silence, or channels that cancel), only the mean is taken out.
    """
    ref = signal.mean(0)
    return (signal - ref.mean()) / _spread(ref), ref


def denormalize_signals(sources: npt.NDArray[Any], ref: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Undo `normalize_signal` on signals separated from its output.

    Parameters
    ----------
    sources : ndarray or torch.Tensor, shape (..., samples)
        Standardised signals.
    ref : ndarray or torch.Tensor, shape (samples,)
        What `normalize_signal` returned.

    Returns
    -------
    ndarray or torch.Tensor, shape (..., samples)
        Signals with the scale and offset of the original.
    """
    return sources * _spread(ref) + ref.mean()


def _spread(ref: npt.NDArray[Any]) -> Any:
    deviation = ref.std()
    return deviation if deviation != 0 else 1.0


def resample(
    signal: npt.ArrayLike, sample_rate: float, new_sample_rate: float, method: str = "soxr"
) -> npt.NDArray[Any]:
    """Change the sampling rate of a signal.

    Parameters
    ----------
    signal : array_like, shape (samples,) or (samples, channels)
        The signal; (samples, ...) for the other methods than soxr.
    sample_rate, new_sample_rate : float
        Rate it has and rate it is to have, in Hz. Equal ones return the signal itself.
    method : {"soxr", "polyphase", "fft"}
        SoX resampler at its high quality; polyphase filter with a Kaiser window (rates are
        taken as whole numbers); Fourier method, which takes the signal to be periodic.

    Returns
    -------
    ndarray, shape (new_samples, ...)
        Resampled signal.

    Raises
    ------
    ValueError
        When a rate is not above 0 Hz, the signal has more dimensions than the method takes, or the
        method is none of these.
    """
    samples = np.asarray(signal)
    if sample_rate == new_sample_rate:
        return samples
    max_dims = 2 if method == "soxr" else None
    samples = _resamplable(samples, sample_rate, new_sample_rate, max_dims)
    if method == "soxr":
        return np.concatenate(list(resample_blocks([samples], sample_rate, new_sample_rate)))
    if method == "polyphase":
        return scipy.signal.resample_poly(samples, int(new_sample_rate), int(sample_rate))
    if method == "fft":
        n_new = int(samples.shape[0] * new_sample_rate / sample_rate)
        return scipy.signal.resample(samples, n_new) if n_new else samples[:0]
    raise ValueError(f"unknown resampling method {method!r}: choose soxr, polyphase or fft")


def resample_blocks(
    signal: Iterable[npt.NDArray[np.floating]], sample_rate: float, new_sample_rate: float
) -> Iterator[npt.NDArray[np.floating]]:
    """Change the sampling rate of a signal that comes in blocks, with the SoX resampler.

    `resample` gives these blocks joined, so that no signal that comes in blocks needs to be whole.

    Parameters
    ----------
    signal : iterable of ndarray, shape (samples,) or (samples, channels)
        The signal, block after block, all of one type.
    sample_rate, new_sample_rate : float
        Rate it has and rate it is to have, in Hz.

    Yields
    ------
    ndarray
        The resampled signal, block after block; their lengths differ.

    Raises
    ------
    ValueError
        When a rate is not above 0 Hz or a block has more than two dimensions.
    """
    if sample_rate == new_sample_rate:
        yield from signal
        return
    resampler: soxr.ResampleStream | None = None
    for samples in signal:
        block = _resamplable(samples, sample_rate, new_sample_rate)
        if resampler is None:
            n_channels = 1 if block.ndim == 1 else block.shape[1]
            resampler = soxr.ResampleStream(
                sample_rate, new_sample_rate, n_channels, dtype=str(block.dtype)
            )
        yield resampler.resample_chunk(block)
    if resampler is not None:
        yield resampler.resample_chunk(block[:0], last=True)


def _resamplable(
    samples: npt.NDArray[Any],
    sample_rate: float,
    new_sample_rate: float,
    max_dims: int | None = 2,
) -> npt.NDArray[Any]:
    """Give samples a type that soxr takes, or refuse them or the rates."""
    if not (sample_rate > 0 and new_sample_rate > 0):
        raise ValueError(
            f"sampling rates must be above 0 Hz, got {sample_rate:g} and {new_sample_rate:g}"
        )
    if samples.ndim == 0 or (max_dims is not None and samples.ndim > max_dims):
        raise ValueError(f"signal must be (samples,) or (samples, channels), got {samples.shape}")
    return samples if samples.dtype in _SOXR_DTYPES else samples.astype(np.float64)
