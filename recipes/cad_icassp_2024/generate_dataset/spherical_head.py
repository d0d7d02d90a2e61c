"""Head-related impulse responses of a rigid sphere: a head that anybody may copy.

The model is that of C. P. Brown and R. O. Duda, "A structural model for binaural sound synthesis",
IEEE Transactions on Speech and Audio Processing 6(5), 476-488, 1998, without its shoulders, room
and pinnae: what remains is a delay and a first-order shelf for each ear.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy

FloatArray = npt.NDArray[np.float64]

HEAD_RADIUS_M = 0.0875
SPEED_OF_SOUND_M_S = 343.0
ALPHA_MIN = 0.1
"""Gain at high frequencies where the shadow is deepest (below eq. 5)."""
THETA_MIN_DEG = 150.0
"""Angle between source and ear at which the shadow is deepest (below eq. 5)."""

EAR_AZIMUTHS_DEG = (-90.0, 90.0)
LEAD_S = 0.001
"""Common delay that leaves room for the start of the interpolated impulse."""
SINC_HALF_WIDTH = 32
"""Samples of the interpolated impulse on either side of its centre."""


def incidence_deg(azimuth_deg: float, ear_azimuth_deg: float) -> float:
    """Angle between the source and the axis of an ear, 0 (it faces the ear) to 180 degrees."""
    return abs((azimuth_deg - ear_azimuth_deg + 180.0) % 360.0 - 180.0)


def arrival_time_s(incidence: float) -> float:
    """Time at which sound reaches an ear, counted from that at the centre of the head.

    Eq. 2 of Brown and Duda, after Woodworth and Schlosberg: a ray to an ear in sight, a ray and
    a creeping wave to one in the shadow. ``incidence`` in degrees, 0 to 180; the time in seconds,
    negative at an ear that is nearer than the centre.
    """
    theta = np.radians(incidence)
    radius_s = HEAD_RADIUS_M / SPEED_OF_SOUND_M_S
    lit = theta < np.pi / 2
    return float(-radius_s * np.cos(theta) if lit else radius_s * (theta - np.pi / 2))


def shadow_gain(incidence: float) -> float:
    """Gain of the head at high frequencies, alpha of eq. 5 of Brown and Duda.

    From 2 for an ear that the source faces to 0.1 in the deepest shadow; ``incidence`` in degrees.
    """
    swing = np.cos(np.pi * incidence / THETA_MIN_DEG)
    return float((1.0 + ALPHA_MIN / 2.0) + (1.0 - ALPHA_MIN / 2.0) * swing)


def shadow_filter(incidence: float, sample_rate: float) -> tuple[FloatArray, FloatArray]:
    """Digital filter for the shadow of the head: numerator and denominator, shape (2,).

    Eqs. 3 and 4 of Brown and Duda, ``H = (1 + j alpha w / 2 w0) / (1 + j w / 2 w0)`` with
    ``w0 = c / a``, by the bilinear transform. Its gain is 1 at 0 Hz and alpha at half the
    sampling rate.
    """
    double_corner = 2.0 * SPEED_OF_SOUND_M_S / HEAD_RADIUS_M
    b, a = scipy.signal.bilinear(
        [shadow_gain(incidence) / double_corner, 1.0], [1.0 / double_corner, 1.0], sample_rate
    )
    return np.asarray(b), np.asarray(a)


def spherical_head_hrir(
    azimuth_deg: float, sample_rate: int = 44100, n_taps: int = 256
) -> FloatArray:
    """Impulse responses from a distant loudspeaker to both ears, shape (n_taps, 2): left, right.

    The azimuth is 0 in front and negative to the left; the sampling rate is in Hz.
    """
    ears = []
    for ear_azimuth_deg in EAR_AZIMUTHS_DEG:
        incidence = incidence_deg(azimuth_deg, ear_azimuth_deg)
        delay = (LEAD_S + arrival_time_s(incidence)) * sample_rate
        b, a = shadow_filter(incidence, sample_rate)
        ears.append(scipy.signal.lfilter(b, a, _delayed_impulse(delay, n_taps)))
    return np.stack(ears, axis=1)


def _delayed_impulse(delay: float, n_taps: int) -> FloatArray:
    """Impulse at a fraction of a sample: a windowed sinc of unit sum, shape (n_taps,)."""
    offset = np.arange(n_taps) - delay
    inside = np.abs(offset) < SINC_HALF_WIDTH
    window = np.where(inside, np.cos(np.pi / 2 * offset / SINC_HALF_WIDTH) ** 2, 0.0)
    impulse = np.sinc(offset) * window
    return impulse / impulse.sum()
