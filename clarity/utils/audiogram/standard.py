"""Audiograms that scripts and tests refer to by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from clarity.utils.audiogram.thresholds import (
    DEFAULT_CLARITY_AUDIOGRAM_FREQUENCIES,
    FULL_STANDARD_AUDIOGRAM_FREQUENCIES,
    Audiogram,
)


def _constant(levels: npt.ArrayLike, frequencies: npt.NDArray[np.float64]) -> Audiogram:
    """Audiogram that all share, so that nothing may be written to its levels."""
    audiogram = Audiogram(levels, frequencies)  # type: ignore[arg-type]
    audiogram.levels.flags.writeable = audiogram.frequencies.flags.writeable = False
    return audiogram


def _standard(levels: Sequence[float]) -> Audiogram:
    return _constant(levels, STANDARD_AUDIOGRAM_FREQUENCIES)


AUDIOGRAM_REF: Final = _constant(np.zeros(15), FULL_STANDARD_AUDIOGRAM_FREQUENCIES)
"""Normal hearing."""

AUDIOGRAM_REF_CLARITY: Final = _constant(np.zeros(8), DEFAULT_CLARITY_AUDIOGRAM_FREQUENCIES)
"""Normal hearing at the frequencies of the Clarity listeners."""

AUDIOGRAM_MILD: Final = _constant(
    [5.0, 10, 15, 18, 19, 22, 25, 28, 31, 35, 38, 40, 40, 45, 50],
    FULL_STANDARD_AUDIOGRAM_FREQUENCIES,
)
"""A mild loss."""

AUDIOGRAM_MODERATE: Final = _constant(
    [15.0, 20, 20, 22.5, 25, 30, 35, 40, 45, 50, 55, 55, 60, 65, 65],
    FULL_STANDARD_AUDIOGRAM_FREQUENCIES,
)
"""A moderate loss."""

AUDIOGRAM_MODERATE_SEVERE: Final = _constant(
    [19.0, 19, 28, 35, 40, 47, 52, 56, 58, 58, 63, 70, 75, 80, 80],
    FULL_STANDARD_AUDIOGRAM_FREQUENCIES,
)
"""A moderate to severe loss."""

STANDARD_AUDIOGRAM_FREQUENCIES: Final = np.array(
    [250.0, 375.0, 500.0, 750.0, 1000.0, 1500.0, 2000.0, 3000.0, 4000.0, 6000.0]
)
"""Frequencies in Hz of the `STANDARD_AUDIOGRAMS`."""

STANDARD_AUDIOGRAMS: Final[dict[str, Audiogram]] = {
    "N1": _standard([10, 10, 10, 10, 10, 10, 15, 20, 30, 40]),
    "N2": _standard([20, 20, 20, 22.5, 25, 30, 35, 40, 45, 50]),
    "N3": _standard([35, 35, 35, 35, 40, 45, 50, 55, 60, 65]),
    "N4": _standard([55, 55, 55, 55, 55, 60, 65, 70, 75, 80]),
    "N5": _standard([65, 67.5, 70, 72.5, 75, 80, 80, 80, 80, 80]),
    "N6": _standard([75, 77.5, 80, 82.5, 85, 90, 90, 95, 100, 100]),
    "N7": _standard([90, 92.5, 95, 100, 105, 105, 105, 105, 105, 105]),
    "S1": _standard([10, 10, 10, 10, 10, 10, 15, 30, 55, 70]),
    "S2": _standard([20, 20, 20, 22.5, 25, 35, 55, 75, 95, 95]),
    "S3": _standard([30, 30, 35, 47.5, 60, 70, 75, 80, 80, 85]),
}
"""Standard audiograms of IEC 60118-15, from very mild to profound: N1 to N7 are flat or moderately
sloping, S1 to S3 steep (N. Bisgaard, M. S. M. G. Vlaming, M. Dahlquist, "Standard audiograms for
the IEC 60118-15 measurement procedure", Trends in Amplification 14(2), 2010, Tables 2 and 4)."""
