from .base import (
    VDBO as VDBO,
    Mixture as Mixture,
    Separator as Separator,
    Stems as Stems,
)
from .cache import CachedSeparator as CachedSeparator
from .checked import CheckedSeparator as CheckedSeparator, StemsError as StemsError
from .devices import select_device as select_device
from .ensemble import EnsembleSeparator as EnsembleSeparator
from .hdemucs import load_hdemucs as load_hdemucs
from .hpss import HarmonicPercussive as HarmonicPercussive
from .openunmix import load_openunmix as load_openunmix
from .oracle import OracleSeparator as OracleSeparator
from .passthrough import PassthroughSeparator as PassthroughSeparator
from .segmented import SegmentedSeparator as SegmentedSeparator
from .weights import WeightsError as WeightsError
