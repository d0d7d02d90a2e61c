"""Numbers that several stages of the ear model share.

A constant that belongs to one stage only stands in that stage's module.
"""

from __future__ import annotations

SAMPLE_RATE_HZ = 24000
"""Rate at which the ear model runs (Kates & Arehart 2016)."""

N_BANDS = 32
"""Auditory bands of the gammatone filter bank, band 0 being the lowest (Kates 2013)."""

TINY = 1e-30
"""Added where a logarithm or a quotient would meet zero."""
