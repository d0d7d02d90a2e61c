"""Signals in lossless 16-bit FLAC files.

The names of `flac_codec` are offered here too, where scripts written for pyClarity look for them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clarity.utils.file_io import open_audio
from clarity.utils.flac_codec import FileDecoder, FlacEncoder, WavEncoder
from clarity.utils.memory import as_blocks
from clarity.utils.peak_file import (
    peak_file_of,
    read_peak,
    remove_peak_file,
    require_place_for_peak,
    write_peak,
)
from clarity.utils.signal_processing import (
    Clipping,
    limited_to_16bit,
    resample_blocks,
    to_16bit,
)

__all__ = ["FileDecoder", "FlacEncoder", "WavEncoder", "read_flac_signal", "save_flac_signal"]

logger = logging.getLogger(__name__)


def read_flac_signal(filename: str | Path) -> tuple[npt.NDArray[np.float32], float]:
    """Read a signal that `save_flac_signal` wrote, or any other FLAC file.

    Parameters
    ----------
    filename : str or Path
        FLAC file. When a text file of the same name with the suffix ``.txt`` is beside it, that
        holds the peak the signal was scaled by, and the scaling is undone.

    Returns
    -------
    signal : ndarray of float32, shape (samples,) or (samples, channels)
        The signal, full scale 1.
    sample_rate : float
        Sampling rate in Hz.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When the FLAC cannot be decoded or the text file holds no number.
    """
    with open_audio(filename) as file:
        signal, sample_rate = file.read(dtype="float32"), float(file.samplerate)
    peak_file = peak_file_of(filename)
    if not peak_file.is_file():
        return signal, sample_rate
    peak = read_peak(peak_file)
    if peak is None:
        raise ValueError(
            f"{peak_file}: must hold the peak that {Path(filename).name} was scaled by, one number"
        )
    return signal * peak, sample_rate


def save_flac_signal(
    signal: npt.NDArray[np.floating] | Iterator[npt.NDArray[np.floating]],
    filename: str | Path,
    signal_sample_rate: int,
    output_sample_rate: int | None = None,
    do_clip_signal: bool = False,
    do_soft_clip: bool = False,
    do_scale_signal: bool = False,
) -> None:
    """Write a signal as a 16-bit FLAC file, whole or not at all.

    Parameters
    ----------
    signal : ndarray, shape (samples,) or (samples, channels), or iterator of such arrays
        The signal, full scale 1, at once or block after block: then only the FLAC stream is held in
        memory, unless the signal is to be scaled.
    filename : str or Path
        File to write.
    signal_sample_rate : int
        Sampling rate of the signal in Hz.
    output_sample_rate : int, optional
        Sampling rate of the file in Hz; default that of the signal.
    do_clip_signal : bool
        Limit the signal to [-1, 1], with a warning that counts the samples beyond.
    do_soft_clip : bool
        With `do_clip_signal`: pass the signal through the hyperbolic tangent.
    do_scale_signal : bool
        Divide the signal by its peak instead and keep the peak in a text file beside it, for
        `read_flac_signal`.

    Raises
    ------
    ValueError
        When the signal holds NaN or no samples, or a text file is in the place of that of the peak.

    Notes
    -----
    Samples are truncated toward zero; what goes beyond full scale without either option is cut
    there.
    """
    sample_rate = output_sample_rate or signal_sample_rate
    clipping = Clipping()
    resampled = resample_blocks(as_blocks(signal), signal_sample_rate, sample_rate)
    if do_scale_signal:
        require_place_for_peak(filename)
        whole = np.concatenate(list(resampled))
        peak = float(np.max(np.abs(whole), initial=0.0)) or 1.0
        resampled = as_blocks(whole / peak)
    if do_clip_signal and not do_scale_signal:
        samples = limited_to_16bit(resampled, do_soft_clip, clipping)
    else:
        samples = map(to_16bit, resampled)
    FlacEncoder().encode(samples, sample_rate, filename)
    if clipping.n_clipped:
        logger.warning("Writing %s: %d samples clipped", filename, clipping.n_clipped)
    if do_scale_signal:
        write_peak(filename, peak)
    else:
        remove_peak_file(filename)
