"""From two signals at the cochlea to the small arrays that the features are made of."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clarity.evaluator.ear_model.bandwidth import bandwidth_at_level
from clarity.evaluator.ear_model.compression import gain_curve
from clarity.evaluator.ear_model.constants import N_BANDS
from clarity.evaluator.ear_model.covariance import segment_windows, window_correlations
from clarity.evaluator.ear_model.envelope import ENVELOPE_HOP, smoothing_window
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
from clarity.evaluator.engine.band_alignment import BIN_OF_PAIR, MIRRORED_ROWS, ROW_OF_BIN
from clarity.evaluator.engine.bands import (
    BandFeatures,
    Listening,
    Tables,
    Workspace,
    compare,
    find_delays,
    new_workspace,
)
from clarity.evaluator.engine.cochlea import (
    control_energy,
    lane_rows,
    n_kept_gains,
    open_cochlea,
)
from clarity.evaluator.engine.constants import HOP, LANES
from clarity.evaluator.engine.gammatone import filter_taps, rotation
from clarity.evaluator.engine.lane_fft import TWIDDLES
from clarity.evaluator.engine.lanes import aligned
from clarity.evaluator.engine.noise import StreamStates

_N_GROUPS = N_BANDS // LANES


@dataclass(frozen=True)
class _Bank:
    """Filters of one signal: control level in each band and the bandwidth that follows from it."""

    control_rms: NDArray[np.float64]
    filters: GammatoneFilters


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
        self.max_bandwidth = max_bandwidth()
        self.control = gammatone_filters(self.max_bandwidth, self.frequencies_hz)

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
        reference_bank, processed_bank = self._banks(reference, processed)
        delay = band_delays(reference_bank.filters)
        require_length(n, delay)
        features = _empty_features(n)
        energies = np.zeros((2, N_BANDS))

        def run(group: int) -> None:
            self._compare_group(
                group,
                (reference, processed),
                (reference_bank, processed_bank),
                delay,
                noise,
                features,
                energies,
            )

        _wait([self.pool.submit(run, group) for group in range(_N_GROUPS)])
        return Comparison(
            *features,
            *(
                average_spectrum_db(np.sqrt(energy / n), bank.control_rms, self.loss, self.level1)
                for energy, bank in zip(energies, (reference_bank, processed_bank), strict=True)
            ),
        )

    def _banks(self, *signals: NDArray[np.float64]) -> list[_Bank]:
        """Measure the control level of every band and set the filters accordingly."""
        shift = rotation(self.frequencies_hz)
        futures = [
            [
                self.pool.submit(
                    control_energy,
                    x,
                    lane_rows(shift, group),
                    lane_rows(filter_taps(self.control), group),
                )
                for group in range(_N_GROUPS)
            ]
            for x in signals
        ]
        banks = []
        for x, of_signal in zip(signals, futures, strict=True):
            energy = np.concatenate([future.result()[0] for future in of_signal])
            control_rms = self.control.gain * np.sqrt(energy / x.size)
            level = level_db(control_rms, self.level1)
            bandwidth = bandwidth_at_level(level, self.loss.min_bandwidth, self.max_bandwidth)
            banks.append(_Bank(control_rms, gammatone_filters(bandwidth, self.frequencies_hz)))
        return banks

    def _compare_group(
        self,
        group: int,
        signals: tuple[NDArray[np.float64], NDArray[np.float64]],
        banks: tuple[_Bank, _Bank],
        delay: NDArray[np.int64],
        noise: Future[StreamStates],
        features: BandFeatures,
        energies: NDArray[np.float64],
    ) -> None:
        """Run four bands and write their part of `features` and `energies`."""
        lanes = slice(LANES * group, LANES * (group + 1))
        # A power of two loses nothing; signals of like level keep the packed transform precise.
        with np.errstate(divide="ignore"):
            octaves = np.log2(banks[0].control_rms) - np.log2(banks[1].control_rms)
        balance = 2.0 ** np.rint(np.clip(octaves, -100.0, 100.0))
        energy = np.zeros((2, LANES))
        workspace = _spare_workspace(n_kept_gains(signals[0].size))
        reference, processed = (
            open_cochlea(
                x,
                self.frequencies_hz,
                self.control,
                bank.filters,
                self.curve,
                self.level1,
                group,
                scale,
                kept_gains,
            )
            for x, bank, scale, kept_gains in zip(
                signals, banks, (np.ones(N_BANDS), balance), workspace.gains, strict=True
            )
        )
        lags = find_delays(reference, processed, _TABLES, workspace, energy)
        energies[:, lanes] = energy * np.stack([bank.filters.gain[lanes] ** 2 for bank in banks])
        states = noise.result()  # was started first, so it cannot wait for this thread
        blocks = [s * N_BANDS + band for s in range(2) for band in range(*lanes.indices(N_BANDS))]
        listening = Listening(
            full_scale_db=aligned(np.tile(self.level1 - self.loss.ihc_db[lanes], HOP)),
            envelope_lag=lags[0],
            motion_lag=lags[1],
            processed_scale=1.0 / balance[lanes],
            delay=delay[lanes],
            threshold_db=self.threshold_db,
            noise_gain=noise_gain(self.level1),
            noise_keys=states.keys[blocks],
            noise_positions=states.positions[blocks],
            noise_waiting=states.waiting[blocks],
        )
        compare(
            reference.rewound(),
            processed.rewound(),
            listening,
            _TABLES,
            BandFeatures(*(f[lanes] for f in features)),
        )
        _SPARE_WORKSPACES.append(workspace)


_TABLES = Tables(
    row_of_bin=ROW_OF_BIN,
    twiddles=TWIDDLES,
    mirrored_rows=MIRRORED_ROWS,
    bin_of_pair=BIN_OF_PAIR,
    smoothing_window=aligned(smoothing_window()),
    segment_windows=aligned(segment_windows()),
    window_correlations=window_correlations(segment_windows()),
)


# Appending to a list and popping from it are safe between threads.
_SPARE_WORKSPACES: list[Workspace] = []


def _spare_workspace(n_gains: int) -> Workspace:
    """Buffers for so many gains that no thread is using, new ones if there are none."""
    try:
        workspace = _SPARE_WORKSPACES.pop()
    except IndexError:
        return new_workspace(n_gains)
    return workspace if workspace.gains.shape[1] >= n_gains else new_workspace(n_gains)


def _empty_features(n_samples: int) -> BandFeatures:
    """Features of all bands, all zero."""
    n_frames, n_segments = n_samples // ENVELOPE_HOP, n_samples // HOP
    return BandFeatures(
        np.zeros((N_BANDS, n_frames)),
        np.zeros((N_BANDS, n_frames)),
        np.zeros((N_BANDS, n_segments)),
        np.zeros((N_BANDS, n_segments)),
    )


def _wait(futures: list[Future[None]]) -> None:
    """Wait for all, and raise the first error."""
    for future in futures:
        future.result()
