"""Write the peer's numbers for clarity.utils: references.json beside this script.

Run with the Python of an environment that has pyClarity 0.9.0 (pip install pyclarity==0.9.0):

    python tests/utils/references/make_references.py
"""

from __future__ import annotations

import inspect
import json
import tempfile
from importlib.metadata import version
from operator import attrgetter
from pathlib import Path

import numpy as np
import pyloudnorm
import soundfile
from signals import noise

from clarity.enhancer import compressor, nalr
from clarity.utils import (
    audiogram as audiograms,
    file_io,
    flac_encoder,
    results_support,
    signal_processing,
)

HERE = Path(__file__).parent
SEPARATORS_TEXT = '{"a": "line\u2028separator"}\n{"b": "next\x85line"}\r\n["x"]\n'
AROUND_NAN_HZ = [400, 700, 1000, 1500, 2000, 3000, 4000, 6000]


def audiogram_references() -> dict:
    standard = audiograms.FULL_STANDARD_AUDIOGRAM_FREQUENCIES
    one_frequency = {
        str(frequency): audiograms.Audiogram(np.eye(15)[i] * 1000, standard).severity
        for i, frequency in enumerate(standard)
    }
    flat = {
        str(level): audiograms.Audiogram(np.full(15, level), standard).severity
        for level in (-10, 0, 14.99, 15, 15.01, 34.99, 35, 35.01, 55.99, 56, 56.01, 100)
    }
    sloping = audiograms.Audiogram(np.array([5, 10, 40, 75.5]), np.array([200, 500, 3000, 7000]))
    with_gaps = {
        "[3500, 5000]": ([80, 80], [3500, 5000]),
        "[250, 1500, 9000]": ([80, 80, 80], [250, 1500, 9000]),
        "[1999, 2000.5, 8000]": ([0, 40, 30], [1999, 2000.5, 8000]),
        "none at 3 kHz": ([20, 20, None, 60], [1000, 2000, 3000, 4000]),
        "none at all": ([None, None], [2000, 4000]),
    }
    changed = audiograms.Audiogram(np.array([10, 20, 40]), np.array([500, 1000, 4000]))
    changed.levels += 5
    nan_at_2_khz = audiograms.Audiogram(
        np.array([10, 20, np.nan, 40, 50]), np.array([500, 1000, 2000, 4000, 8000])
    )
    wanted = [100, 200, 250, 333, 500, 1000, 2000, 3000, 4000, 6000, 7000, 16000]
    names = ["REF", "REF_CLARITY", "MILD", "MODERATE", "MODERATE_SEVERE"]
    constants = {f"AUDIOGRAM_{name}": getattr(audiograms, f"AUDIOGRAM_{name}") for name in names}
    return {
        "severity_of_1000_db_at_one_frequency": one_frequency,
        "severity_of_flat_loss": flat,
        "severity_with_gaps": {
            name: {
                "levels": levels,
                "frequencies": frequencies,
                "severity": audiograms.Audiogram(np.array(levels), np.array(frequencies)).severity,
            }
            for name, (levels, frequencies) in with_gaps.items()
        },
        "levels_after_a_change": changed.resample(np.array([500, 2000, 8000])).levels.tolist(),
        "resampled_around_nan": [
            None if np.isnan(level) else float(level)
            for level in nan_at_2_khz.resample(np.array(AROUND_NAN_HZ)).levels
        ],
        "around_nan_frequencies": AROUND_NAN_HZ,
        "resampled_frequencies": wanted,
        "resampled_over_log": sloping.resample(np.array(wanted)).levels.tolist(),
        "resampled_over_hz": sloping.resample(np.array(wanted), True).levels.tolist(),
        "constants": {
            name: {
                "levels": value.levels.tolist(),
                "frequencies": value.frequencies.tolist(),
                "severity": value.severity,
            }
            for name, value in constants.items()
        },
        "default_frequencies": audiograms.DEFAULT_CLARITY_AUDIOGRAM_FREQUENCIES.tolist(),
    }


def signal_processing_references() -> dict:
    levels = np.array([0.0, 0.1, -0.1, 0.5, 1.6 / 32768, -1.6 / 32768, 0.99999, 1, -1, 1.5, -1.5])
    clipped, n_clipped = signal_processing.clip_signal(levels)
    soft, n_soft = signal_processing.clip_signal(levels, True)
    channels = noise(1, (2, 500), 0.3) + 0.1
    normalized, ref = signal_processing.normalize_signal(channels)
    stems = noise(2, (4, 2, 500))
    long = noise(3, (1000, 2))
    resampled = [
        {
            "rates": [rate, new_rate],
            "method": method,
            "n_samples": len(new := signal_processing.resample(long, rate, new_rate, method)),
            "every_50th": new[::50].tolist(),
        }
        for method in ("soxr", "polyphase", "fft")
        for rate, new_rate in ((44100, 32000), (32000, 24000), (16000, 44100), (24000.5, 16000))
    ]
    in_3d = [
        {
            "method": method,
            "resampled_every_5th": signal_processing.resample(
                noise(9, (40, 2, 3)), 44100, 32000, method
            )[::5].tolist(),
        }
        for method in ("polyphase", "fft")
    ]
    return {
        "resampled_in_3d": in_3d,
        "levels": levels.tolist(),
        "clipped": clipped.tolist(),
        "n_clipped": n_clipped,
        "soft_clipped": soft.tolist(),
        "n_soft_clipped": n_soft,
        "to_16bit": signal_processing.to_16bit(levels).tolist(),
        "rms": float(signal_processing.compute_rms(channels)),
        "normalized_every_50th": normalized[:, ::50].tolist(),
        "ref_every_50th": ref[::50].tolist(),
        "denormalized_every_50th": signal_processing.denormalize_signals(stems, ref)[
            ..., ::50
        ].tolist(),
        "resampled": resampled,
        "loudness": [
            {
                "rate": rate,
                "rms": rms,
                "lufs": float(
                    pyloudnorm.Meter(rate).integrated_loudness(noise(4, (2 * rate, 2), rms))
                ),
            }
            for rate in (44100, 32000)
            for rms in (0.3, 0.001)
        ],
    }


