"""Comparison of two signals band by band, hop by hop.

What the features need of a band is small: smoothed envelopes at 250 Hz and covariances at 125 Hz.
Everything before that passes through a few buffers that fit in the processor's cache.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clarity.evaluator.ear_model.covariance import MAX_SEGMENT_LAG, SEGMENT
from clarity.evaluator.ear_model.envelope import ENVELOPE_HOP
from clarity.evaluator.engine.adaptation import (
    adapt_block,
    sensation_level_block,
)
from clarity.evaluator.engine.band_alignment import (
    FRAME_STEP,
    LEAD,
    N_BINS,
    add_cross_spectrum,
    correlation_peaks,
)
from clarity.evaluator.engine.cochlea import Cochlea, compressed_hop
from clarity.evaluator.engine.constants import HOP, LANES
from clarity.evaluator.engine.covariance import segment_covariance
from clarity.evaluator.engine.envelope import smooth_hop
from clarity.evaluator.engine.jit import kernel
from clarity.evaluator.engine.lane_fft import N_FFT, forward
from clarity.evaluator.engine.lanes import aligned_zeros, clear_rows, copy_rows
from clarity.evaluator.engine.noise import add_normals, open_stream

_LEAD_HOPS = LEAD // HOP
_RING_HOPS = 2 * _LEAD_HOPS + 2
_RING = _RING_HOPS * HOP


class Tables(NamedTuple):
    """Constant arrays that the kernels read.

    Attributes
    ----------
    row_of_bin, twiddles : ndarray
        Tables of the transform, see `lane_fft`.
    mirrored_rows, bin_of_pair : ndarray of int64, shapes (N_BINS, 2) and (N_BINS,)
        See `band_alignment`.
    smoothing_window : ndarray, shape (192,)
        See `envelope`.
    segment_windows, window_correlations : ndarray, shapes (3, 384) and (3, 25)
        See `covariance`.
    """

    row_of_bin: NDArray[np.int64]
    twiddles: NDArray[np.float64]
    mirrored_rows: NDArray[np.int64]
    bin_of_pair: NDArray[np.int64]
    smoothing_window: NDArray[np.float64]
    segment_windows: NDArray[np.float64]
    window_correlations: NDArray[np.float64]


class CorrelationFrame(NamedTuple):
    """Buffers for the correlation of two signals in four bands, see `band_alignment`.

    Attributes
    ----------
    re, im : ndarray, shape (N_FFT, 4)
        A frame of the reference and of the processed signal.
    kept : ndarray, shape (2 * LEAD, 4)
        End of the processed signal's frame, with which the next one begins.
    spectrum : ndarray, shape (2 * N_BINS, 4)
        Sum of the frames' cross-spectra.
    """

    re: NDArray[np.float64]
    im: NDArray[np.float64]
    kept: NDArray[np.float64]
    spectrum: NDArray[np.float64]


class Workspace(NamedTuple):
    """Large buffers of a thread; used again, because new memory is slow at first touch.

    Attributes
    ----------
    envelope, motion : CorrelationFrame
        For `find_delays`, 4 MB.
    gains : ndarray, shape (2, n_gains, 4)
        Gains that the cochleas of both signals keep.
    """

    envelope: CorrelationFrame
    motion: CorrelationFrame
    gains: NDArray[np.float64]


def new_workspace(n_gains: int) -> Workspace:
    """Buffers for one thread, and for so many gains of a signal."""
    envelope, motion = (
        CorrelationFrame(
            re=aligned_zeros(N_FFT, LANES),
            im=aligned_zeros(N_FFT, LANES),
            kept=aligned_zeros(2 * LEAD, LANES),
            spectrum=aligned_zeros(2 * N_BINS, LANES),
        )
        for _ in range(2)
    )
    return Workspace(envelope, motion, aligned_zeros(2, n_gains, LANES))


class BandFeatures(NamedTuple):
    """What is kept of four bands.

    Attributes
    ----------
    reference_frames, processed_frames : ndarray, shape (4, F)
        Smoothed envelopes in dB SL.
    covariance : ndarray, shape (4, Q)
        Covariance of basilar-membrane motion.
    mean_square : ndarray, shape (4, Q)
        Mean square of the reference's motion.
    """

    reference_frames: NDArray[np.float64]
    processed_frames: NDArray[np.float64]
    covariance: NDArray[np.float64]
    mean_square: NDArray[np.float64]


class Listening(NamedTuple):
    """Parameters of four bands behind the compression.

    Attributes
    ----------
    full_scale_db : ndarray, shape (HOP * 4,)
        Level above threshold of an envelope of 1, repeated for every sample.
    envelope_lag, motion_lag : ndarray of int64, shape (4,)
        Delay of the processed signal in samples.
    processed_scale : ndarray, shape (4,)
        Factor that the processed signal still needs.
    delay : ndarray of int64, shape (4,)
        Delay of both signals that lines the bands up.
    threshold_db : float
        Level in dB SL that a tile of basilar-membrane motion must exceed to be compared.
    noise_gain : float
        RMS of the noise at threshold.
    noise_keys, noise_positions, noise_waiting : ndarray
        States of the random stream for the four bands of the reference, then of the processed
        signal, see `noise.StreamStates`.
    """

    full_scale_db: NDArray[np.float64]
    envelope_lag: NDArray[np.int64]
    motion_lag: NDArray[np.int64]
    processed_scale: NDArray[np.float64]
    delay: NDArray[np.int64]
    threshold_db: float
    noise_gain: float
    noise_keys: NDArray[np.uint32]
    noise_positions: NDArray[np.int64]
    noise_waiting: NDArray[np.float64]


@kernel
def find_delays(
    reference: Cochlea,
    processed: Cochlea,
    tables: Tables,
    workspace: Workspace,
    energy: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Delay between the compressed signals of four bands.

    Parameters
    ----------
    reference, processed : Cochlea
        Both signals; the processed one may be scaled.
    tables : Tables
        Constant arrays.
    workspace : Workspace
        Scratch.
    energy : ndarray, shape (2, 4)
        The energy of the envelopes before compression and gain is added to it.

    Returns
    -------
    envelope_lag, motion_lag : ndarray, shape (4,)
        See `band_alignment.correlation_peaks`.
    """
    n_samples = reference.x.size
    envelope, motion = workspace.envelope, workspace.motion
    clear_rows(envelope.kept)
    clear_rows(motion.kept)
    clear_rows(envelope.spectrum)
    clear_rows(motion.spectrum)
    for row in range(LEAD, 2 * LEAD, HOP):
        kept = slice(row, row + HOP)
        hop = (row - LEAD) // HOP
        compressed_hop(processed, hop, envelope.kept[kept], motion.kept[kept], energy[1:])
    for first in range(0, n_samples, FRAME_STEP):
        copy_rows(envelope.kept, envelope.im[: 2 * LEAD])
        copy_rows(motion.kept, motion.im[: 2 * LEAD])
        for row in range(0, FRAME_STEP, HOP):
            hop = (first + row) // HOP
            rows = slice(row, row + HOP)
            ahead = slice(row + 2 * LEAD, row + 2 * LEAD + HOP)
            compressed_hop(reference, hop, envelope.re[rows], motion.re[rows], energy[:1])
            compressed_hop(
                processed, hop + _LEAD_HOPS, envelope.im[ahead], motion.im[ahead], energy[1:]
            )
        _add_frame(envelope, tables)
        _add_frame(motion, tables)
    return correlation_peaks(
        envelope.spectrum,
        motion.spectrum,
        tables.bin_of_pair,
        tables.row_of_bin,
        tables.twiddles,
        n_samples,
    )


