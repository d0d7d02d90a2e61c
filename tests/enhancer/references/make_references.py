"""Write the peer's numbers for clarity.enhancer: references.json beside this script.

Run with the Python of an environment that has pyClarity 0.9.0 (pip install pyclarity==0.9.0), from
the root of the project:

    python tests/enhancer/references/make_references.py
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np

from clarity.enhancer.compressor import Compressor
from clarity.enhancer.nalr import NALR
from clarity.utils.audiogram import Audiogram

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "utils" / "references"))

from signals import bursts, noise  # noqa: E402

CLARITY_HZ = [250, 500, 1000, 2000, 3000, 4000, 6000, 8000]
NALR_CASES = [
    # (order, rate, frequencies, levels)
    (220, 44100, CLARITY_HZ, [10, 15, 20, 35, 45, 50, 60, 65]),
    (220, 44100, CLARITY_HZ, [70, 75, 80, 85, 90, 95, 100, 105]),  # above 180 dB in all
    (220, 44100, CLARITY_HZ, [-10, -5, 0, 5, -5, 10, -10, 0]),
    (140, 24000, CLARITY_HZ, [25, 35, 25, 25, 30, 40, 35, 40]),
    (221, 44100, CLARITY_HZ, [25, 35, 25, 25, 30, 40, 35, 40]),  # odd order
    (60, 10000, CLARITY_HZ, [20, 30, 40, 50, 60, 70, 80, 80]),  # Nyquist below 6 kHz
    (60, 8000, CLARITY_HZ, [20, 30, 40, 50, 60, 70, 80, 80]),  # Nyquist at one of the six
    (100, 16000, [300, 1200, 5000], [20, 45, 60]),  # none of the six measured
    (1, 44100, CLARITY_HZ, [20] * 8),
    (1022, 48000, CLARITY_HZ, [20, 30, 40, 50, 60, 70, 80, 80]),
    (30, 44100, CLARITY_HZ, [0, 0, 0, 0, 0, 0, 0, 60]),  # a loss at 8 kHz only
]
COMPRESSOR_CASES = [
    {
        "threshold": 0.35,
        "attenuation": 0.1,
        "attack": 50,
        "release": 1000,
        "rms_buffer_size": 0.064,
    },
    {"threshold": 0.1, "attenuation": 0.5, "attack": 5, "release": 20, "makeup_gain": 1.5},
    {"threshold": 0.05, "attenuation": 0.0, "attack": 1, "release": 5, "rms_buffer_size": 0.01},
    {"fs": 16000, "threshold": 0.2, "rms_buffer_size": 5.0},
    {"threshold": 0.2, "attack": 0.05, "release": 0.05, "rms_buffer_size": 0.00005},
]


def nalr_references() -> list[dict]:
    references = []
    for order, rate, frequencies, levels in NALR_CASES:
        nalr = NALR(order, rate)
        fir, delay = nalr.build(Audiogram(np.array(levels), np.array(frequencies)))
        references.append(
            {
                "nfir": order,
                "sample_rate": rate,
                "frequencies": frequencies,
                "levels": levels,
                # Symmetric, so that half says all; the test checks the symmetry.
                "first_half": fir[: order // 2 + 1].tolist(),
                "delay_peak": int(delay.argmax()),
                "output_every_50th": nalr.apply(fir, noise(1, 500))[::50].tolist(),
            }
        )
    return references


def compressor_references() -> list[dict]:
    references = []
    for settings in COMPRESSOR_CASES:
        output, rms, gains = Compressor(**settings).process(bursts(2, 44100, 44100))
        references.append(
            {
                "settings": settings,
                "output_every_500th": output[::500].tolist(),
                "rms_every_500th": rms[::500].tolist(),
                "gains_every_500th": [float(gain) for gain in gains[::500]],
                "output_square_sum": float(np.sum(np.square(output))),
                "gains_sum": float(np.sum(gains)),
            }
        )
    return references


def main() -> None:
    references = {
        "source": " ".join(f"{name} {version(name)}" for name in ("pyclarity", "numpy", "scipy")),
        "nalr": nalr_references(),
        "compressor": compressor_references(),
    }
    (HERE / "references.json").write_text(json.dumps(references) + "\n")


if __name__ == "__main__":
    main()
