"""Comparison of two signals in `WIDTH` bands, hop by hop, in two passes.

`find_delays` runs both through the cochlea up to the compression and finds the delay between them
in each band; `compare` runs them again and goes on to the features. Together that is what
`ear_model.model.compare_signals` does band by band. What the features need of a band is small:
smoothed envelopes at 250 Hz and covariances at 125 Hz. Everything before that passes through a few
buffers that fit in the processor's cache.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clarity.evaluator.ear_model.envelope import ENVELOPE_HOP
from clarity.evaluator.engine.adaptation import adapt_block, sensation_level_block
from clarity.evaluator.engine.band_alignment import Frames, add_frame, correlation_peaks
from clarity.evaluator.engine.band_data import BandFeatures, BandParameters, Workspace
from clarity.evaluator.engine.cochlea import (
    Cochlea,
    CochleaState,
    clear_rows,
    compressed_hop,
    copy_rows,
)
from clarity.evaluator.engine.constants import HOP
from clarity.evaluator.engine.covariance import covariance_hop
from clarity.evaluator.engine.envelope import smooth_hop
from clarity.evaluator.engine.gammatone import Output
from clarity.evaluator.engine.jit import kernel
from clarity.evaluator.engine.noise import Streams, draw_normals
from clarity.evaluator.engine.rings import finish_hop, gather, row_of_hop, take_hop
from clarity.evaluator.engine.vector import WIDTH, load, store


@kernel
def find_delays(
    state: CochleaState,
    cochlea: Cochlea,
    frames: Frames,
    workspace: Workspace,
    energy: NDArray[np.float64],
    lags: NDArray[np.int64],
) -> None:
    """Delay between the compressed signals.

    Parameters
    ----------
    state : CochleaState
        State at the start of a pass.
    cochlea : Cochlea
        Both signals; the processed one may be scaled.
    frames : Frames
        How to cut the signals for their correlation.
    workspace : Workspace
        Scratch.
    energy : ndarray, shape (2, WIDTH)
        See `gammatone.main_block`.
    lags : ndarray of int64, shape (2, WIDTH)
        Receives the delays of envelopes and motions, see `band_alignment.correlation_peaks`.
    """
    envelope, motion = workspace.envelope, workspace.motion
    for buffers in (envelope, motion):
        clear_rows(buffers.spectrum)
        clear_rows(buffers.im[: frames.lead * HOP])
    for first in range(0, frames.n_hops, frames.step):
        n_present = frames.lead if first == 0 else frames.size - frames.step
        for hop in range(n_present, frames.size):
            rows = slice(hop * HOP, (hop + 1) * HOP)
            reference = Output(envelope.re[rows], motion.re[rows])
            processed = Output(envelope.im[rows], motion.im[rows])
            at = first + hop - frames.lead
            compressed_hop(state, cochlea, at, (reference, processed), energy)
        add_frame(envelope, frames)
        add_frame(motion, frames)
    correlation_peaks(envelope, motion, frames, cochlea.x.size, lags)


@kernel
def _inner_hair_cell_hop(
    voltages: NDArray[np.float64],
    full_scale_db: NDArray[np.float64],
    envelope: NDArray[np.float64],
    rate: NDArray[np.float64],
    motion: NDArray[np.float64],
) -> None:
    """Compute firing rate and motion in dB SL; equals `ear_model.model.inner_hair_cells`."""
    sensation_level_block(full_scale_db, envelope, rate)
    adapt_block(voltages, envelope, rate, motion)


@kernel
def _add_noise_hop(
    streams: Streams,
    parameters: BandParameters,
    s: int,
    hop: int,
    workspace: Workspace,
    motion: NDArray[np.float64],
) -> None:
    """Add noise to a hop of signal s, from the first sample of each band on."""
    noise, places = workspace.noise, workspace.places
    for band in range(WIDTH):
        places[band] = band * HOP
        n_before = min(max(parameters.delay[band] - hop * HOP, 0), HOP)
        for n in range(n_before):
            noise[band, n] = 0.0
        draw_normals(streams, s * WIDTH + band, noise[band, n_before:])
    for n in range(HOP):
        store(motion, n, load(motion, n) + parameters.noise_gain * gather(noise, places, n))


@kernel
def compare(
    state: CochleaState,
    cochlea: Cochlea,
    parameters: BandParameters,
    rings: tuple[Output, Output],
    n_ahead: int,
    streams: Streams,
    workspace: Workspace,
    features: BandFeatures,
) -> None:
    """Compare both signals.

    Parameters
    ----------
    state : CochleaState
        State at the start of a pass.
    cochlea : Cochlea
        Both signals.
    parameters : BandParameters
        Parameters of the later stages.
    rings : tuple of two Output
        See `band_data.new_rings`.
    n_ahead : int
        `BandParameters.hops_ahead()`.
    streams : Streams
        Noise of the bands of the reference, then of the processed signal.
    workspace : Workspace
        Scratch.
    features : BandFeatures
        Receives the result; zeros on entry.
    """
    n_hops = -(-cochlea.x.size // HOP)
    voltages, places = workspace.voltages, workspace.places
    frames = features.reference_frames, features.processed_frames
    window, sums = workspace.smoothing
    clear_rows(voltages[0])
    clear_rows(voltages[1])
    x, y = workspace.motions[0], workspace.motions[1]
    for ahead in range(n_hops + n_ahead):
        first = row_of_hop(rings[0].envelope, ahead)
        rows = slice(first, first + HOP)
        heard = (
            Output(rings[0].envelope[rows], rings[0].motion[rows]),
            Output(rings[1].envelope[rows], rings[1].motion[rows]),
        )
        compressed_hop(state, cochlea, ahead, heard, workspace.energy)
        for s in range(2):
            finish_hop(rings[s].envelope, ahead, parameters.lags[s, 0])
            finish_hop(rings[s].motion, ahead, parameters.lags[s, 1])
        hop = ahead - n_ahead
        if hop < 0:
            continue
        for s in range(2):
            envelope, rate, motion = workspace.aligned[s], workspace.rates[s], workspace.motions[s]
            copy_rows(motion[HOP:], motion[:HOP])
            lags, delay, scale = parameters.lags[s], parameters.delay, load(parameters.scale, s)
            take_hop(rings[s].envelope, hop, lags[0], delay, scale, places, envelope)
            take_hop(rings[s].motion, hop, lags[1], delay, scale, places, motion[HOP:])
            _inner_hair_cell_hop(
                voltages[s], parameters.full_scale_db, envelope, rate, motion[HOP:]
            )
            _add_noise_hop(streams, parameters, s, hop, workspace, motion[HOP:])
            for half in range(HOP // ENVELOPE_HOP):
                samples = rate[half * ENVELOPE_HOP : (half + 1) * ENVELOPE_HOP]
                smooth_hop(samples, window, sums, hop * (HOP // ENVELOPE_HOP) + half, frames[s])
        covariance_hop(
            workspace.covariance,
            hop,
            x,
            y,
            parameters.threshold_db,
            features.covariance,
            features.mean_square,
        )
