"""The hearing aid of the baseline: NAL-R for each ear, and a compressor if asked for."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from clarity.enhancer.compressor import Compressor
from clarity.enhancer.nalr import NALR
from clarity.utils.audiogram import Audiogram, Listener


def apply_ha(
    enhancer: NALR,
    compressor: Compressor | None,
    signal: np.ndarray,
    audiogram: Audiogram,
    apply_compressor: bool = False,
) -> np.ndarray:
    """Amplify the signal of one ear.

    Parameters
    ----------
    enhancer : NALR
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

    Raises
    ------
    ValueError
        When a compressor is asked for and none is given.
    """
    fir, _ = enhancer.build(audiogram)
    amplified = enhancer.apply(fir, signal)
    if not apply_compressor:
        return amplified
    if compressor is None:
        raise ValueError("apply_compressor is true and there is no compressor")
    return compressor.process(amplified)[0]


def process_remix_for_listener(
    signal: np.ndarray,
    enhancer: NALR,
    compressor: Compressor | None,
    listener: Listener,
    apply_compressor: bool = False,
) -> np.ndarray:
    """Amplify both ears' signals for a listener.

    Parameters
    ----------
    signal : ndarray, shape (samples, 2)
        Left ear, right ear.
    enhancer : NALR
        The prescription.
    compressor : Compressor or None
        Needed with `apply_compressor` only.
    listener : Listener
        The audiograms.
    apply_compressor : bool
        Whether the compressor follows.

    Returns
    -------
    ndarray, shape (samples + nfir, 2)
    """
    amplified = np.empty((len(signal) + enhancer.nfir, 2))
    audiograms = (listener.audiogram_left, listener.audiogram_right)
    for out, ear, audiogram in zip(amplified.T, signal.T, audiograms, strict=True):
        out[:] = apply_ha(enhancer, compressor, ear, audiogram, apply_compressor)
    return amplified


def amplify_in_pieces(
    signal: np.ndarray, enhancer: NALR, compressor: Compressor | None, listener: Listener
) -> Iterator[np.ndarray]:
    """Do what `process_remix_for_listener` does, with little more than the signal in memory.

    Parameters
    ----------
    signal : ndarray, shape (samples, 2)
        Left ear, right ear.
    enhancer : NALR
        The prescription.
    compressor : Compressor or None
        What follows the prescription; it needs the whole signal.
    listener : Listener
        The audiograms.

    Yields
    ------
    ndarray, shape (samples, 2)
        Piece after piece, together (samples + nfir, 2).
    """
    if compressor is not None:
        yield process_remix_for_listener(signal, enhancer, compressor, listener, True)
        return
    audiograms = (listener.audiogram_left, listener.audiogram_right)
    ears = [
        enhancer.apply_blocks(enhancer.build(audiogram)[0], ear)
        for ear, audiogram in zip(signal.T, audiograms, strict=True)
    ]
    for pieces in zip(*ears, strict=True):
        yield np.column_stack(pieces)
