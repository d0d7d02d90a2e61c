"""The oracle gives what is in the files, or says which file is wrong."""

import numpy as np
import pytest
import soundfile

from clarity.separation.base import VDBO, Mixture
from clarity.separation.oracle import OracleSeparator


@pytest.fixture
def stems(tmp_path):
    rng = np.random.default_rng(3)
    signals = {name: rng.uniform(-0.2, 0.2, (800, 2)).astype(np.float32) for name in VDBO}
    files = {name: tmp_path / f"{name}.wav" for name in VDBO}
    for name, signal in signals.items():
        soundfile.write(files[name], signal, 8000, subtype="FLOAT")
    return signals, files


def test_the_stems_are_those_of_the_files(stems):
    signals, files = stems
    given = OracleSeparator().separate(Mixture(sum(signals.values()), 8000, files))
    assert list(given) == list(VDBO)
    for name in VDBO:
        assert given[name].dtype == np.float32
        np.testing.assert_array_equal(given[name], signals[name])


def test_stems_at_another_rate_are_resampled(stems):
    _, files = stems
    given = OracleSeparator(["bass"]).separate(Mixture(np.ones((1600, 2)), 16000, files))
    assert given["bass"].shape == (1600, 2)


def test_what_is_wrong_is_named(stems):
    signals, files = stems
    mixture = signals["bass"]
    with pytest.raises(ValueError, match="no file is known for 'vocals'"):
        OracleSeparator().separate(Mixture(mixture, 8000))
    with pytest.raises(ValueError, match=r"vocals.wav has 800 samples in 2 channels"):
        OracleSeparator().separate(Mixture(mixture[:-1], 8000, files))
    files["drums"].unlink()
    with pytest.raises(FileNotFoundError, match=r"drums.wav"):
        OracleSeparator().separate(Mixture(mixture, 8000, files))


def test_a_stem_with_nan_is_named(tmp_path):
    files = {name: tmp_path / f"{name}.wav" for name in VDBO}
    for name, path in files.items():
        stem = np.full((800, 2), np.nan if name == "bass" else 0.1)
        soundfile.write(path, stem, 8000, subtype="FLOAT")
    with pytest.raises(ValueError, match=r"bass.wav holds NaN"):
        OracleSeparator().separate(Mixture(np.zeros((800, 2)), 8000, files))
