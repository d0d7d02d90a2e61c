"""What changes the stems changes the fingerprint, and nothing else does."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clarity.separation.fingerprint import fingerprint


class Session:
    """Weights where nobody sees them."""

    def __init__(self, weights):
        self.run = lambda signal: weights * signal


class Hidden:
    def __init__(self, path=None, gain=1.0):
        self.gain = gain
        self._session = Session(path and path.read_bytes())

    def separate(self, mixture):
        raise NotImplementedError


class Arrays(Hidden):
    def __init__(self, weights):
        self._weights = weights


class Own(torch.nn.Module):
    def __init__(self, name):
        super().__init__()
        self._name = name

    def fingerprint(self):
        return f"model {self._name}"


def test_weights_and_settings_of_a_module_count():
    torch.manual_seed(3)
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.LeakyReLU(0.1))
    before = fingerprint(module)
    assert before == fingerprint(module.train()) == fingerprint(module.eval())
    module[1].negative_slope = 0.2
    settings = fingerprint(module)
    with torch.no_grad():
        module[0].bias[1] += 1e-6
    assert len({before, settings, fingerprint(module)}) == 3
    assert fingerprint(torch.nn.ReLU()) != fingerprint(torch.nn.Tanh())


def test_class_attributes_and_arrays_of_an_object_count():
    weights = np.arange(6.0).reshape(2, 3)
    objects = [
        Hidden(),
        Hidden(gain=2.0),
        Arrays(weights),
        Arrays(weights + 1e-9),
        Arrays(weights.T),
        Arrays(torch.from_numpy(weights.astype(np.float32))),
        Arrays(torch.nn.Linear(2, 2)),
        Arrays(torch.nn.ReLU()),
    ]
    assert len({fingerprint(one) for one in objects}) == len(objects)
    assert fingerprint(Arrays(weights)) == fingerprint(Arrays(weights.copy()))
    assert fingerprint(Hidden()) == fingerprint(Hidden())


def test_an_object_can_say_itself_what_it_is():
    assert fingerprint(Own("a")) == fingerprint(Own("a")) != fingerprint(Own("b"))
    assert fingerprint(Own("a"), {"x": 1}) != fingerprint(Own("a"), {"x": 2})


@pytest.mark.parametrize("own", [None, "", 7])
def test_an_object_that_says_nothing_is_refused(own):
    """Else all objects that do would pass for one another."""

    class Silent:
        def fingerprint(self):
            return own

    with pytest.raises(ValueError, match=f"of Silent returned {own!r}, but must return a text"):
        fingerprint(Silent())


@pytest.mark.parametrize("key", ["checkpoint", "session"])
def test_a_file_among_the_arguments_counts_by_its_content(tmp_path, key):
    one, same, other = (tmp_path / name for name in ("one.onnx", "same.onnx", "other.onnx"))
    one.write_bytes(b"weights")
    same.write_bytes(b"weights")
    other.write_bytes(b"WEIGHTS")
    prints = [
        fingerprint(Hidden(path), {"module": {"_target_": "my.Hidden", key: str(path)}})
        for path in (one, same, other)
    ]
    assert prints[0] == prints[1] != prints[2]


def test_a_folder_counts_by_all_its_files_where_it_is_the_checkpoint(tmp_path):
    folder = tmp_path / "umx"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "vocals.pth").write_bytes(b"1")
    arguments = {"module": {"checkpoint": str(folder)}}
    before = fingerprint(Hidden(), arguments)
    (folder / "deep" / "vocals.pth").write_bytes(b"2")
    changed = fingerprint(Hidden(), arguments)
    (folder / "deep" / "vocals.pth").rename(folder / "deep" / "drums.pth")
    assert len({before, changed, fingerprint(Hidden(), arguments)}) == 3


def test_every_argument_counts():
    arguments = [
        None,
        {"module": {"n_median": 17}},
        {"module": {"n_median": 31}},
        {"module": {"n_median": [31]}},
        {"module": {"n_median": {"bass": 31}}},
        {"module": {"n_median": "31"}},
        {"module": {"n_median": None}},
        {"module": {"n_median": "x" * 5000}},
        {"module": {}, "n_median": 17},
    ]
    assert len({fingerprint(Hidden(), some) for some in arguments}) == len(arguments)
    ordered = [{"module": {"a": 1, "b": 2}}, {"module": {"b": 2, "a": 1}}]
    assert len({fingerprint(Hidden(), some) for some in ordered}) == 1
