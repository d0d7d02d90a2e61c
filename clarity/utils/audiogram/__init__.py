"""Audiograms and the listeners they belong to."""

from clarity.utils.audiogram.listener import Listener, MissingListenerKeyError
from clarity.utils.audiogram.standard import (
    AUDIOGRAM_MILD,
    AUDIOGRAM_MODERATE,
    AUDIOGRAM_MODERATE_SEVERE,
    AUDIOGRAM_REF,
    AUDIOGRAM_REF_CLARITY,
    STANDARD_AUDIOGRAM_FREQUENCIES,
    STANDARD_AUDIOGRAMS,
)
from clarity.utils.audiogram.thresholds import (
    DEFAULT_CLARITY_AUDIOGRAM_FREQUENCIES,
    FULL_STANDARD_AUDIOGRAM_FREQUENCIES,
    SEVERITY_LIMITS_DB,
    SEVERITY_RANGE_HZ,
    Audiogram,
    AudiogramTypeError,
)

__all__ = [
    "AUDIOGRAM_MILD",
    "AUDIOGRAM_MODERATE",
    "AUDIOGRAM_MODERATE_SEVERE",
    "AUDIOGRAM_REF",
    "AUDIOGRAM_REF_CLARITY",
    "DEFAULT_CLARITY_AUDIOGRAM_FREQUENCIES",
    "FULL_STANDARD_AUDIOGRAM_FREQUENCIES",
    "SEVERITY_LIMITS_DB",
    "SEVERITY_RANGE_HZ",
    "STANDARD_AUDIOGRAMS",
    "STANDARD_AUDIOGRAM_FREQUENCIES",
    "Audiogram",
    "AudiogramTypeError",
    "Listener",
    "MissingListenerKeyError",
]
