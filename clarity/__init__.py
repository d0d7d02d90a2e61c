"""Signal processing for music and hearing aids: audiograms, NAL-R, HAAQI and source separation."""

import os

from clarity._version import __version__

__all__ = ["__version__"]

# Scratch memory in MiB that a convolution on a GPU may take. Read while torch is loaded, so that it
# is set here; without it, one layer of HDemucs takes 39 GB for segments of some lengths.
os.environ.setdefault("CUDNN_CONV_WSCAP_DBG", "1024")
