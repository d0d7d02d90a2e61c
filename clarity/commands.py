"""The console command ``haaqi``; what it imports comes when it is called."""

from __future__ import annotations

from clarity.utils.stopping import end_at_once_when_stopped


def haaqi() -> int:
    """Run ``haaqi``, the same as ``python -m clarity.evaluator.haaqi``."""
    end_at_once_when_stopped()
    from clarity.evaluator.haaqi.__main__ import main  # noqa: PLC0415 - takes seconds

    return main(program="haaqi")
