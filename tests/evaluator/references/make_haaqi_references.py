"""Compute the reference scores of tests/evaluator/random_pairs.py with the peer, pyclarity 0.9.0.

Run with the Python of an environment in which pyclarity is installed (it shares the import name
`clarity` with this project, so not with this project's own):

    python tests/evaluator/references/make_haaqi_references.py

Writes haaqi_references.json beside itself: score, terms, features, and a digest of NumPy's random
state after each call.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path = [str(HERE.parent)] + [p for p in sys.path if Path(p or ".").resolve() != HERE]

from random_pairs import PAIRS, make_pair  # noqa: E402

from clarity.evaluator.haaqi.haaqi import haaqi_v1  # noqa: E402
from clarity.utils.audiogram import Audiogram  # noqa: E402


def random_position() -> dict[str, object]:
    """Where NumPy's global stream stands."""
    _, key, position, has_gauss, gauss = np.random.get_state()
    digest = hashlib.sha256(np.asarray(key, "<u4").tobytes()).hexdigest()[:16]
    return {"key": digest, "position": position, "has_gauss": has_gauss, "gauss": gauss}


def main() -> None:
    """Score every pair."""
    logging.disable(logging.CRITICAL)
    results = {}
    for name in PAIRS:
        pair = make_pair(name)
        np.random.seed(pair.seed)
        score, nonlinear, linear, raw = haaqi_v1(
            pair.reference,
            pair.reference_rate,
            pair.processed,
            pair.processed_rate,
            Audiogram(levels=np.array(pair.levels), frequencies=np.array(pair.frequencies)),
            pair.equalisation,
            pair.level1,
        )
        results[name] = {
            "values": [float(value) for value in (score, nonlinear, linear, *raw)],
            "random": random_position(),
        }
        print(f"{name:26s} {score:.6f}", flush=True)
    source = f"pyclarity {version('pyclarity')}, numpy {np.__version__}"
    text = json.dumps({"source": source, "pairs": results}, indent=1)
    (HERE / "haaqi_references.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
