"""Audiograms, audio files, levels and resampling: what everything else stands on."""
