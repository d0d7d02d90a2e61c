from .background import (
    BackgroundScorer as BackgroundScorer,
    BackgroundScoringError as BackgroundScoringError,
)
from .batch import (
    Ear as Ear,
    evaluate_listeners as evaluate_listeners,
)
from .haaqi import (
    SilentReferenceError as SilentReferenceError,
    compute_haaqi as compute_haaqi,
    evaluate_haaqi as evaluate_haaqi,
    haaqi_v1 as haaqi_v1,
)
from .regression import HaaqiResult as HaaqiResult
