"""Products and convolutions of PyTorch in full precision, whatever the process has allowed.

TensorFloat-32 and bfloat16 keep 10 and 7 bits of a factor. PyTorch uses the former in convolutions
on a GPU unless told otherwise, and a training script may have allowed both everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

_OPERATIONS = (
    ("cuda", "matmul"),
    ("cudnn", "conv"),
    ("cudnn", "rnn"),
    ("mkldnn", "matmul"),
    ("mkldnn", "conv"),
    ("mkldnn", "rnn"),
)


@contextmanager
def full_precision() -> Iterator[None]:
    """Work on float32 in float32 within this context, on CUDA and on the CPU."""
    settings: list[Any] = [
        getattr(getattr(torch.backends, backend), name) for backend, name in _OPERATIONS
    ]
    before = [setting.fp32_precision for setting in settings]
    try:
        for setting in settings:
            setting.fp32_precision = "ieee"
        yield
    finally:
        for setting, value in zip(settings, before, strict=True):
            setting.fp32_precision = value
