"""Score the cases of tests/evaluator/odd_cases.py with the peer, pyclarity 0.9.0.

Run with the Python of an environment in which pyclarity is installed (it shares the import name
`clarity` with this project, so not with this project's own):

    python tests/evaluator/references/make_odd_references.py

Writes odd_references.json beside itself.
"""

from __future__ import annotations

import json
import logging
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path = [str(HERE.parent)] + [p for p in sys.path if Path(p or ".").resolve() != HERE]

from odd_cases import CASES, LEVEL1_DB, LEVELS_DB, SEED, make_signal  # noqa: E402
from random_pairs import FREQUENCIES_HZ  # noqa: E402

from clarity.evaluator.haaqi.haaqi import haaqi_v1  # noqa: E402
from clarity.utils.audiogram import Audiogram  # noqa: E402


def main() -> None:
    """Score every case."""
    logging.disable(logging.CRITICAL)
    values = {}
    for name, (reference, processed, equalisation, segment_ms) in CASES.items():
        np.random.seed(SEED)
        score, nonlinear, linear, raw = haaqi_v1(
            make_signal(reference),
            24000,
            make_signal(processed),
            24000,
            Audiogram(levels=np.array(LEVELS_DB), frequencies=np.array(FREQUENCIES_HZ)),
            equalisation,
            LEVEL1_DB,
            segment_covariance=segment_ms,
        )
        values[name] = [float(value) for value in (score, nonlinear, linear, *raw)]
        print(f"{name:28s} {score:.6f}", flush=True)
    source = f"pyclarity {version('pyclarity')}, numpy {np.__version__}"
    text = json.dumps({"source": source, "values": values}, indent=1)
    (HERE / "odd_references.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