@kernel
def _add_frame(frame: CorrelationFrame, tables: Tables) -> None:
    """Add a frame to the cross-spectrum, and keep the samples that the next one needs too."""
    copy_rows(frame.im[FRAME_STEP : FRAME_STEP + 2 * LEAD], frame.kept)
    clear_rows(frame.re[FRAME_STEP:])
    clear_rows(frame.im[FRAME_STEP + 2 * LEAD :])
    forward(frame.re, frame.im, tables.twiddles)
    add_cross_spectrum(frame.re, frame.im, tables.mirrored_rows, frame.spectrum)


@kernel
def _aligned_hop(
    ring: NDArray[np.float64],
    hop: int,
    lag: NDArray[np.int64],
    scale: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Take the samples `lag` later than those of a hop out of a ring of rows, times `scale`."""
    for lane in range(LANES):
        row = (hop * HOP + lag[lane] + _RING) % _RING
        n_before_end = min(HOP, _RING - row)
        tail = ring[row : row + n_before_end]
        for t in range(n_before_end):
            out[t, lane] = scale[lane] * tail[t, lane]
        for t in range(n_before_end, HOP):
            out[t, lane] = scale[lane] * ring[t - n_before_end, lane]


@kernel
def _hear_hop(
    envelopes: NDArray[np.float64],
    motions: NDArray[np.float64],
    full_scale_db: NDArray[np.float64],
    states: NDArray[np.float64],
    adapted: NDArray[np.float64],
) -> None:
    """Inner hair cells: dB above threshold, adaptation, and motion in the same units."""
    for s in range(2):
        sensation_level_block(envelopes[s].reshape(-1), full_scale_db, adapted[s].reshape(-1))
    adapt_block(adapted, envelopes, motions, states)


@kernel
def _delay_hop(
    x: NDArray[np.float64], delay: NDArray[np.int64], delayed: NDArray[np.float64]
) -> None:
    """Write a hop behind the samples that wait in each band's delay line.

    A delay line holds the hop before the current one, then the current one, then the samples that
    still wait: shape (4, 2 * HOP + longest delay).
    """
    for lane in range(LANES):
        entering = delayed[lane, HOP + delay[lane] :]
        for t in range(HOP):
            entering[t] = x[t, lane]


@kernel
def _next_hop(delayed: NDArray[np.float64], delay: NDArray[np.int64]) -> None:
    """Move each delay line on by a hop."""
    for lane in range(LANES):
        for t in range(HOP + delay[lane]):
            delayed[lane, t] = delayed[lane, t + HOP]


@kernel
def _smooth_band(
    delayed: NDArray[np.float64],
    hop: int,
    window: NDArray[np.float64],
    frames: NDArray[np.float64],
) -> None:
    """Put the current hop of a delay line into the smoothed envelope."""
    for half in range(HOP // ENVELOPE_HOP):
        first = HOP + half * ENVELOPE_HOP
        samples = delayed[first : first + ENVELOPE_HOP]
        smooth_hop(samples, window, hop * (HOP // ENVELOPE_HOP) + half, frames)


@kernel
def _compare_band(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    hop: int,
    tables: Tables,
    threshold_db: float,
    work: NDArray[np.float64],
    covariance: NDArray[np.float64],
    mean_square: NDArray[np.float64],
) -> None:
    """Covariance of the segments that end with the current hop of two delay lines.

    Segment 0 is the first hop, segment i (1 <= i <= Q - 2) hops i and i + 1, and segment Q - 1 the
    last whole hop.
    """
    n_segments = covariance.size
    windows, correlations = tables.segment_windows, tables.window_correlations
    if hop == 0:
        covariance[0], mean_square[0] = segment_covariance(
            x[HOP:], y[HOP:], windows[0], correlations[0], HOP, threshold_db, work
        )
    if 2 <= hop < n_segments:
        covariance[hop - 1], mean_square[hop - 1] = segment_covariance(
            x, y, windows[1], correlations[1], SEGMENT, threshold_db, work
        )
    if hop == n_segments - 1:
        covariance[hop], mean_square[hop] = segment_covariance(
            x[HOP:], y[HOP:], windows[2], correlations[2], HOP, threshold_db, work
        )


@kernel
def compare(
    reference: Cochlea,
    processed: Cochlea,
    listening: Listening,
    tables: Tables,
    features: BandFeatures,
) -> None:
    """Compare both signals in four bands.

    Parameters
    ----------
    reference, processed : Cochlea
        Both signals, at rest.
    listening : Listening
        Parameters of the later stages.
    tables : Tables
        Constant arrays.
    features : BandFeatures
        Receives the result; zeros on entry.
    """
    n_hops = -(-reference.x.size // HOP)
    envelope_ring, motion_ring = np.zeros((_RING, LANES)), np.zeros((_RING, LANES))
    envelopes, motions = np.zeros((2, HOP, LANES)), np.zeros((2, HOP, LANES))
    adapted = np.zeros((2, HOP, LANES))
    adaptation_states = np.zeros((2, 2, LANES))
    line = 2 * HOP + listening.delay.max()
    motion_lines, envelope_lines = np.zeros((2, LANES, line)), np.zeros((2, LANES, line))
    work = np.zeros((2, SEGMENT + 2 * MAX_SEGMENT_LAG))
    energy = np.zeros((1, LANES))
    streams = [
        open_stream(
            listening.noise_keys[i],
            listening.noise_positions[i, 0],
            listening.noise_positions[i, 1],
            listening.noise_waiting[i],
        )
        for i in range(2 * LANES)
    ]
    for hop in range(-_LEAD_HOPS, n_hops):
        ahead = hop + _LEAD_HOPS
        rows = slice((ahead % _RING_HOPS) * HOP, (ahead % _RING_HOPS + 1) * HOP)
        compressed_hop(processed, ahead, envelope_ring[rows], motion_ring[rows], energy)
        if hop < 0:
            continue
        compressed_hop(reference, hop, envelopes[0], motions[0], energy)
        scale = listening.processed_scale
        _aligned_hop(envelope_ring, hop, listening.envelope_lag, scale, envelopes[1])
        _aligned_hop(motion_ring, hop, listening.motion_lag, scale, motions[1])
        _hear_hop(envelopes, motions, listening.full_scale_db, adaptation_states, adapted)
        for s in range(2):
            _delay_hop(motions[s], listening.delay, motion_lines[s])
            _delay_hop(adapted[s], listening.delay, envelope_lines[s])
        for lane in range(LANES):
            entered = slice(HOP + listening.delay[lane], 2 * HOP + listening.delay[lane])
            for s in range(2):
                add_normals(
                    streams[s * LANES + lane],
                    listening.noise_gain,
                    motion_lines[s, lane, entered],
                )
            x, y = motion_lines[0, lane], motion_lines[1, lane]
            _compare_band(
                x,
                y,
                hop,
                tables,
                listening.threshold_db,
                work,
                features.covariance[lane],
                features.mean_square[lane],
            )
            window = tables.smoothing_window
            _smooth_band(envelope_lines[0, lane], hop, window, features.reference_frames[lane])
            _smooth_band(envelope_lines[1, lane], hop, window, features.processed_frames[lane])
        for s in range(2):
            _next_hop(motion_lines[s], listening.delay)
            _next_hop(envelope_lines[s], listening.delay)
