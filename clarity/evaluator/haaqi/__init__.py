"""The hearing-aid audio quality index (HAAQI) of Kates & Arehart (2016)."""

from clarity.evaluator.haaqi.background import BackgroundScorer, BackgroundScoringError
from clarity.evaluator.haaqi.batch import Ear, evaluate_listeners
from clarity.evaluator.haaqi.haaqi import (
    SilentReferenceError,
    compute_haaqi,
    evaluate_haaqi,
    haaqi_v1,
)
from clarity.evaluator.haaqi.regression import HaaqiResult

__all__ = [
    "BackgroundScorer",
    "BackgroundScoringError",
    "Ear",
    "HaaqiResult",
    "SilentReferenceError",
    "compute_haaqi",
    "evaluate_haaqi",
    "evaluate_listeners",
    "haaqi_v1",
]
