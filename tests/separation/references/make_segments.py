"""Make segments.json: what pyClarity 0.9.0's separate_sources gives for noise and a simple model.

    python make_segments.py PYCLARITY/clarity/utils/source_separation_support.py

The module is loaded by its path, because pyClarity has the import name of this project.
"""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import torch

CASES = [  # samples, sample rate, segment, overlap
    (500, 100, 10.0, 0.1),
    (1099, 100, 10.0, 0.1),
    (1100, 100, 10.0, 0.1),
    (1101, 100, 10.0, 0.1),
    (1111, 100, 10.0, 0.1),
    (2200, 100, 10.0, 0.1),
    (2201, 100, 10.0, 0.1),
    (5000, 100, 10.0, 0.1),
    (3000, 111, 10.0, 0.1),  # the overlap is 11.1 samples
    (2000, 250, 1.0, 0.25),  # and here 62.5
    (1000, 100, 1.5, 0.5),
    (1000, 100, 2.0, 0.0),
]


def model(signal: torch.Tensor) -> torch.Tensor:
    """Give four stems that betray where a segment starts and ends."""
    return torch.stack(
        [signal, signal.flip(-1), signal - signal.mean(-1, keepdim=True), torch.tanh(3 * signal)], 1
    )


def make_input(n_samples: int) -> np.ndarray:
    """Stereo noise (channels, samples)."""
    return np.random.RandomState(n_samples).uniform(-1, 1, (2, n_samples)).astype(np.float32)


def project(stems: np.ndarray) -> list[list[float]]:
    """Three projections on random signals of each stem (sources, channels, samples)."""
    directions = np.random.RandomState(1).standard_normal((3, *stems.shape[1:]))
    return np.einsum("sct,pct->sp", stems.astype(np.float64), directions).tolist()


def main(peer_file: str) -> None:
    """Run the peer on all cases."""
    spec = importlib.util.spec_from_file_location("peer", peer_file)
    peer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(peer)
    rows = []
    for n_samples, sample_rate, segment, overlap in CASES:
        mix = torch.from_numpy(make_input(n_samples))
        module = torch.nn.Module()
        module.forward = model
        stems = peer.separate_sources(module, mix, sample_rate, segment, overlap)[0]
        rows.append(
            {
                "n_samples": n_samples,
                "sample_rate": sample_rate,
                "segment": segment,
                "overlap": overlap,
                "projections": project(stems),
            }
        )
    path = Path(__file__).with_name("segments.json")
    path.write_text(json.dumps({"source": "pyClarity 0.9.0", "cases": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