def file_references(work: Path) -> dict:
    levels = np.array([0.1, -0.1, 0.99999, 1.0, 1.5, -1.0, -1.5, 1.6 / 32768, -1.6 / 32768])
    file_io.write_signal(work / "levels.wav", levels, 44100, floating_point=False)
    file_io.write_signal(work / "long.wav", noise(5, (1000, 2)), 44100)
    part = {"sample_rate": 32000, "offset": 0.01, "n_samples": 400}
    ramp = np.arange(30000.0) / 32768
    soundfile.write(work / "ramp.wav", ramp, 44100, subtype="PCM_16")
    offsets_s = [0.1, 0.29, 1e-5, 1.2e-5, 0.123456, 0.57, 1 / 3, 0.6]
    starts = [
        round(float(file_io.read_signal(work / "ramp.wav", offset=offset, n_samples=1)[0]) * 32768)
        for offset in offsets_s
    ]
    (work / "separators.jsonl").write_text(SEPARATORS_TEXT, encoding="utf-8", newline="")
    records = [{"a": 1, "b": "é"}, [1.5, None]]
    file_io.write_jsonl(str(work / "records.jsonl"), records[:1])
    file_io.write_jsonl(str(work / "records.jsonl"), records[1:])
    table = results_support.ResultsFile(work / "table.csv", ["scene", "score"])
    rows = [{"scene": "a, b", "score": 0.1 + 0.2}, {"score": 'q"u', "scene": 1, "other": 2}]
    for row in rows:
        table.add_result(row)
    return {
        "levels": levels.tolist(),
        "written_16bit": soundfile.read(work / "levels.wav", dtype="int16")[0].tolist(),
        "part": part,
        "read_part_every_20th": file_io.read_signal(work / "long.wav", **part)[::20].tolist(),
        "offsets_s": offsets_s,
        "starts": starts,
        "separators_text": SEPARATORS_TEXT,
        "separators": file_io.read_jsonl(str(work / "separators.jsonl")),
        "records": records,
        "records_text": (work / "records.jsonl").read_text(),
        "rows": rows,
        "table_text": (work / "table.csv").read_bytes().decode(),
    }


def flac_references(work: Path) -> dict:
    cases = []
    for options in (
        {},
        {"do_clip_signal": True},
        {"do_clip_signal": True, "do_soft_clip": True},
        {"do_scale_signal": True},
        {"do_clip_signal": True, "output_sample_rate": 32000},
        {"do_scale_signal": True, "output_sample_rate": 32000},
    ):
        file = work / f"{len(cases)}.flac"
        flac_encoder.save_flac_signal(noise(6, (500, 2), 0.4), file, 44100, **options)
        read, rate = flac_encoder.read_flac_signal(file)
        samples, _ = soundfile.read(file, dtype="int16")
        peak = file.with_suffix(".txt")
        cases.append(
            {
                "options": options,
                "rate": rate,
                "samples_every_10th": samples[::10].tolist(),
                "read_every_50th": read[::50].tolist(),
                "peak_text": peak.read_text() if peak.exists() else None,
            }
        )
    return {"cases": cases}


def signatures() -> dict:
    """Parameters of the names that entrants' scripts import, with their defaults."""
    names = {
        audiograms: "Audiogram Audiogram.has_frequencies Audiogram.resample Listener "
        "Listener.from_dict Listener.load_listener_dict",
        file_io: "read_jsonl write_jsonl read_signal write_signal",
        flac_encoder: "WavEncoder WavEncoder.process FileDecoder.process FlacEncoder "
        "FlacEncoder.encode FlacEncoder.decode read_flac_signal "
        "save_flac_signal",
        signal_processing: "clip_signal compute_rms normalize_signal denormalize_signals resample "
        "to_16bit",
        results_support: "ResultsFile ResultsFile.add_result",
        nalr: "NALR NALR.build NALR.apply",
        compressor: "Compressor Compressor.process Compressor.set_attack Compressor.set_release",
    }
    return {
        f"{module.__name__}:{name}": {
            parameter.name: repr(parameter.default)
            for parameter in inspect.signature(attrgetter(name)(module)).parameters.values()
            # Unknown keywords are refused here.
            if parameter.kind is not parameter.VAR_KEYWORD
        }
        for module, module_names in names.items()
        for name in module_names.split()
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        files, flac = file_references(Path(folder)), flac_references(Path(folder))
    references = {
        "source": " ".join(
            f"{name} {version(name)}"
            for name in ("pyclarity", "numpy", "scipy", "soxr", "pyloudnorm")
        ),
        "audiogram": audiogram_references(),
        "signal_processing": signal_processing_references(),
        "files": files,
        "flac": flac,
        "signatures": signatures(),
    }
    (HERE / "references.json").write_text(json.dumps(references, indent=1) + "\n")


if __name__ == "__main__":
    main()
