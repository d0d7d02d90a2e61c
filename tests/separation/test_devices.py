"""Names of devices."""

import os
import subprocess
import sys

import pytest
import torch

from clarity.separation.devices import select_device
from clarity.utils.source_separation_support import get_device


@pytest.fixture
def machine(monkeypatch):
    """Pretend to have a number of GPUs, or Apple's."""

    def pretend(n_gpus=0, mps=False):
        monkeypatch.setattr(torch.cuda, "device_count", lambda: n_gpus)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return pretend


def test_the_default_is_cuda_then_mps_then_cpu(machine):
    machine(n_gpus=2, mps=True)
    assert select_device() == torch.device("cuda")
    machine(mps=True)
    assert select_device() == torch.device("mps")
    machine()
    assert select_device() == torch.device("cpu")


@pytest.mark.parametrize(
    ("name", "device"),
    [("cpu", "cpu"), ("cuda", "cuda"), ("cuda:1", "cuda:1"), ("gpu0", "cuda:0"), ("mps", "mps")],
)
def test_names(machine, name, device):
    machine(n_gpus=2, mps=True)
    assert select_device(name) == torch.device(device)
    assert get_device(name) == (torch.device(device), torch.device(device).type)


@pytest.mark.parametrize("name", ["cuda:2", "gpu2", "mps"])
def test_an_absent_device_lists_those_that_are_there(machine, name):
    machine(n_gpus=2)
    with pytest.raises(ValueError, match="not on this machine; there are: cuda:0, cuda:1, cpu"):
        select_device(name)


@pytest.mark.parametrize("name", ["tpu", "gpu", "gpu-1", "", "cuda:x"])
def test_an_unknown_name_is_refused(machine, name):
    machine()
    with pytest.raises(ValueError, match="not the name of a device; there are: cpu"):
        select_device(name)


@pytest.mark.parametrize("module", ["clarity.separation.segmented", "clarity.separation.weights"])
def test_convolutions_are_bounded_before_torch_is_loaded(module):
    code = f"""
import os, sys
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            print(os.environ.get("CUDNN_CONV_WSCAP_DBG"))
sys.meta_path.insert(0, Watch())
import {module}
"""
    environment = {k: v for k, v in os.environ.items() if k != "CUDNN_CONV_WSCAP_DBG"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.split() == ["1024"]
