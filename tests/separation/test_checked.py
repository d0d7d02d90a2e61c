"""What a separator returns is checked before anybody uses it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clarity.separation.base import VDBO, Mixture, needs_true_stems
from clarity.separation.checked import CheckedSeparator, StemsError
from clarity.separation.oracle import OracleSeparator

MIXTURE = Mixture(np.random.default_rng(1).uniform(-1, 1, (100, 2)), 8000)


class Returning:
    """A separator that returns what a test wants; without stems, a share of the mixture."""

    def __init__(self, returned=None, **stems):
        self.returned = returned
        self.stems = stems

    def separate(self, mixture):
        if self.returned is not None:
            return self.returned
        stems = {name: i * mixture.signal for i, name in enumerate(VDBO)}
        return {name: stem for name, stem in {**stems, **self.stems}.items() if stem is not False}


def separate(separator):
    return CheckedSeparator(separator, VDBO, "the separator 'mine'").separate(MIXTURE)


def test_good_stems_pass_in_the_order_of_the_sources():
    returned = {"other": torch.from_numpy(3 * MIXTURE.signal)}
    returned |= {name: i * MIXTURE.signal for i, name in enumerate(VDBO[:3])}
    stems = separate(Returning(returned))
    assert list(stems) == list(VDBO)
    for i, stem in enumerate(stems.values()):
        assert stem.dtype == np.float32
        np.testing.assert_array_equal(stem, (i * MIXTURE.signal).astype(np.float32))


def spoilt(value):
    signal = MIXTURE.signal.copy()
    signal[99, 1] = value
    return signal


@pytest.mark.parametrize(
    ("separator", "message"),
    [
        (Returning(bass=False, other=False), "returned no bass, other$"),
        (Returning(guitar=MIXTURE.signal), "returned guitar, not only vocals, drums"),
        (Returning(drums=MIXTURE.signal[:, 0]), r"for drums the shape \(100,\), .*: it is mono$"),
        (Returning(drums=MIXTURE.signal[:, :1]), r"for drums the shape \(100, 1\), .*is mono$"),
        (Returning(bass=MIXTURE.signal[:90]), r"\(90, 2\), expected \(100, 2\).*by 10 samples$"),
        (Returning(vocals=MIXTURE.signal.T), r"for vocals .*\(2, 100\), .*: it is transposed$"),
        (Returning(vocals=MIXTURE.signal[None]), r"for vocals the shape \(1, 100, 2\)"),
        (Returning(bass=1j * MIXTURE.signal), r"for bass no signal \(complex numbers\)$"),
        (
            Returning(bass=torch.from_numpy(1j * MIXTURE.signal)),
            r"for bass no signal \(complex numbers\)$",
        ),
        (Returning(other=spoilt(np.nan)), "returned NaN or infinite samples for other"),
        (Returning(other=spoilt(np.inf)), "returned NaN or infinite samples for other"),
        (Returning(drums="a file"), "returned for drums no signal"),
        (Returning(drums=(32767 * MIXTURE.signal).astype(np.int16)), r"no signal \(int16, of"),
        (Returning([MIXTURE.signal] * 4), "returned a list, not a dictionary of stems"),
    ],
)
def test_other_stems_are_refused_by_name(separator, message):
    with pytest.raises(StemsError, match=message):
        separate(separator)
    with pytest.raises(ValueError, match=r"^the separator 'mine' returned"):
        separate(separator)


def test_without_a_name_it_is_the_class():
    with pytest.raises(StemsError, match=r"^Returning returned a list"):
        CheckedSeparator(Returning([]), VDBO).separate(MIXTURE)


def test_who_reads_the_true_stems_is_known_through_the_check():
    assert needs_true_stems(CheckedSeparator(OracleSeparator(), VDBO))
    assert not needs_true_stems(CheckedSeparator(Returning(), VDBO))
