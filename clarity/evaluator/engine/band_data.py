"""What a thread needs to compare two signals in `WIDTH` bands, and what it finds; see `bands`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clarity.evaluator.ear_model.covariance import SEGMENT
from clarity.evaluator.engine.band_alignment import FrameBuffers, Frames, frame_buffers
from clarity.evaluator.engine.constants import HOP
from clarity.evaluator.engine.covariance import CovarianceWorkspace, covariance_workspace
from clarity.evaluator.engine.envelope import smoothing_state
from clarity.evaluator.engine.gammatone import Output
from clarity.evaluator.engine.rings import new_ring
from clarity.evaluator.engine.vector import WIDTH, aligned_zeros


class Workspace(NamedTuple):
    """Buffers of a thread.

    Attributes
    ----------
    envelope, motion : FrameBuffers
        See `band_alignment`.
    aligned : ndarray, shape (2, HOP, WIDTH)
        Compressed envelopes of a hop.
    rates : ndarray, shape (2, HOP, WIDTH)
        Firing rates of a hop.
    motions : ndarray, shape (2, SEGMENT, WIDTH)
        Motions of the hop before and of a hop.
    noise : ndarray, shape (WIDTH, HOP)
        Standard normals.
    places : ndarray of int64, shape (WIDTH,)
        Where in a ring, or in the noise, a hop of each band begins.
    voltages : ndarray, shape (2, 2, WIDTH)
        State of the adaptation.
    energy : ndarray, shape (2, WIDTH)
        Energy that nobody asks for.
    covariance : CovarianceWorkspace
        See `covariance`.
    smoothing : tuple of two ndarrays
        See `envelope.smoothing_state`.
    """

    envelope: FrameBuffers
    motion: FrameBuffers
    aligned: NDArray[np.float64]
    rates: NDArray[np.float64]
    motions: NDArray[np.float64]
    noise: NDArray[np.float64]
    places: NDArray[np.int64]
    voltages: NDArray[np.float64]
    energy: NDArray[np.float64]
    covariance: CovarianceWorkspace
    smoothing: tuple[NDArray[np.float64], NDArray[np.float64]]


def new_workspace(frames: Frames) -> Workspace:
    """Buffers for signals that are cut in some way."""
    return Workspace(
        envelope=frame_buffers(frames),
        motion=frame_buffers(frames),
        aligned=aligned_zeros(2, HOP, WIDTH),
        rates=aligned_zeros(2, HOP, WIDTH),
        motions=aligned_zeros(2, SEGMENT, WIDTH),
        noise=aligned_zeros(WIDTH, HOP),
        places=np.zeros(WIDTH, np.int64),
        voltages=aligned_zeros(2, 2, WIDTH),
        energy=aligned_zeros(2, WIDTH),
        covariance=covariance_workspace(),
        smoothing=smoothing_state(),
    )


class BandFeatures(NamedTuple):
    """What is kept of some bands.

    Attributes
    ----------
    reference_frames, processed_frames : ndarray, shape (n_bands, F)
        Smoothed envelopes in dB SL.
    covariance : ndarray, shape (n_bands, Q)
        Covariance of basilar-membrane motion.
    mean_square : ndarray, shape (n_bands, Q)
        Mean square of the reference's motion.
    """

    reference_frames: NDArray[np.float64]
    processed_frames: NDArray[np.float64]
    covariance: NDArray[np.float64]
    mean_square: NDArray[np.float64]


class BandParameters(NamedTuple):
    """Parameters of `WIDTH` bands behind the compression.

    Attributes
    ----------
    full_scale_db : ndarray, shape (1, WIDTH)
        Level above threshold of an envelope of 1.
    lags : ndarray of int64, shape (2, 2, WIDTH)
        Delays of envelope and motion of the reference, which are 0, and of the processed signal.
    scale : ndarray, shape (2, WIDTH)
        Factors that the signals still need.
    delay : ndarray of int64, shape (WIDTH,)
        Delay of both signals that lines the bands up.
    threshold_db : float
        Level in dB SL that a tile of basilar-membrane motion must exceed to be compared.
    noise_gain : float
        RMS of the noise at threshold.
    """

    full_scale_db: NDArray[np.float64]
    lags: NDArray[np.int64]
    scale: NDArray[np.float64]
    delay: NDArray[np.int64]
    threshold_db: float
    noise_gain: float

    def hops_ahead(self) -> int:
        """Hops that the cochlea has to run ahead of the comparison."""
        return max(0, -(-int((self.lags - self.delay).max()) // HOP))

    def hops_behind(self) -> int:
        """Hops that the comparison looks back."""
        return max(0, -(int((self.lags - self.delay).min()) // HOP))


def new_rings(parameters: BandParameters) -> tuple[Output, Output]:
    """Rings in which the compressed signals wait for each other."""
    n_hops = parameters.hops_ahead() + 1 + parameters.hops_behind()
    return Output(new_ring(n_hops), new_ring(n_hops)), Output(new_ring(n_hops), new_ring(n_hops))
