"""Hearing-aid processing: the NAL-R prescription and a dynamic-range compressor."""
