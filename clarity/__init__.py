"""Signal processing for music and hearing aids: audiograms, NAL-R, HAAQI and source separation."""

from clarity._version import __version__

__all__ = ["__version__"]
