"""Numbers that several stages of the ear model share.

A constant that belongs to one stage only stands in that stage's module.
"""

from __future__ import annotations

SAMPLE_RATE_HZ = 24000
"""Rate at which the ear model runs."""

N_BANDS = 32
"""Auditory bands of the gammatone filter bank, band 0 being the lowest."""

LANES = 4
"""Bands that one compiled loop carries side by side, one to a SIMD lane."""

HOP = 192
"""Samples the stages hand on at a time: 8 ms, the hop of the basilar-membrane segments."""

ENVELOPE_HOP = 96
"""Hop of the envelope smoothing, 4 ms."""

MAX_LAG = 2400
"""Largest shift between the two signals that is put right in a band, 100 ms."""

TINY = 1e-30
"""Added where a logarithm or a quotient would meet zero."""

DENORMAL_GUARD = 1e-60
"""Offset that keeps recursive filters out of the denormal range in silence.

Nothing below ``TINY`` reaches a score, so the offset changes none; denormal arithmetic would be a
hundred times slower.
"""
