"""Delay between the two signals in a band; equals `ear_model.band_alignment.band_lags`.

The signals pass by once. Their cross-spectra are summed frame by frame, and one inverse transform
at the end gives the correlation at all lags. A frame holds some hops of the reference and the same
stretch of the processed signal with `Frames.lead` hops more on either side, so that the circular
correlation of the frame is the linear one at the lags that count. Signals that are short enough
take a single frame.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clarity.evaluator.ear_model.band_alignment import MAX_LAG
from clarity.evaluator.engine.cochlea import clear_rows, copy_rows
from clarity.evaluator.engine.constants import HOP
from clarity.evaluator.engine.fft import Transform, forward, transform
from clarity.evaluator.engine.jit import kernel
from clarity.evaluator.engine.vector import WIDTH, aligned_zeros, load, store

_SHORTEST_FRAME, _LONGEST_FRAME = 1024, 16384


class Frames(NamedTuple):
    """How signals of one length are cut into frames.

    Attributes
    ----------
    n_hops : int
        Hops in the signals.
    lead : int
        Hops of the processed signal before and behind those of the reference.
    step, size : int
        Hops of the reference, and of the processed signal, in a frame.
    transform : Transform
        Tables.
    mirrored_rows : ndarray of int64, shape (n_bins, 2)
        Rows of the bins k and -k, from the end of the memory on.
    bin_of_pair : ndarray of int64, shape (n_bins,)
        The bin k of each pair of rows.
    """

    n_hops: int
    lead: int
    step: int
    size: int
    transform: Transform
    mirrored_rows: NDArray[np.int64]
    bin_of_pair: NDArray[np.int64]


def frames_for(n_samples: int) -> Frames:
    """Choose the shortest transform that takes the signals at once, or the longest there is."""
    n_hops = -(-n_samples // HOP)
    lead = min(n_hops, -(-MAX_LAG // HOP))
    n_fft = _SHORTEST_FRAME
    while n_fft < min((n_hops + lead) * HOP, _LONGEST_FRAME):
        n_fft *= 2
    size = n_fft // HOP
    step = n_hops if n_hops + lead <= size else size - 2 * lead
    return Frames(n_hops, lead, step, size, transform(n_fft), *_mirrored_rows(n_fft))


@cache
def _mirrored_rows(n_fft: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """See `Frames`."""
    rows, row_of_bin = np.arange(n_fft), transform(n_fft).row_of_bin
    bin_of_row = np.argsort(row_of_bin)
    mirrored = row_of_bin[-bin_of_row % n_fft]
    pairs = np.stack((rows, mirrored), axis=1)[rows <= mirrored]
    # The transform has left the last rows in the cache: they come first.
    pairs = pairs[np.argsort(-pairs[:, 1])]
    return pairs, bin_of_row[pairs[:, 0]]


class FrameBuffers(NamedTuple):
    """Buffers for envelopes, or for motions, of `WIDTH` bands.

    Attributes
    ----------
    re, im : ndarray, shape (n_fft, WIDTH)
        A frame of the reference and of the processed signal.
    kept : ndarray, shape (2, (size - step) * HOP, WIDTH)
        The beginning of the next frame of both, but for hops of the reference that are cleared.
    spectrum : ndarray, shape (2 * n_bins, WIDTH)
        Sum of the frames' cross-spectra.
    """

    re: NDArray[np.float64]
    im: NDArray[np.float64]
    kept: NDArray[np.float64]
    spectrum: NDArray[np.float64]


def frame_buffers(frames: Frames) -> FrameBuffers:
    """Buffers for one thread."""
    n_fft = frames.transform.row_of_bin.size
    return FrameBuffers(
        re=aligned_zeros(n_fft, WIDTH),
        im=aligned_zeros(n_fft, WIDTH),
        kept=aligned_zeros(2, (frames.size - frames.step) * HOP, WIDTH),
        spectrum=aligned_zeros(2 * frames.bin_of_pair.size, WIDTH),
    )


@kernel
def add_frame(buffers: FrameBuffers, frames: Frames) -> None:
    """Add a frame to the cross-spectrum and begin the next one.

    The reference is in hops `lead` to `lead + step`, the processed signal `lead` hops before and
    behind them, too. What both have behind is what the next frame begins with.
    """
    lead, step, size = frames.lead * HOP, frames.step * HOP, frames.size * HOP
    re, im, kept = buffers.re, buffers.im, buffers.kept
    copy_rows(re[step + lead : size], kept[0, lead:])
    copy_rows(im[step:size], kept[1])
    clear_rows(re[:lead])
    clear_rows(re[lead + step :])
    clear_rows(im[size:])
    forward(re, im, frames.transform)
    _add_cross_spectrum(re, im, frames.mirrored_rows, buffers.spectrum)
    copy_rows(kept[0, lead:], re[lead : size - step])
    copy_rows(kept[1], im[: size - step])


@kernel
def _add_cross_spectrum(
    re: NDArray[np.float64],
    im: NDArray[np.float64],
    mirrored_rows: NDArray[np.int64],
    spectrum: NDArray[np.float64],
) -> None:
    """Add the cross-spectrum of two real signals that were transformed as one complex signal.

    With Z the transform of r + j p, four times conj(R) P is
    2 Im(Z[k] Z[-k]) - j (|Z[k]|^2 - |Z[-k]|^2). Real and imaginary parts are summed in turn, bins
    in the order of `Frames.mirrored_rows`.
    """
    for k in range(mirrored_rows.shape[0]):
        i, j = mirrored_rows[k, 0], mirrored_rows[k, 1]
        a_re, a_im, b_re, b_im = load(re, i), load(im, i), load(re, j), load(im, j)
        real = 2.0 * (a_re * b_im + a_im * b_re)
        imaginary = (b_re * b_re + b_im * b_im) - (a_re * a_re + a_im * a_im)
        store(spectrum, 2 * k, load(spectrum, 2 * k) + real)
        store(spectrum, 2 * k + 1, load(spectrum, 2 * k + 1) + imaginary)


@kernel
def correlation_peaks(
    envelope: FrameBuffers,
    motion: FrameBuffers,
    frames: Frames,
    n_samples: int,
    lags: NDArray[np.int64],
) -> None:
    """Lags of the largest correlation.

    Parameters
    ----------
    envelope, motion : FrameBuffers
        Sums of cross-spectra; the frame of the envelope becomes scratch.
    frames : Frames
        How the signals were cut.
    n_samples : int
        Length of the signals; shorter than `MAX_LAG`, it bounds the lags.
    lags : ndarray of int64, shape (2, WIDTH)
        Receives, of envelopes and motions, the D that maximises sum r[n] p[n + D], -L <= D < L; of
        equal maxima the last.
    """
    # The inverse of W is the forward transform, read backwards. Both correlations are real, so one
    # transform of W_envelope + j W_motion gives them as its real and imaginary parts.
    re, im, row_of_bin = envelope.re, envelope.im, frames.transform.row_of_bin
    n_fft = re.shape[0]
    for k in range(frames.bin_of_pair.size):
        i = frames.bin_of_pair[k]
        mirrored = (n_fft - i) % n_fft
        e_re, e_im = load(envelope.spectrum, 2 * k), load(envelope.spectrum, 2 * k + 1)
        m_re, m_im = load(motion.spectrum, 2 * k), load(motion.spectrum, 2 * k + 1)
        store(re, mirrored, e_re + m_im)
        store(im, mirrored, m_re - e_im)
        store(re, i, e_re - m_im)
        store(im, i, e_im + m_re)
    forward(re, im, frames.transform)
    for band in range(WIDTH):
        lags[0, band] = _peak_lag(re, band, row_of_bin, n_samples)
        lags[1, band] = _peak_lag(im, band, row_of_bin, n_samples)


@kernel
def _peak_lag(
    correlation: NDArray[np.float64], band: int, row_of_bin: NDArray[np.int64], n_samples: int
) -> int:
    """Lag of the maximum of a band of a correlation that `forward` left read backwards."""
    last = min(MAX_LAG, n_samples) - 1
    first = -MAX_LAG if n_samples > MAX_LAG else -last
    peak_lag, highest = last, -np.inf
    for lag in range(first, last + 1):
        value = correlation[row_of_bin[-lag % row_of_bin.size], band]
        if value >= highest:
            peak_lag, highest = lag, value
    return peak_lag
