"""Dynamic-range compressor of the Cadenza baseline."""

from __future__ import annotations

import warnings
from typing import Final

import numpy as np
import numpy.typing as npt

EPS: Final = 1e-8
"""Mean square added to that of the signal, so that silence has a level: -80 dB."""


class TimeConstantError(ValueError, ZeroDivisionError):
    """An attack or release time is shorter than a sample, 0 for one."""


class Compressor:
    """Feed-forward compressor of one channel.

    The level is the RMS over a sliding window of the input, zero before the start. While it is
    above the threshold, the gain moves at the attack rate toward

        attenuation * level + (1 - attenuation) * threshold,

    otherwise it moves at the release rate toward 1. It starts at 1 for every signal.

    Parameters
    ----------
    fs : float
        Sampling rate in Hz.
    attack, release : float
        Time constants in ms, one sample or longer.
    threshold : float
        RMS level, relative to full scale, above which the gain is lowered.
    attenuation : float
        Weight of the level in the gain that a loud signal is led to.
    rms_buffer_size : float
        Window of the level in s.
    makeup_gain : float
        Factor on the output.
    **unknown
        Passed over with a warning, because configurations are passed whole.

    Attributes
    ----------
    attack, release : float
        Share of the way to its target that the gain goes per sample.
    win_len : int
        Window of the level in samples.

    Raises
    ------
    ValueError
        When a parameter has a value that no compressor can have; the message names it. For a time
        constant it is a `TimeConstantError`, which is a `ZeroDivisionError` too.
    """

    def __init__(
        self,
        fs: float = 44100.0,
        attack: float = 5.0,
        release: float = 20.0,
        threshold: float = 1.0,
        attenuation: float = 0.0001,
        rms_buffer_size: float = 0.2,
        makeup_gain: float = 1.0,
        **unknown: object,
    ) -> None:
        if unknown:
            names = ", ".join(unknown)
            warnings.warn(f"the compressor has no parameter {names}", stacklevel=2)
        if not 0.0 < fs < np.inf:
            raise ValueError(f"fs must be above 0 Hz, got {fs!r}")
        if not 1.0 <= rms_buffer_size * fs < np.inf:
            raise ValueError(
                f"rms_buffer_size must be one sample ({1.0 / fs:.3g} s) or longer, got "
                f"{rms_buffer_size!r} s"
            )
        for name, value in (
            ("threshold", threshold),
            ("attenuation", attenuation),
            ("makeup_gain", makeup_gain),
        ):
            if not 0.0 <= value < np.inf:
                raise ValueError(f"{name} must be 0 or more, got {value!r}")
        self.fs = fs
        self.threshold = threshold
        self.attenuation = attenuation
        self.rms_buffer_size = rms_buffer_size
        self.makeup_gain = makeup_gain
        self.win_len = int(rms_buffer_size * fs)
        self.set_attack(attack)
        self.set_release(release)

    @property
    def window(self) -> npt.NDArray[np.float64]:
        """Weights of the samples in the window of the level, all 1, shape (win_len,)."""
        return np.ones(self.win_len)

    def set_attack(self, t_msec: float) -> None:
        """Set the time constant of the attack in ms.

        Raises
        ------
        TimeConstantError
            When it is shorter than a sample.
        """
        self.attack = self._rate(t_msec, "attack")

    def set_release(self, t_msec: float) -> None:
        """Set the time constant of the release in ms.

        Raises
        ------
        TimeConstantError
            When it is shorter than a sample.
        """
        self.release = self._rate(t_msec, "release")

    def _rate(self, t_msec: float, what: str) -> float:
        # A longer step than the whole way to the target would make the gain swing or diverge.
        if not t_msec * self.fs >= 1000.0:
            raise TimeConstantError(
                f"{what} must be one sample ({1000.0 / self.fs:.3g} ms) or longer, got "
                f"{t_msec!r} ms"
            )
        return 1.0 / (t_msec / 1000.0) / self.fs

    def process(
        self, signal: npt.ArrayLike
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], list[float]]:
        """Compress a signal.

        Parameters
        ----------
        signal : array_like, shape (samples,)
            Signal of one channel, full scale 1.

        Returns
        -------
        signal : ndarray, shape (samples,)
            Compressed signal.
        rms : ndarray, shape (samples,)
            Level of the input.
        gains : list of float
            Gain at every sample, without the make-up gain.

        Raises
        ------
        ValueError
            When the signal has no samples or more than one channel.
        """
        samples = np.asarray(signal, dtype=np.float64)
        if samples.ndim != 1 or samples.size == 0:
            raise ValueError(
                "the compressor works on one channel at a time: the signal must have shape "
                f"(samples,) with one or more samples, got {samples.shape}"
            )
        # Imported here, so that checking settings does not wait for numba.
        from clarity.enhancer.compressor_gains import smoothed_gains  # noqa: PLC0415

        rms = _sliding_rms(samples, self.win_len)
        gains = smoothed_gains(rms, self.threshold, self.attenuation, self.attack, self.release)
        return samples * gains * self.makeup_gain, rms, gains.tolist()


def _sliding_rms(signal: npt.NDArray[np.float64], n_window: int) -> npt.NDArray[np.float64]:
    """RMS over the window that ends at each sample.

    A window covers the end of one block of its own length and the beginning of the next. Running
    sums from both ends of each block give either part, without the differences of large sums by
    which a sliding sum loses silence after loud sound, and keeps a NaN for ever.
    """
    n_block = min(n_window, signal.size)
    n_blocks = -(-signal.size // n_block)
    power = np.zeros((n_blocks + 1, n_block))
    power[1:].reshape(-1)[: signal.size] = np.square(signal)
    begun = np.cumsum(power[1:], axis=1)
    # What is in the block before, after the sample one window ago.
    remaining = np.cumsum(power[:-1, ::-1], axis=1)[:, ::-1]
    begun[:, :-1] += remaining[:, 1:]
    return np.sqrt(begun.reshape(-1)[: signal.size] / n_window + EPS)
