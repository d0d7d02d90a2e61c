"""One thread of torch where a test module uses it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="module", autouse=True)
def one_thread_of_torch(request: pytest.FixtureRequest) -> Iterator[None]:
    """On signals of a quarter of a second more of them gain nothing.

    Where another process takes a core, they wait for one another: a call takes 20 times as long.
    """
    torch: Any = getattr(request.module, "torch", None)
    if torch is None:
        yield
        return
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)
