"""Make small.json: seeds and segmentation as pyClarity 0.9.0 has them.

    PYCLARITY_ENVIRONMENT/bin/python make_small.py

Run it with the Python of an environment in which pyclarity is installed: it has the import names of
this project.
"""

import hashlib
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path = [path for path in sys.path if Path(path or ".").resolve() != HERE]

import numpy as np  # noqa: E402
import torch  # noqa: E402

from clarity.utils.source_separation_support import separate_sources  # noqa: E402
from recipes.cad_icassp_2024.baseline.evaluate import set_song_seed  # noqa: E402

TEXTS = ("scene_10001", "icassp2024", "Some Band - A Song: Été", "")
LENGTHS = (8000, 22000, 22050, 22200, 44500, 100000)
SAMPLE_RATE = 2000


def seed(text: str) -> dict[str, object]:
    """The first draws after seeding with a text."""
    set_song_seed(text)
    number = int(hashlib.md5(text.encode()).hexdigest(), 16) % 10**8
    return {"seed": number, "first_normals": np.random.standard_normal(3).tolist()}


def segmentation(n_samples: int) -> dict[str, object]:
    """Where the stem of a signal of ones changes, with a model that gives back what it gets."""
    module = torch.nn.Module()
    module.forward = lambda signal: signal[:, None]
    stem = separate_sources(module, torch.ones(1, 2, n_samples), SAMPLE_RATE)[0, 0, 0]
    changes = np.flatnonzero(np.diff(stem)).tolist()
    return {
        "n_samples": n_samples,
        "sample_rate": SAMPLE_RATE,
        "sum": float(np.sum(stem, dtype=np.float64)),
        "changes_at": changes[:3] + changes[-3:],
        "last": float(stem[-1]),
        "min": float(stem.min()),
        "max": float(stem.max()),
    }


if __name__ == "__main__":
    small = {
        "source": f"pyclarity 0.9.0, numpy {np.__version__}, torch {torch.__version__}",
        "seeds": {text: seed(text) for text in TEXTS},
        "segmentation_of_ones": [segmentation(n_samples) for n_samples in LENGTHS],
    }
    text = json.dumps(small, indent=1, ensure_ascii=False)
    (HERE / "small.json").write_text(text + "\n", encoding="utf-8")
