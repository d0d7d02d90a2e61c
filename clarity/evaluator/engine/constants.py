"""Numbers of the compiled engine; those of the model stand in `ear_model`."""

from __future__ import annotations

from clarity.evaluator.ear_model.covariance import SEGMENT_HOP

HOP = SEGMENT_HOP
"""Samples the stages hand on at a time: 8 ms, the hop of the basilar-membrane segments."""

DENORMAL_GUARD = 1e-60
"""Offset that keeps recursive filters out of the denormal range in silence.

Nothing below ``TINY`` reaches a score, so the offset changes none; denormal arithmetic would be a
hundred times slower.
"""
