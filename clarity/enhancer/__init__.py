"""Hearing-aid processing: the NAL-R prescription and a dynamic-range compressor."""

from clarity.enhancer.compressor import Compressor, TimeConstantError
from clarity.enhancer.nalr import NALR, NALR_FREQS, insertion_gain_db

__all__ = ["NALR", "NALR_FREQS", "Compressor", "TimeConstantError", "insertion_gain_db"]
