"""From two signals at the cochlea to the small arrays that the features are made of.

Equals `ear_model.model.compare_signals` from the middle ear on. The bands go to the threads in
groups of `vector.WIDTH`, see `bands`.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, SimpleQueue

import numpy as np
from numpy.typing import NDArray

from clarity.evaluator.ear_model.bandwidth import bandwidth_at_level
from clarity.evaluator.ear_model.compression import gain_curve
from clarity.evaluator.ear_model.constants import N_BANDS
from clarity.evaluator.ear_model.envelope import ENVELOPE_HOP
from clarity.evaluator.ear_model.gammatone import (
    GammatoneFilters,
    centre_frequencies_hz,
    gammatone_filters,
)
from clarity.evaluator.ear_model.group_delay import band_delays
from clarity.evaluator.ear_model.hearing_loss import HearingLoss, max_bandwidth
from clarity.evaluator.ear_model.levels import level_db
from clarity.evaluator.ear_model.model import Comparison, require_length
from clarity.evaluator.ear_model.spectrum import average_spectrum_db
from clarity.evaluator.ear_model.threshold_noise import noise_gain
from clarity.evaluator.engine.band_alignment import frames_for
from clarity.evaluator.engine.band_data import (
    BandFeatures,
    BandParameters,
    Workspace,
    new_rings,
    new_workspace,
)
from clarity.evaluator.engine.bands import compare, find_delays
from clarity.evaluator.engine.cochlea import Cochlea, control_energy, first_state
from clarity.evaluator.engine.compression import power_gain_curve
from clarity.evaluator.engine.constants import HOP
from clarity.evaluator.engine.gammatone import cascade_gain, filter_pair, resting_state
from clarity.evaluator.engine.noise import StreamStates, open_streams
from clarity.evaluator.engine.vector import WIDTH, aligned, aligned_zeros

Signals = tuple[NDArray[np.float64], NDArray[np.float64]]

_GROUPS = [slice(first, first + WIDTH) for first in range(0, N_BANDS, WIDTH)]


@dataclass(frozen=True)
class _Bank:
    """Filters of one signal, the control level that set them, and a factor for the outputs."""

    control_rms: NDArray[np.float64]
    filters: GammatoneFilters
    scale: NDArray[np.float64]


class CochlearComparison:
    """Comparison of two signals by the cochlea of one ear.

    Parameters
    ----------
    loss : HearingLoss
        What the hair cells of the ear have lost.
    level1 : float
        Level in dB SPL of a signal with an RMS of 1.
    threshold_db : float
        Level in dB SL that a tile of basilar-membrane motion must exceed to be compared.
    pool : ThreadPoolExecutor
        Threads that share the bands among them. The result does not depend on their number.
    """

    def __init__(
        self, loss: HearingLoss, level1: float, threshold_db: float, pool: ThreadPoolExecutor
    ) -> None:
        self.level1 = level1
        self.threshold_db = threshold_db
        self.pool = pool
        self.frequencies_hz = centre_frequencies_hz()
        self.loss = loss
        self.curve = gain_curve(self.loss)
        self.control = gammatone_filters(max_bandwidth(), self.frequencies_hz)

    def compare(
        self,
        reference: NDArray[np.float64],
        processed: NDArray[np.float64],
        noise: Future[StreamStates],
    ) -> Comparison:
        """Run both signals through all bands.

        Parameters
        ----------
        reference, processed : ndarray, shape (samples,)
            Aligned signals behind the middle ear.
        noise : Future of StreamStates
            Where the noise of every band begins, first those of the reference. Its work must have
            been given to the pool before anything that waits for it.

        Returns
        -------
        Comparison
            Input of the features.

        Raises
        ------
        ValueError
            When the signals are too short for the model.
        """
        n = reference.size
        signals = reference, processed
        banks = self._banks(signals)
        delay = band_delays(banks[0].filters)
        require_length(n, delay)
        features, energies = _empty_features(n), np.zeros((2, N_BANDS))
        frames = frames_for(n)
        spare: SimpleQueue[Workspace] = SimpleQueue()

        def run(bands: slice) -> None:
            try:
                workspace = spare.get_nowait()
            except Empty:
                workspace = new_workspace(frames)
            cochlea = self._cochlea(signals, banks, bands)
            energy = aligned_zeros(2, WIDTH)
            lags = np.zeros((2, WIDTH), np.int64)
            find_delays(first_state(), cochlea, frames, workspace, energy, lags)
            energies[:, bands] = energy
            parameters = self._parameters(lags, banks[1].scale[bands], bands, delay[bands])
            states = noise.result()  # was started first, so it cannot wait for this thread
            in_bands = BandFeatures(*(f[bands] for f in features))
            compare(
                first_state(),
                cochlea,
                parameters,
                new_rings(parameters),
                parameters.hops_ahead(),
                open_streams(states, [*range(N_BANDS)[bands], *range(N_BANDS, 2 * N_BANDS)[bands]]),
                workspace,
                in_bands,
            )
            spare.put(workspace)

        list(self.pool.map(run, _GROUPS))  # raises what a thread raised
        return Comparison(
            *features,
            *(
                average_spectrum_db(
                    cascade_gain(bank.filters) * np.sqrt(energy / n),
                    bank.control_rms,
                    self.loss,
                    self.level1,
                )
                for energy, bank in zip(energies, banks, strict=True)
            ),
        )

    def _banks(self, signals: Signals) -> tuple[_Bank, _Bank]:
        """Measure the control level of every band and set the filters accordingly."""
        energies = np.zeros((2, N_BANDS))

        def run(bands: slice) -> None:
            energy = aligned_zeros(2, WIDTH)
            filters = filter_pair(self.control, self.control, bands)
            power = aligned_zeros(2, HOP, WIDTH)
            control_energy(resting_state(), filters, *signals, power, energy)
            energies[:, bands] = energy

        list(self.pool.map(run, _GROUPS))  # raises what a thread raised
        rms = cascade_gain(self.control) * np.sqrt(energies / signals[0].size)
        # A power of two loses nothing; signals of like level keep the packed transform precise.
        with np.errstate(divide="ignore"):
            octaves = np.log2(rms[0]) - np.log2(rms[1])
        balance = 2.0 ** np.rint(np.clip(octaves, -100.0, 100.0))
        reference, processed = (
            _Bank(control_rms, self._main_filters(control_rms), scale)
            for control_rms, scale in zip(rms, (np.ones(N_BANDS), balance), strict=True)
        )
        return reference, processed

    def _main_filters(self, control_rms: NDArray[np.float64]) -> GammatoneFilters:
        """Design filters as wide as the control level makes them."""
        level = level_db(control_rms, self.level1)
        bandwidth = bandwidth_at_level(level, self.loss.min_bandwidth, max_bandwidth())
        return gammatone_filters(bandwidth, self.frequencies_hz)

    def _cochlea(self, signals: Signals, banks: tuple[_Bank, _Bank], bands: slice) -> Cochlea:
        """Both signals and the parameters of some bands."""
        reference_curve, processed_curve = (
            power_gain_curve(
                self.curve,
                cascade_gain(self.control),
                cascade_gain(bank.filters) * bank.scale,
                self.level1,
            )
            for bank in banks
        )
        return Cochlea(
            *signals,
            filter_pair(self.control, self.control, bands),
            filter_pair(banks[0].filters, banks[1].filters, bands),
            (aligned(reference_curve[:, bands]), aligned(processed_curve[:, bands])),
        )

    def _parameters(
        self,
        lags: NDArray[np.int64],
        scale: NDArray[np.float64],
        bands: slice,
        delay: NDArray[np.int64],
    ) -> BandParameters:
        """Parameters of some bands behind the compression."""
        return BandParameters(
            full_scale_db=aligned((self.level1 - self.loss.ihc_db[bands])[np.newaxis]),
            lags=np.stack((np.zeros_like(lags), lags)),
            scale=aligned(np.stack((np.ones(WIDTH), 1.0 / scale))),
            delay=delay,
            threshold_db=self.threshold_db,
            noise_gain=noise_gain(self.level1),
        )


def _empty_features(n_samples: int) -> BandFeatures:
    """Features of all bands, all zero."""
    n_frames, n_segments = n_samples // ENVELOPE_HOP, n_samples // HOP
    return BandFeatures(
        np.zeros((N_BANDS, n_frames)),
        np.zeros((N_BANDS, n_frames)),
        np.zeros((N_BANDS, n_segments)),
        np.zeros((N_BANDS, n_segments)),
    )
