"""Cached stems are the separator's own, bit for bit, or are made anew."""

import json
import logging
import shutil

import numpy as np
import pytest
import soundfile

from clarity.separation.base import VDBO, Mixture
from clarity.separation.cache import CachedSeparator


class Counting:
    """Random stems of each mixture; counts how often it is asked."""

    sources = VDBO

    def __init__(self):
        self.n_calls = 0

    def separate(self, mixture):
        self.n_calls += 1
        rng = np.random.default_rng(int(1e6 * abs(mixture.signal).sum()))
        # values beyond full scale and tiny ones must survive, too
        scale = np.float32([3.0, 1e-30] * (mixture.signal.shape[1] // 2))
        return {
            name: rng.standard_normal(mixture.signal.shape, dtype=np.float32) * scale
            for name in self.sources
        }


@pytest.fixture
def mixture():
    return Mixture(np.random.default_rng(4).uniform(-1, 1, (1000, 2)), 8000)


def test_a_mixture_is_separated_once(tmp_path, mixture):
    separator = Counting()
    first = CachedSeparator(separator, tmp_path, "key").separate(mixture)
    again = CachedSeparator(separator, tmp_path, "key").separate(mixture)
    assert separator.n_calls == 1
    assert list(again) == list(VDBO)
    for name in VDBO:
        assert again[name].dtype == np.float32
        assert again[name].tobytes() == first[name].tobytes()


def test_another_mixture_rate_or_key_is_another_entry(tmp_path, mixture):
    separator = Counting()
    louder = mixture.signal.copy()
    louder[500, 1] += 1e-12
    for other, key in [
        (mixture, "key"),
        (Mixture(louder, 8000), "key"),
        (Mixture(mixture.signal, 16000), "key"),
        (Mixture(mixture.signal.reshape(500, 4), 8000), "key"),
        (mixture, "another key"),
    ]:
        CachedSeparator(separator, tmp_path, key).separate(other)
    assert separator.n_calls == 5
    assert len(list(tmp_path.iterdir())) == 5


def test_the_memory_layout_of_a_mixture_does_not_matter(tmp_path, mixture):
    separator = Counting()
    cached = CachedSeparator(separator, tmp_path, "key")
    cached.separate(mixture)
    cached.separate(Mixture(np.asfortranarray(mixture.signal), 8000))
    assert separator.n_calls == 1


def test_the_separator_sees_nothing_that_its_entry_is_not_named_by(tmp_path, mixture):
    class Peeking(Counting):
        def separate(self, mixture):
            assert not mixture.stem_files
            return super().separate(mixture)

    with_files = Mixture(mixture.signal, mixture.sample_rate, {"vocals": tmp_path / "v.wav"})
    CachedSeparator(Peeking(), tmp_path, "key").separate(with_files)


def cut(entry):
    path = entry / "bass.wav"
    path.write_bytes(path.read_bytes()[:-8])


def flip(entry):
    path = entry / "drums.wav"
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)


def lose(entry):
    (entry / "other.wav").unlink()


def spoil(entry):
    (entry / "entry.json").write_text("{")


def empty(entry):
    (entry / "entry.json").write_text(json.dumps([]))


def replace(entry):
    shutil.rmtree(entry)
    entry.touch()


@pytest.mark.parametrize("damage", [cut, flip, lose, spoil, empty, replace])
def test_a_damaged_entry_is_made_anew_with_a_warning(tmp_path, mixture, caplog, damage):
    separator = Counting()
    cached = CachedSeparator(separator, tmp_path, "key")
    first = cached.separate(mixture)
    (entry,) = tmp_path.iterdir()
    damage(entry)
    with caplog.at_level(logging.WARNING):
        second = cached.separate(mixture)
    assert separator.n_calls == 2
    assert "damaged" in caplog.text
    assert second["bass"].tobytes() == first["bass"].tobytes()
    cached.separate(mixture)
    assert separator.n_calls == 2


def test_a_failed_write_leaves_nothing(tmp_path, mixture):
    class Broken(Counting):
        def separate(self, mixture):
            return {**super().separate(mixture), "other": np.zeros((5, 2000))}

    with pytest.raises(soundfile.LibsndfileError):  # WAV has no 2000 channels
        CachedSeparator(Broken(), tmp_path, "key").separate(mixture)
    assert not list(tmp_path.iterdir())


def test_an_entry_that_another_process_has_written_meanwhile_is_kept(tmp_path, mixture):
    class Slow(Counting):
        def separate(self, mixture):
            CachedSeparator(Counting(), tmp_path, "key").separate(mixture)
            return super().separate(mixture)

    CachedSeparator(Slow(), tmp_path, "key").separate(mixture)
    (entry,) = tmp_path.iterdir()
    assert {path.name for path in entry.iterdir()} == {f"{n}.wav" for n in VDBO} | {"entry.json"}
