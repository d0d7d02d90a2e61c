"""Encoding and decoding of 16-bit FLAC streams."""

from __future__ import annotations

import contextlib
import io
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
from clarity.utils.signal_processing import FULL_SCALE_16BIT

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
