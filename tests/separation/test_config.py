"""The separators that config/separator offers."""

from pathlib import Path

import pytest
from hydra.utils import get_class, get_method, instantiate
from omegaconf import OmegaConf

from clarity.separation.base import VDBO
from clarity.separation.hdemucs import HDEMUCS_SOURCES
from clarity.separation.hpss import HarmonicPercussive
from clarity.separation.oracle import OracleSeparator
from clarity.separation.passthrough import PassthroughSeparator

FOLDER = Path(__file__).resolve().parents[2] / "config" / "separator"
NAMES = ["demucs", "ensemble", "hpss", "masknet", "openunmix", "oracle", "passthrough"]


def load(name):
    defaults = {"normalise": False, "checkpoint": None}
    node = OmegaConf.merge(defaults, OmegaConf.load(FOLDER / f"{name}.yaml"))
    return OmegaConf.create({"separator": node}).separator


def test_there_is_a_file_for_each_separator():
    assert sorted(path.stem for path in FOLDER.glob("*.yaml")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_names_itself_and_the_four_stems(name):
    config = load(name)
    assert config.model == name
    assert sorted(config.sources) == sorted(VDBO)
    assert config.get("sample_rate", 44100) == 44100


def test_the_order_of_the_stems_is_the_models():
    assert tuple(load("demucs").sources) == HDEMUCS_SOURCES
    for name in ("openunmix", "hpss", "oracle", "passthrough", "ensemble"):
        assert tuple(load(name).sources) == VDBO


def test_only_hdemucs_wants_a_standardised_signal():
    assert [name for name in NAMES if load(name).normalise] == ["demucs"]


def test_their_modules_can_be_made():
    assert isinstance(instantiate(load("oracle").module), OracleSeparator)
    assert isinstance(instantiate(load("passthrough").module), PassthroughSeparator)
    assert isinstance(instantiate(load("hpss").module), HarmonicPercussive)
    for name in ("demucs", "openunmix"):
        module = load(name).module
        assert module.checkpoint is None
        assert callable(get_method(module._target_))
    assert get_class(load("hpss").module._target_) is HarmonicPercussive
