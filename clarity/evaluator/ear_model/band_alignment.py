"""Alignment of the two signals in each band, after the compression."""

from __future__ import annotations

MAX_LAG = 2400
"""Largest shift between the two signals that is put right in a band, 100 ms."""
