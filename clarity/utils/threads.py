"""Threads that give way to others."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from typing import Final

LOWEST_PRIORITY: Final = 19
"""Nice value of a thread that runs when nobody else wants the core; setpriority(2)."""


def lower_thread_priority() -> None:
    """Give the calling thread, and those it starts, the lowest priority.

    Only Linux has a priority for each thread; elsewhere nothing happens.
    """
    if sys.platform == "linux" and hasattr(os, "setpriority"):
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)
