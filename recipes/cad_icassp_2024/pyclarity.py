"""The names that scripts written for pyClarity import from the recipe, and nothing else.

They stay importable from the scripts in ``baseline/``, with pyClarity's arguments and results.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clarity.enhancer.compressor import Compressor
from clarity.separation.base import Mixture
from clarity.utils.audiogram import Audiogram, Listener
from clarity.utils.file_io import read_signal
from clarity.utils.flac_encoder import save_flac_signal
from clarity.utils.loudness import integrated_loudness
from recipes.cad_icassp_2024.baseline.hearing_aid import HearingAid, Prescription
from recipes.cad_icassp_2024.baseline.remix import MissingGainError, from_db, remix
from recipes.cad_icassp_2024.data.scenes import set_song_seed

if TYPE_CHECKING:
    import torch

__all__ = [
    "apply_gains",
    "apply_ha",
    "decompose_signal",
    "level_normalisation",
    "load_reference_stems",
    "make_scene_listener_list",
    "process_remix_for_listener",
    "remix_stems",
    "save_flac_signal",
    "set_song_seed",
]


def decompose_signal(
    model: torch.nn.Module,
    model_sample_rate: int,
    signal: np.ndarray,
    signal_sample_rate: int,
    device: torch.device,
    sources_list: Sequence[str],
    listener: Listener | None = None,
    normalise: bool = True,
) -> dict[str, np.ndarray]:
    """Separate a signal into stems.

    Parameters
    ----------
    model : torch.nn.Module
        Maps (batch, channels, time) to (batch, sources, channels, time). It is left in the mode,
        training or evaluation, that it was in.
    model_sample_rate : int
        Rate that the model works at, in Hz.
    signal : ndarray, shape (samples, 2) or (2, samples)
        The mixture.
    signal_sample_rate : int
        Its rate in Hz.
    device : torch.device
        Where the model runs.
    sources_list : sequence of str
        The stems in the model's order.
    listener : Listener, optional
        Not needed: separation does not depend on the listener.
    normalise : bool
        Whether the model wants a standardised signal.

    Returns
    -------
    dict of str to ndarray, shape (samples, 2)
    """
    # Imported here, so that evaluate.py, which separates nothing, does not load torch.
    from clarity.separation.segmented import SegmentedSeparator  # noqa: PLC0415

    del listener
    was_training = model.training
    try:
        separator = SegmentedSeparator(
            model,
            sources=sources_list,
            sample_rate=model_sample_rate,
            normalise=normalise,
            device=str(device),
        )
        return separator.separate(Mixture(_samples_first(signal), signal_sample_rate))
    finally:
        model.train(was_training)


def _samples_first(signal: np.ndarray) -> np.ndarray:
    """Turn a signal round that has its channels first, as pyClarity does."""
    return signal.T if signal.ndim == 2 and signal.shape[0] < signal.shape[1] else signal


def apply_gains(
    stems: Mapping[str, np.ndarray], sample_rate: float, gains: Mapping[str, float]
) -> dict[str, np.ndarray]:
    """Raise or lower the level of each stem.

    Parameters
    ----------
    stems : mapping of str to ndarray, shape (samples, channels) or (channels, samples)
    sample_rate : float
        Not needed: a gain in dB is the same difference in loudness at any rate.
    gains : mapping of str to float
        Gain of each stem in dB.

    Returns
    -------
    dict of str to ndarray, shape (samples, channels)
        Each stem times ``10 ** (gain / 20)``, float64.

    Raises
    ------
    ValueError and KeyError
        One error that is both, when a stem has no gain.
    """
    del sample_rate
    missing = [name for name in stems if name not in gains]
    if missing:
        raise MissingGainError(
            f"no gain for {', '.join(missing)}: gains are for {', '.join(gains)}"
        )
    return {
        name: np.float64(from_db(gains[name])) * _samples_first(np.asarray(stem))
        for name, stem in stems.items()
    }


def level_normalisation(
    signal: np.ndarray, reference_signal: np.ndarray, sample_rate: float
) -> np.ndarray:
    """Scale a signal to the integrated loudness of another (ITU-R BS.1770-4).

    Parameters
    ----------
    signal, reference_signal : ndarray, shape (samples,) or (samples, channels)
        Silence counts as -80 LUFS.
    sample_rate : float
        Rate of both in Hz.

    Returns
    -------
    ndarray
        `signal` times one factor.
    """
    reference_lufs = integrated_loudness(reference_signal, sample_rate)
    return signal * from_db(reference_lufs - integrated_loudness(signal, sample_rate))


def remix_stems(
    stems: Mapping[str, np.ndarray], reference_signal: np.ndarray, sample_rate: float
) -> np.ndarray:
    """Sum stems and scale the sum to the loudness of a reference.

    Parameters
    ----------
    stems : mapping of str to ndarray, shape (samples, channels)
        Stems with their gains already applied.
    reference_signal : ndarray, shape (samples, channels)
        The mixture whose loudness is to be kept.
    sample_rate : float
        In Hz.

    Returns
    -------
    ndarray, shape (samples, channels)
    """
    total = remix(stems.items(), dict.fromkeys(stems, 0.0))
    return level_normalisation(total, reference_signal, sample_rate)


def apply_ha(
    enhancer: Prescription,
    compressor: Compressor | None,
    signal: np.ndarray,
    audiogram: Audiogram,
    apply_compressor: bool = False,
) -> np.ndarray:
    """Amplify the signal of one ear.

    Parameters
    ----------
    enhancer : NALR, or any object with its methods ``build`` and ``apply``
        The prescription.
    compressor : Compressor or None
        Needed with `apply_compressor` only.
    signal : ndarray, shape (samples,)
    audiogram : Audiogram
        Of this ear.
    apply_compressor : bool
        Whether the compressor follows.

    Returns
    -------
    ndarray, shape (samples + nfir,)
        Of another length where the enhancer gives another.

    Raises
    ------
    ValueError
        When a compressor is asked for and none is given.
    """
    aid = HearingAid(enhancer, _wanted(compressor, apply_compressor))
    return aid.amplify_ear(signal, audiogram)


def process_remix_for_listener(
    signal: np.ndarray,
    enhancer: Prescription,
    compressor: Compressor | None,
    listener: Listener,
    apply_compressor: bool = False,
) -> np.ndarray:
    """Amplify both ears' signals for a listener.

    Parameters
    ----------
    signal : ndarray, shape (samples, 2)
        Left ear, right ear.
    enhancer, compressor, apply_compressor
        As for `apply_ha`.
    listener : Listener
        The audiograms.

    Returns
    -------
    ndarray, shape (samples + nfir, 2)
        Of another length where the enhancer gives another.

    Raises
    ------
    ValueError
        When the signal has another shape, or a compressor is asked for and none is given.
    """
    return HearingAid(enhancer, _wanted(compressor, apply_compressor)).amplify(signal, listener)


def _wanted(compressor: Compressor | None, apply_compressor: bool) -> Compressor | None:
    if apply_compressor and compressor is None:
        raise ValueError("apply_compressor is true and there is no compressor")
    return compressor if apply_compressor else None


def make_scene_listener_list(
    scenes_listeners: Mapping[str, Sequence[str]], small_test: bool = False
) -> list[tuple[str, str]]:
    """Return the scene-listener pairs in the order in which they are scored.

    Parameters
    ----------
    scenes_listeners : mapping of str to sequence of str
        The listeners of each scene.
    small_test : bool
        Only every 15th pair.
    """
    pairs = [(scene, name) for scene, names in scenes_listeners.items() for name in names]
    return pairs[::15] if small_test else pairs


def load_reference_stems(music_dir: str | Path) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Read the true stems and the mixture of a song.

    Parameters
    ----------
    music_dir : str or Path
        The song's folder.

    Returns
    -------
    stems : dict of str to ndarray, shape (samples, 2)
        Drums, bass, other, vocals.
    mixture : ndarray, shape (samples, 2)
    """
    folder = Path(music_dir)
    stems = {
        name: read_signal(folder / f"{name}.wav") for name in ("drums", "bass", "other", "vocals")
    }
    return stems, read_signal(folder / "mixture.wav")
