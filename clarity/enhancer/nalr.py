"""NAL-R, the linear hearing-aid prescription of the National Acoustic Laboratories.

D. Byrne and H. Dillon, "The National Acoustic Laboratories' (NAL) new procedure for selecting the
gain and frequency response of a hearing aid", Ear and Hearing 7(4), 1986.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
import scipy

from clarity.utils.audiogram import Audiogram

NALR_FREQS: Final = np.array([250.0, 500.0, 1000.0, 2000.0, 4000.0, 6000.0])
"""Frequencies in Hz for which NAL-R prescribes a gain."""

_CORRECTION_DB: Final = np.array([-17.0, -8.0, 1.0, -1.0, -2.0, -2.0])
_AVERAGED: Final = slice(1, 4)  # 500, 1000 and 2000 Hz
_N_FFT: Final = 1024
_N_BINS: Final = _N_FFT // 2 + 1
_MAX_BLOCKS_AT_ONCE: Final = 16
_SAMPLES_AT_ONCE: Final = 1 << 16  # as many as the processor's cache holds

MAX_NFIR: Final = _N_FFT - 2
"""Longest filter order that the frequency sampling can carry."""


def insertion_gain_db(audiogram: Audiogram) -> npt.NDArray[np.float64]:
    """Compute the insertion gain that NAL-R prescribes.

    With the levels H in dB HL and S = H(500) + H(1000) + H(2000), the gain at f is
    X + 0.31 H(f) + k(f), and never below 0 dB. X is 0.05 S up to S = 180 dB and grows by 0.116
    per dB above it; k(f) shapes the average spectrum of speech.

    Parameters
    ----------
    audiogram : Audiogram
        Hearing loss of the ear.

    Returns
    -------
    ndarray, shape (6,)
        Gain in dB at `NALR_FREQS`.

    Raises
    ------
    ValueError
        When the audiogram lacks a level that is needed; the message names the frequency.
    """
    levels_db = audiogram.levels_for("NAL-R", NALR_FREQS)
    level_sum_db = levels_db[_AVERAGED].sum()
    overall_db = 0.05 * min(level_sum_db, 180.0) + 0.116 * max(level_sum_db - 180.0, 0.0)
    return np.maximum(overall_db + 0.31 * levels_db + _CORRECTION_DB, 0.0)


class NALR:
    """Linear-phase FIR filters with the NAL-R insertion gain.

    Parameters
    ----------
    nfir : int
        Order of the filter: it has `nfir` + 1 taps and delays by `nfir` / 2 samples.
    sample_rate : float
        Sampling rate in Hz.

    Raises
    ------
    ValueError
        When the order is outside 1 to `MAX_NFIR` or the rate is not above 0 Hz.
    """

    def __init__(self, nfir: int, sample_rate: float) -> None:
        if nfir != int(nfir) or not 1 <= nfir <= MAX_NFIR:
            raise ValueError(f"nfir must be a whole number from 1 to {MAX_NFIR}, got {nfir!r}")
        if not 0.0 < sample_rate < np.inf:
            raise ValueError(f"sample_rate must be above 0 Hz, got {sample_rate!r}")
        self.nfir = int(nfir)
        self.sample_rate = sample_rate
        self.fmax = sample_rate / 2.0
        self.delay = np.zeros(self.nfir + 1)
        self.delay[self.nfir // 2] = 1.0

    def build(
        self, audiogram: Audiogram
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Filter for one ear.

        Parameters
        ----------
        audiogram : Audiogram
            Hearing loss of the ear; taken at `NALR_FREQS`.

        Returns
        -------
        fir : ndarray, shape (nfir + 1,)
            The filter. Without a loss at any of `NALR_FREQS` it is `delay`.
        delay : ndarray, shape (nfir + 1,)
            A filter of the same delay and no gain.

        Raises
        ------
        ValueError
            When the audiogram lacks a level that is needed; the message names the frequency.
        """
        if audiogram.levels_for("NAL-R", NALR_FREQS).max() <= 0.0:
            return self.delay.copy(), self.delay.copy()
        knots_hz = np.concatenate(([0.0], NALR_FREQS, [self.fmax]))
        gain_db = insertion_gain_db(audiogram)
        knots_db = np.concatenate((gain_db[:1], gain_db, gain_db[-1:]))
        # Below 12 kHz the Nyquist frequency is among the six and takes its place in order.
        order = np.argsort(knots_hz, kind="stable")
        nodes = np.arange(self.nfir + 1) / self.nfir
        nodes_db = np.interp(nodes * self.fmax, knots_hz[order], knots_db[order])
        return self._design(nodes, 10.0 ** (nodes_db / 20.0)), self.delay.copy()

    def _design(
        self, nodes: npt.NDArray[np.float64], amplitudes: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        """Filter by frequency sampling and a Hamming window.

        Between two nodes (fractions of the Nyquist frequency) the response goes in a straight
        line from one amplitude to the next, both on a bin of their own.
        """
        response = np.zeros(_N_BINS)
        response[0] = amplitudes[0]
        ends = np.floor(nodes[1:] * _N_BINS).astype(int)
        for start, end, low, high in zip(
            [0, *ends[:-1]], ends, amplitudes[:-1], amplitudes[1:], strict=True
        ):
            if end > start:
                slope = np.arange(end - start) / max(end - start - 1, 1)
                response[start:end] = (1.0 - slope) * low + slope * high
        phase = np.exp(-1j * np.pi * self.nfir * np.arange(_N_BINS) / _N_FFT)
        return np.fft.irfft(response * phase)[: self.nfir + 1] * np.hamming(self.nfir + 1)

    def apply(
        self, nalr: npt.NDArray[np.float64], wav: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        """Filter a signal.

        Parameters
        ----------
        nalr : ndarray, shape (taps,)
            Filter from `build`, or any other.
        wav : ndarray, shape (samples,)
            Signal of one ear.

        Returns
        -------
        ndarray, shape (samples + taps - 1,)
            Full convolution: the delay of the filter stays in.

        Raises
        ------
        ValueError
            When the signal has no samples or more than one channel, or the filter no taps.
        """
        out = np.empty(np.size(wav) + np.size(nalr) - 1)
        start = 0
        for block in self.apply_blocks(nalr, wav):
            out[start : start + block.size] = block
            start += block.size
        return out

    def apply_blocks(
        self, nalr: npt.NDArray[np.float64], wav: npt.NDArray[np.floating]
    ) -> Iterator[npt.NDArray[np.float64]]:
        """Filter a signal and give the result block by block, so that little memory is needed.

        Parameters
        ----------
        nalr : ndarray, shape (taps,)
            Filter from `build`, or any other.
        wav : ndarray, shape (samples,)
            Signal of one ear.

        Yields
        ------
        ndarray, shape (samples,)
            The result of `apply`, which joins these blocks. Those of equally long signals are
            equally long.

        Raises
        ------
        ValueError
            As `apply` does.
        """
        if np.ndim(wav) != 1 or np.size(wav) == 0:
            raise ValueError(
                "NAL-R works on one ear at a time: the signal must have shape (samples,) with one "
                f"or more samples, got {np.shape(wav)}"
            )
        if np.ndim(nalr) != 1 or np.size(nalr) == 0:
            raise ValueError(f"a filter has the shape (taps,), got {np.shape(nalr)}")
        yield from _convolve(np.asarray(wav), np.asarray(nalr))


def _convolve(
    signal: npt.NDArray[np.floating], fir: npt.NDArray[np.float64]
) -> Iterator[npt.NDArray[np.float64]]:
    """Convolve a long signal with a short filter: overlap-save, a few blocks at a time.

    A. V. Oppenheim and R. W. Schafer, "Discrete-Time Signal Processing", section 8.7.3.
    """
    n_history = fir.size - 1
    n_fft = _N_FFT
    while n_fft < 4 * n_history:
        n_fft *= 4
    n_blocks = max(1, min(_MAX_BLOCKS_AT_ONCE, _SAMPLES_AT_ONCE // n_fft))
    n_step = n_fft - n_history
    response = scipy.fft.rfft(fir, n_fft)
    n_out = signal.size + n_history
    piece = np.empty(n_history + n_blocks * n_step)
    blocks = np.lib.stride_tricks.sliding_window_view(piece, n_fft)[::n_step]
    for start in range(0, n_out, n_blocks * n_step):
        known = slice(max(start - n_history, 0), start + n_blocks * n_step)
        n_before = known.start - (start - n_history)  # the signal is zero before its first sample
        n_known = signal[known].size
        piece[:n_before] = 0.0
        piece[n_before : n_before + n_known] = signal[known]
        piece[n_before + n_known :] = 0.0
        filtered = scipy.fft.irfft(scipy.fft.rfft(blocks) * response, n_fft)[:, n_history:]
        yield filtered.ravel()[: n_out - start]
