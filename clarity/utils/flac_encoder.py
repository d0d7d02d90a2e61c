"""Lossless 16-bit FLAC files."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import soundfile

from clarity.utils.atomic_files import atomic_path
from clarity.utils.file_io import open_audio, write_signal
from clarity.utils.memory import as_blocks
from clarity.utils.peak_file import (
    peak_file_of,
    read_peak,
    remove_peak_file,
    require_place_for_peak,
    write_peak,
)
from clarity.utils.signal_processing import (
    FULL_SCALE_16BIT,
    Clipping,
    limited_to_16bit,
    resample_blocks,
    to_16bit,
)

logger = logging.getLogger(__name__)

_MAX_COMPRESSION_LEVEL: Final = 8


class FlacEncoder:
    """Encoder and decoder of 16-bit samples.

    Parameters
    ----------
    compression_level : int
        From 0 (fast) to 8 (small). The samples are the same at every level.

    Raises
    ------
    ValueError
        When there is no such level.
    """

    def __init__(self, compression_level: int = 5) -> None:
        if not 0 <= compression_level <= _MAX_COMPRESSION_LEVEL:
            raise ValueError(
                f"compression_level must be from 0 to {_MAX_COMPRESSION_LEVEL}, got "
                f"{compression_level!r}"
            )
        self.compression_level = compression_level

    def encode(
        self,
        signal: npt.NDArray[np.int16] | Iterator[npt.NDArray[np.int16]],
        sample_rate: int,
        output_file: str | Path | None = None,
    ) -> bytes:
        """Encode samples.

        Parameters
        ----------
        signal : ndarray of int16, shape (samples,) or (samples, channels), or iterator of such
            The samples, at once or block after block; the stream is the same.
        sample_rate : int
            Sampling rate in Hz.
        output_file : str or Path, optional
            File to write the stream to, whole or not at all.

        Returns
        -------
        bytes
            The FLAC stream.

        Raises
        ------
        ValueError
            When the samples are not int16 or there are none, which FLAC cannot hold.
        """
        stream = io.BytesIO()
        with contextlib.ExitStack() as until_written:
            file: soundfile.SoundFile | None = None
            for block in as_blocks(signal):
                if block.dtype != np.int16:
                    raise ValueError(f"FLAC takes 16-bit integer samples here, got {block.dtype}")
                if block.size == 0:
                    continue
                file = file or until_written.enter_context(self._open(stream, block, sample_rate))
                file.write(block)
        if file is None:
            raise ValueError("a FLAC file needs one sample or more, the signal has none")
        encoded = stream.getvalue()
        if output_file is not None:
            with atomic_path(output_file) as temporary:
                temporary.write_bytes(encoded)
        return encoded

    def _open(
        self, stream: io.BytesIO, block: npt.NDArray[np.int16], sample_rate: int
    ) -> soundfile.SoundFile:
        return soundfile.SoundFile(
            stream,
            "w",
            int(sample_rate),
            channels=1 if block.ndim == 1 else block.shape[1],
            format="FLAC",
            subtype="PCM_16",
            compression_level=self.compression_level / _MAX_COMPRESSION_LEVEL,
        )

    @staticmethod
    def decode(input_filename: str | Path) -> tuple[npt.NDArray[np.int16], float]:
        """Decode a file.

        Parameters
        ----------
        input_filename : str or Path
            16-bit FLAC file.

        Returns
        -------
        signal : ndarray of int16, shape (samples,) or (samples, channels)
            The samples.
        sample_rate : float
            Sampling rate in Hz.

        Raises
        ------
        FileNotFoundError
            When there is no such file.
        ValueError
            When it cannot be decoded or its samples have more than 16 bits.
        """
        with open_audio(input_filename) as file:
            if file.subtype not in ("PCM_16", "PCM_S8"):
                raise ValueError(f"{input_filename}: holds {file.subtype} samples, not 16-bit ones")
            return file.read(dtype="int16"), float(file.samplerate)


class WavEncoder:
    """Encoder of one signal, as `process`, for scripts that use this name.

    Parameters
    ----------
    signal : ndarray of int16, shape (samples,) or (samples, channels)
        The samples.
    sample_rate : int
        Sampling rate in Hz.
    output_file : str or Path, optional
        File to write the stream to, whole or not at all.
    compression_level : int
        From 0 (fast) to 8 (small).
    blocksize, streamable_subset, verify : int, bool, bool
        Of no effect: libsndfile chooses the block size within the streamable subset, and the
        samples are the same with all of them.
    """

    def __init__(
        self,
        signal: npt.NDArray[np.int16],
        sample_rate: int,
        output_file: str | Path | None = None,
        compression_level: int = 5,
        blocksize: int = 0,
        streamable_subset: bool = True,
        verify: bool = False,
    ) -> None:
        del blocksize, streamable_subset, verify
        self._encode = partial(
            FlacEncoder(compression_level).encode, signal, sample_rate, output_file
        )

    def process(self) -> bytes:
        """Return the FLAC stream, which is written to the output file if there is one."""
        return self._encode()


class FileDecoder:
    """Decoder of one file, as `process`, for scripts that use this name.

    Parameters
    ----------
    input_file : str or Path
        16-bit FLAC file.
    output_file : str or Path, optional
        WAV file to write the samples to, whole or not at all.
    """

    def __init__(self, input_file: str | Path, output_file: str | Path | None = None) -> None:
        self.input_file = input_file
        self.output_file = output_file

    def process(self) -> tuple[npt.NDArray[np.int16], int]:
        """Return the samples, shape (samples,) or (samples, channels), and the rate in Hz."""
        signal, sample_rate = FlacEncoder.decode(self.input_file)
        if self.output_file is not None:
            scaled = signal / FULL_SCALE_16BIT
            write_signal(self.output_file, scaled, sample_rate, floating_point=False)
        return signal, int(sample_rate)


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
