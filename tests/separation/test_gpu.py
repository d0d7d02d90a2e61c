"""What holds on a GPU only; skipped where there is none."""

import numpy as np
import pytest
import torch
from torchaudio.models import HDemucs

from clarity.separation.base import VDBO, Mixture
from clarity.separation.segmented import SegmentedSeparator

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


@pytest.fixture(scope="module")
def song():
    rng = np.random.default_rng(7)
    return Mixture(rng.uniform(-0.5, 0.5, (45 * 44100, 2)), 44100)


def separate(song, **settings):
    torch.manual_seed(8)
    separator = SegmentedSeparator(
        HDemucs(VDBO, channels=16), sources=VDBO, sample_rate=44100, normalise=True, **settings
    )
    return np.stack(list(separator.separate(song).values()))


def snr_db(reference, signal):
    return 10 * np.log10(np.sum(reference**2) / np.sum((reference - signal) ** 2))


def test_a_gpu_gives_the_stems_of_the_cpu(song):
    assert snr_db(separate(song, device="cpu"), separate(song, device="cuda")) > 80


def test_batching_changes_nothing(song):
    one, four = (separate(song, device="cuda:0", batch_size=n) for n in (1, 4))
    assert snr_db(one, four) > 80


def test_mixed_precision_is_close_to_float32(song):
    full, mixed = (separate(song, device="gpu0", mixed_precision=on) for on in (False, True))
    assert mixed.dtype == np.float32
    assert snr_db(full, mixed) > 30
