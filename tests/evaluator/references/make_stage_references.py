"""Compute what the peer, pyclarity 0.9.0, makes of tests/evaluator/stage_inputs.py, stage by stage.

Run with the Python of an environment in which pyclarity is installed (it shares the import name
`clarity` with this project, so not with this project's own):

    python tests/evaluator/references/make_stage_references.py

Writes stage_references.json beside itself.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path = [str(HERE.parent)] + [p for p in sys.path if Path(p or ".").resolve() != HERE]

import stage_inputs as given  # noqa: E402
from clarity.evaluator.haspi import eb  # noqa: E402
from stage_inputs import LEVEL1_DB, N_BANDS, RATE_HZ, thinned  # noqa: E402

FREQUENCIES_HZ = eb.center_frequency(N_BANDS)


def of_each_band(function, *signals):
    """Apply a function of one band to all, and stack each of its results."""
    results = [function(band, *(x[band] for x in signals)) for band in range(len(signals[0]))]
    return [np.stack(result) for result in zip(*results, strict=True)]


def upper(values):
    """Parameters of the three bands that some stages are tried with."""
    return values[given.UPPER_BANDS]


def gammatone_filters():
    """Envelope and motion of each band and bandwidth."""
    results = {}
    x = given.noise(3000, 0)
    for band in given.GAMMATONE_BANDS:
        for width in given.BANDWIDTHS:
            envelope, motion, _, _ = eb.gammatone_basilar_membrane(
                x, width, x, width, RATE_HZ, FREQUENCIES_HZ[band]
            )
            results[f"{band} {width}"] = thinned(envelope, motion)
    return results


def bandwidths(width_min, width_max):
    """Bandwidth of every band at some levels."""
    results = []
    for level in given.CONTROL_LEVELS_DB:
        control = np.full(10, 10 ** ((level - LEVEL1_DB) / 20))
        results.append(
            [
                eb.bandwidth_adjust(control, low, high, LEVEL1_DB)
                for low, high in zip(width_min, width_max, strict=True)
            ]
        )
    return thinned(results)


def stages():
    """Results of all stages by name."""
    losses = [eb.loss_parameters(np.array(levels), FREQUENCIES_HZ) for levels in given.AUDIOGRAMS]
    ohc, width_min, knee, ratio, ihc = losses[0]
    _, width_max, *_ = eb.loss_parameters(np.full(6, 100.0), FREQUENCIES_HZ)
    envelope, motion = given.envelopes(), given.bands(1200, 11)
    level, swing = given.levels_sl(), given.bands(6000, 12)
    rms, control_rms = (0.01 * spectrum for spectrum in given.spectra())
    np.random.seed(9)
    noisy = eb.basilar_membrane_add_noise(np.zeros((3, 500)), -10, LEVEL1_DB)
    np.random.seed(9)
    *_, cep_high, _ = eb.melcor9(*given.frames(), 2.5, 0.0, 8)
    ones = np.ones((N_BANDS, 600))
    loudness, normalised, _ = eb.spectrum_diff(*given.spectra())
    return {
        "resampling": {
            str(rate): thinned(eb.resample_24khz(given.noise(rate // 20, 0), rate)[0])
            for rate in given.RATES_HZ
        },
        "alignment": [thinned(*eb.input_align(*pair)) for pair in given.to_align()],
        "middle_ear": thinned(eb.middle_ear(given.noise(2000, 0), RATE_HZ)),
        "centre_frequencies": FREQUENCIES_HZ.tolist(),
        "hearing_loss": [[values.tolist() for values in loss] for loss in losses],
        "gammatone": gammatone_filters(),
        "bandwidth": bandwidths(width_min, width_max),
        "compression": thinned(
            *of_each_band(
                lambda i, x, y, c: eb.env_compress_basilar_membrane(
                    x, y, c, upper(ohc)[i], upper(knee)[i], upper(ratio)[i], RATE_HZ, LEVEL1_DB
                ),
                envelope,
                motion,
                envelope[::-1],
            )
        ),
        "band_alignment": {
            str(lag): thinned(
                eb.envelope_align(*(x[0] for x in given.impulses(lag))),
                eb.envelope_align(given.noise(1500, 1), np.roll(given.noise(1500, 1), lag)),
            )
            for lag in given.ALIGNMENT_LAGS
        },
        "sensation_level": thinned(
            *of_each_band(
                lambda i, x, y: eb.envelope_sl(x, y, upper(ihc)[i], LEVEL1_DB), envelope, motion
            )
        ),
        "adaptation": thinned(
            *of_each_band(
                lambda i, x, y: eb.inner_hair_cell_adaptation(x, y, 2, RATE_HZ), level, swing
            )
        ),
        "threshold_noise": thinned(noisy),
        "group_delay": [
            eb.group_delay_compensate(ones, width, FREQUENCIES_HZ, RATE_HZ).sum(axis=1).tolist()
            for width in (width_min, width_max)
        ],
        "spectrum": eb.convert_rms_to_sl(
            rms, control_rms, ohc, knee, ratio, ihc, LEVEL1_DB
        ).tolist(),
        "envelope": thinned(eb.env_smooth(level, 8, RATE_HZ)),
        "covariance": {
            str(ms): thinned(*eb.bm_covary(*given.motions(), ms, RATE_HZ)[:2])
            for ms in given.SEGMENTS_MS
        },
        "cep_high": float(cep_high),
        "bm_sync5": float(eb.ave_covary2(given.tiles()[0], 2 * given.tiles()[1], 2.5)[1][4]),
        "spectral_differences": [float(loudness[1]), float(normalised[1])],
    }


def main() -> None:
    """Write the results."""
    source = f"pyclarity {version('pyclarity')}, numpy {np.__version__}"
    text = json.dumps({"source": source, "stages": stages()})
    (HERE / "stage_references.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
