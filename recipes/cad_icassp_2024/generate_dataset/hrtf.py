"""Music at the ears: filtering with head-related impulse responses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy

from clarity.utils.loudness import SILENCE_LUFS, integrated_loudness
from recipes.cad_icassp_2024.data.audio_files import read_stereo
from recipes.cad_icassp_2024.data.paths import find_on_disk

FloatArray = npt.NDArray[np.float64]


def hrtf_file_name(mic: str, subject: str, side: str, angle_deg: float) -> str:
    """Name of the impulse response file for a loudspeaker, ``BTE_fr-VP_E1-n22.5.wav``.

    The loudspeaker to the left is ``n``, that to the right ``p``; an angle is named as it is
    written, ``30`` or ``30.0``.
    """
    return f"{mic}-{subject}-{side}{abs(angle_deg)}.wav"


def find_hrtf_files(hrtf_path: str | Path, hp: Mapping[str, Any]) -> tuple[Path, Path]:
    """Find the files that `load_hrtf_signals` reads, however the angles are spelt."""

    def find(side: str, angle: float) -> Path:
        whole = [int(angle)] if float(angle).is_integer() else []
        names = [
            hrtf_file_name(hp["mic"], hp["subject"], side, spelt)
            for spelt in (angle, float(angle), *whole)
        ]
        paths = [find_on_disk(Path(hrtf_path) / name) for name in names]
        return next((path for path in paths if path.exists()), paths[0])

    return find("n", hp["left_angle"]), find("p", hp["right_angle"])


def load_hrtf_signals(
    hrtf_path: str | Path, hp: Mapping[str, Any], sample_rate: int | None = None
) -> tuple[FloatArray, FloatArray]:
    """Read the impulse responses of both loudspeakers for one head position.

    Parameters
    ----------
    hrtf_path : str or Path
        Folder of the files ``{mic}-{subject}-{n|p}{angle}.wav``.
    hp : mapping of str to object
        Entry of the head positions: ``subject``, ``mic``, ``left_angle``, ``right_angle`` (degrees
        from the front, whatever their sign).
    sample_rate : int, optional
        Rate in Hz that the files must have; None takes any.

    Returns
    -------
    left, right : ndarray
        Shape (taps, 2): left ear, right ear.

    Raises
    ------
    RecipeError
        When a file is missing, cut short, not stereo, not finite or of another rate.
    """
    left, right = (
        read_stereo(path, sample_rate, allow_resample=False)
        for path in find_hrtf_files(hrtf_path, hp)
    )
    return left, right


def apply_hrtf(
    signal: npt.NDArray[Any], hrtf_left: npt.NDArray[Any], hrtf_right: npt.NDArray[Any]
) -> FloatArray:
    """Filter stereo music with the impulse responses of both loudspeakers.

    Each ear hears both loudspeakers: left ear = left channel * (left loudspeaker, left ear) +
    right channel * (right loudspeaker, left ear), and likewise the right ear.

    Parameters
    ----------
    signal : ndarray
        What the loudspeakers play, shape (samples, 2): left, right.
    hrtf_left, hrtf_right : ndarray
        Impulse responses of the left and the right loudspeaker, shape (taps, 2): left ear, right
        ear.

    Returns
    -------
    ndarray
        What the ears get, shape (samples, 2), float64: the start of the convolution, as long as
        the signal.

    Raises
    ------
    ValueError
        When an argument has not two channels.
    """
    arrays = {"signal": signal, "hrtf_left": hrtf_left, "hrtf_right": hrtf_right}
    for name, array in arrays.items():
        if array.ndim != 2 or array.shape[1] != 2:
            raise ValueError(f"{name} must be (samples, 2), got {array.shape}")
    ears = np.zeros(signal.shape)
    for channel, taps in ((0, hrtf_left), (1, hrtf_right)):
        # Convolution is three times as fast on samples that lie side by side.
        played = np.ascontiguousarray(signal[:, channel], dtype=np.float64)
        for ear in range(2):
            heard = scipy.signal.oaconvolve(played, np.ascontiguousarray(taps[:, ear]))
            ears[:, ear] += heard[: played.size]
    return ears


def normalise_lufs_level(
    signal: npt.NDArray[Any], reference_signal: npt.NDArray[Any], sample_rate: float
) -> FloatArray:
    """Scale a signal to the integrated loudness of another (ITU-R BS.1770-4).

    Parameters
    ----------
    signal : ndarray
        Signal to be scaled, shape (samples,) or (samples, channels).
    reference_signal : ndarray
        Signal whose loudness is wanted, of the same rate.
    sample_rate : float
        Rate of both in Hz.

    Returns
    -------
    ndarray
        Scaled signal. A signal that has no loudness (silence, or nothing above the gate at
        -70 LUFS) is returned as it is; with a reference that has none, the result is silence.
    """
    loudness_lufs = integrated_loudness(signal, sample_rate)
    reference_lufs = integrated_loudness(reference_signal, sample_rate)
    if loudness_lufs <= SILENCE_LUFS:
        return np.array(signal, dtype=np.float64)
    if reference_lufs <= SILENCE_LUFS:
        return np.zeros(np.shape(signal))
    return np.asarray(10.0 ** ((reference_lufs - loudness_lufs) / 20.0) * signal)
