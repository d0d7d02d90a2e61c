"""Make chain.json: what the peer gives for the tiny data set, from mixture to scores.

Run it with the Python of an environment that holds pyclarity 0.9.0 (and torch, torchaudio 2.11):

    PEER/bin/python tests/recipes/baseline/references/make_references.py

The separator has the stems drums, bass, other, vocals at 0.35, 0.15, 0.30, 0.20 of the mixture,
standardised as for HDemucs. A signal is kept as its energy and every 997th sample. Besides, the
at-mic mixture itself is scored, brought to 32 kHz by leaving samples out: a signal that is the same
to the bit on every machine, so that its scores can be compared to 1e-8.
"""

from __future__ import annotations

import importlib.util
import json
import platform
import sys
import tempfile
from pathlib import Path

import numpy as np
import scipy
import soundfile
import torch

import clarity
from clarity.enhancer.nalr import NALR
from clarity.evaluator.haaqi import compute_haaqi
from clarity.utils.audiogram import Listener
from clarity.utils.flac_encoder import read_flac_signal
from clarity.utils.signal_processing import compute_rms, resample
from recipes.cad_icassp_2024.baseline import enhance, evaluate

HERE = Path(__file__).resolve().parent
SHARES = {"drums": 0.35, "bass": 0.15, "other": 0.30, "vocals": 0.20}


def load_tiny_dataset():
    """Import tests/recipes/tiny_dataset.py without this project's own packages."""
    path = HERE.parents[1] / "tiny_dataset.py"
    spec = importlib.util.spec_from_file_location("tiny_dataset", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["tiny_dataset"] = module
    spec.loader.exec_module(module)
    return module


class FixedShares(torch.nn.Module):
    """Shares of the mixture."""

    def forward(self, mixture):
        """Return (batch, sources, channels, time)."""
        return torch.stack([share * mixture for share in SHARES.values()], dim=1)


def main() -> None:
    """Run the peer's chain on all pairs."""
    pairs = {}
    tiny = load_tiny_dataset()
    with tempfile.TemporaryDirectory() as folder:
        data = tiny.make_tiny_dataset(Path(folder), music=False)
        gains = json.loads((data.metadata / "gains.json").read_text())
        listeners = Listener.load_listener_dict(data.metadata / "listeners.train.json")
        for scene_id, names in data.scene_listeners.items():
            scene = data.scenes[scene_id]
            song = f"{scene['music']}-{scene['head_loudspeaker_positions']}"
            stems, mixture = evaluate.load_reference_stems(data.at_mic_folder(song))
            for name in names:
                print(scene_id, name, flush=True)
                flac = Path(folder) / f"{scene_id}_{name}_remix.flac"
                gain = gains[scene["gain"]]
                enhance_pair(mixture, gain, listeners[name], flac)
                samples, _ = soundfile.read(flac, dtype="int16")
                pair = (scene_id, stems, mixture, gain, listeners[name])
                picked = Path(folder) / "picked.flac"
                untouched, _ = soundfile.read(
                    data.at_mic_folder(song) / "mixture.wav", dtype="int16"
                )
                soundfile.write(picked, tiny.pick_samples(untouched, 44100, 32000), 32000)
                pairs[f"{scene_id}_{name}"] = {
                    "signal": describe(samples),
                    "scores": score_pair(*pair, flac),
                    "scores_of_picked_mixture": score_pair(*pair, picked),
                }
    versions = {m.__name__: m.__version__ for m in (np, scipy, torch)}
    source = {"pyclarity": "0.9.0", **versions, "python": platform.python_version()}
    text = json.dumps({"source": source, "pairs": pairs}, indent=1)
    (HERE / "chain.json").write_text(text + "\n")


def enhance_pair(mixture, gain, listener, flac) -> None:
    """From a mixture to an enhanced signal."""
    stems = enhance.decompose_signal(
        FixedShares(), 44100, mixture, 44100, torch.device("cpu"), list(SHARES), listener, True
    )
    remix = evaluate.remix_stems(evaluate.apply_gains(stems, 44100, gain), mixture, 44100)
    amplified = enhance.process_remix_for_listener(remix, NALR(220, 44100), None, listener)
    enhance.save_flac_signal(amplified, flac, 44100, 32000, True, False)


def score_pair(scene_id, stems, mixture, gain, listener, flac) -> list[float]:
    """From an enhanced signal to the scores of the left and the right ear."""
    reference = evaluate.remix_stems(evaluate.apply_gains(stems, 44100, gain), mixture, 44100)
    processed, _ = read_flac_signal(flac)
    evaluate.set_song_seed(scene_id)
    scores = []
    for ear, audiogram in enumerate((listener.audiogram_left, listener.audiogram_right)):
        amplified = evaluate.apply_ha(NALR(220, 44100), None, reference[:, ear], audiogram)
        scores.append(
            float(
                compute_haaqi(
                    processed_signal=resample(processed[:, ear], 32000, 24000),
                    reference_signal=resample(amplified, 44100, 24000),
                    processed_sample_rate=24000,
                    reference_sample_rate=24000,
                    audiogram=audiogram,
                    equalisation=2,
                    level1=65 - 20 * np.log10(compute_rms(reference[:, ear])),
                )
            )
        )
    return scores


def describe(samples) -> dict:
    """Keep of a 16-bit signal what shows whether another is the same."""
    return {
        "shape": list(samples.shape),
        "sum_of_squares": int(np.sum(samples.astype(np.int64) ** 2)),
        "every_997th": samples[::997].ravel().tolist(),
    }


if __name__ == "__main__":
    assert clarity.__file__
    main()
