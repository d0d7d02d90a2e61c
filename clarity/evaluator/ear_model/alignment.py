"""Alignment of the whole signals in time, and removal of silence at the ends."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DISPERSION_SAMPLES = 48
"""Samples by which the processed signal is left late, 2 ms: dispersion of the cochlea."""

SILENCE_RATIO = 0.001
"""Fraction of the reference's peak up to which its ends count as silence, -60 dB."""


def audible_span(reference: NDArray[np.float64]) -> slice:
    """Find what is between the ends where a signal stays below a thousandth of its peak.

    Parameters
    ----------
    reference : ndarray, shape (samples,)
        Reference at 24 kHz, as long as the processed signal.

    Returns
    -------
    slice
        Empty when the reference is silent.
    """
    threshold = SILENCE_RATIO * max(reference.max(), -reference.min())
    audible = (reference > threshold) | (reference < -threshold)
    if not audible.any():
        return slice(0, 0)
    return slice(int(np.argmax(audible)), reference.size - int(np.argmax(audible[::-1])))
