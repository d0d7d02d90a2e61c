"""Figures of HAAQI's stages, drawn by the functions that they explain, on the demo's music."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache

import matplotlib as mpl
import numpy as np
import soxr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import signal

from clarity.evaluator.ear_model.adaptation import adapt
from clarity.evaluator.ear_model.bandwidth import bandwidth_at_level
from clarity.evaluator.ear_model.compression import gain_curve
from clarity.evaluator.ear_model.constants import SAMPLE_RATE_HZ
from clarity.evaluator.ear_model.envelope import ENVELOPE_HOP, smooth_envelope
from clarity.evaluator.ear_model.gammatone import (
    centre_frequencies_hz,
    gammatone_filters,
    low_pass_sections,
)
from clarity.evaluator.ear_model.hearing_loss import (
    AUDIOMETRIC_FREQUENCIES_HZ,
    HearingLoss,
    hearing_loss,
    max_bandwidth,
)
from clarity.evaluator.ear_model.model import open_cochlea, outer_hair_cells
from clarity.evaluator.ear_model.quality import modulation_filters
from clarity.evaluator.ear_model.sensation_level import sensation_level
from clarity.evaluator.ear_model.spectrum import average_spectrum_db
from clarity.utils.audiogram import STANDARD_AUDIOGRAMS, Audiogram
from recipes.cad_icassp_2024.generate_dataset import make_demo_data

LEVEL1_DB = 85.0
"""Level of a signal with an RMS of 1, so that the music plays at some 70 dB SPL."""

START_S, LENGTH_S = 1.0, 2.0
NORMAL = Audiogram(np.zeros(AUDIOMETRIC_FREQUENCIES_HZ.size), AUDIOMETRIC_FREQUENCIES_HZ)
EARS = {
    "normal hearing": NORMAL,
    "N2 (mild)": STANDARD_AUDIOGRAMS["N2"],
    "N4 (moderate to severe)": STANDARD_AUDIOGRAMS["N4"],
}
# Blue, orange and green that also those tell apart who see no red (Okabe & Ito 2008).
COLOURS = ("#0072b2", "#e69f00", "#009e73")
STYLE = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.prop_cycle": mpl.cycler(color=COLOURS),
    "grid.alpha": 0.3,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "svg.hashsalt": "figures",  # the same figure is the same file
}


@cache
def music() -> NDArray[np.float64]:
    """Two seconds of the left channel of the demo's mixture, at the model's rate."""
    path = make_demo_data.example_stems_file()
    mixture, *_ = make_demo_data.decode_stems(path, len(make_demo_data.STEMS_ORDER))
    left = soxr.resample(mixture[:, 0], make_demo_data.SAMPLE_RATE, SAMPLE_RATE_HZ)
    first = int(START_S * SAMPLE_RATE_HZ)
    return left[first : first + int(LENGTH_S * SAMPLE_RATE_HZ)]


def loss_of(audiogram: Audiogram) -> HearingLoss:
    """Return the hair cells that an audiogram stands for."""
    return hearing_loss(audiogram, centre_frequencies_hz())


def nearest_band(frequency_hz: float) -> int:
    """Return the band whose centre is nearest."""
    return int(np.argmin(np.abs(centre_frequencies_hz() - frequency_hz)))


def frequency_axis(axes: Axes) -> None:
    """Label the horizontal axis from 80 Hz to 8 kHz."""
    ticks = [125, 250, 500, 1000, 2000, 4000, 8000]
    axes.set(xscale="log", xlabel="frequency in Hz", xticks=ticks, xticklabels=map(str, ticks))
    axes.minorticks_off()


def audiograms() -> Figure:
    """Thresholds of the ears on the page."""
    figure = Figure(figsize=(6, 3.2))
    axes = figure.subplots()
    for name, audiogram in EARS.items():
        axes.plot(audiogram.frequencies, audiogram.levels, "o-", label=name)
    frequency_axis(axes)
    axes.set(ylabel="hearing threshold in dB HL", ylim=(100, -10))
    axes.legend()
    return figure


def filters() -> Figure:
    """Every fourth filter at 50 dB SPL, in a normal and in an impaired ear."""
    figure = Figure(figsize=(7, 3.6))
    axes = figure.subplots()
    frequencies_hz = centre_frequencies_hz()
    shown_hz = np.geomspace(60, 11000, 2000)
    for (name, audiogram), colour in list(zip(EARS.items(), COLOURS, strict=True))[::2]:
        loss = loss_of(audiogram)
        soft = np.full(frequencies_hz.size, 50.0)
        designed = gammatone_filters(
            bandwidth_at_level(soft, loss.min_bandwidth, max_bandwidth()), frequencies_hz
        )
        for band in range(3, frequencies_hz.size, 4):
            off_centre = 2 * np.pi * (shown_hz - frequencies_hz[band]) / SAMPLE_RATE_HZ
            _, response = signal.sosfreqz(low_pass_sections(designed.pole[band]), off_centre)
            gain_db = 20 * np.log10(np.abs(response) * designed.gain[band] / 2)
            axes.plot(shown_hz, gain_db, color=colour, label=name if band == 3 else None)
    frequency_axis(axes)
    axes.set(ylabel="gain in dB", ylim=(-40, 3))
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return figure


def compression() -> Figure:
    """Output of the outer hair cells over the level of the control filter."""
    figure = Figure(figsize=(7, 3.4))
    level_db = np.linspace(0, 110, 221)
    for axes, frequency_hz in zip(figure.subplots(1, 2, sharey=True), (1000, 4000), strict=True):
        band = nearest_band(frequency_hz)
        axes.plot(level_db, level_db, color="0.7", linestyle=":", label="no gain")
        for name, audiogram in EARS.items():
            curve = gain_curve(loss_of(audiogram))
            gain_db = curve.gain_db(np.tile(level_db, (curve.slope.size, 1)))[band]
            axes.plot(level_db, level_db + gain_db, label=name)
        axes.set(title=f"{frequency_hz} Hz", xlabel="level in dB SPL", ylim=(-40, 115))
    figure.axes[0].set_ylabel("compressed level in dB")
    figure.axes[0].legend(loc="upper left")
    return figure


@cache
def levels_in(name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Smoothed firing rates (32, frames) of the music in an ear, and its average spectrum (32,)."""
    return hear(music(), loss_of(EARS[name]))


def hear(
    x: NDArray[np.float64], loss: HearingLoss
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Run a signal through an ear up to the smoothed firing rates and the average spectrum."""
    cochlea = open_cochlea(x, loss, LEVEL1_DB)
    rates, spectrum = [], []
    for band in range(loss.ohc_db.size):
        one = slice(band, band + 1)
        envelope, motion, rms = outer_hair_cells(cochlea, one, LEVEL1_DB)
        level, motion = sensation_level(envelope, motion, loss.ihc_db[one], LEVEL1_DB)
        rates.append(smooth_envelope(adapt(level, motion)[0]))
        spectrum.append(rms)
    average = average_spectrum_db(np.concatenate(spectrum), cochlea.control_rms, loss, LEVEL1_DB)
    return np.concatenate(rates), average


def envelopes() -> Figure:
    """Show the firing rates of all bands over time, in a normal and in an impaired ear."""
    figure = Figure(figsize=(7, 4.6))
    names = list(EARS)[::2]
    rows = figure.subplots(2, 1, sharex=True)
    for axes, name in zip(rows, names, strict=True):
        rates, _ = levels_in(name)
        time_s = np.arange(rates.shape[1] + 1) * ENVELOPE_HOP / SAMPLE_RATE_HZ
        image = axes.pcolormesh(
            time_s,
            np.arange(rates.shape[0] + 1) - 0.5,
            rates,
            vmin=0,
            vmax=60,
            cmap="viridis",
            rasterized=True,
        )
        bands = [nearest_band(hz) for hz in (125, 500, 2000, 8000)]
        axes.set(title=name, ylabel="band in Hz", yticks=bands)
        axes.set_yticklabels(["125", "500", "2000", "8000"])
        axes.grid(visible=False)
    rows[-1].set_xlabel("time in s")
    figure.colorbar(image, ax=rows, label="dB SL")
    return figure


def modulations() -> Figure:
    """Show the four filters of CepHigh."""
    figure = Figure(figsize=(6, 3))
    axes = figure.subplots()
    rate_hz = SAMPLE_RATE_HZ / ENVELOPE_HOP
    for taps, style in zip(modulation_filters(), ("-", "--", "-.", ":"), strict=True):
        frequency_hz, response = signal.freqz(taps, fs=rate_hz, worN=1024)
        axes.plot(frequency_hz, np.abs(response), style, color=COLOURS[0])
    axes.set(xlabel="modulation frequency in Hz", ylabel="gain", xlim=(0, rate_hz / 2))
    return figure


def spectra() -> Figure:
    """Average spectra of the music and of a version without treble, in an impaired ear."""
    figure = Figure(figsize=(6, 3.2))
    axes = figure.subplots()
    name = list(EARS)[1]
    dull = signal.sosfilt(signal.butter(2, 1500, fs=SAMPLE_RATE_HZ, output="sos"), music())
    axes.plot(centre_frequencies_hz(), levels_in(name)[1], "o-", label="music")
    axes.plot(
        centre_frequencies_hz(),
        hear(dull, loss_of(EARS[name]))[1],
        "s-",
        label="low-passed at 1.5 kHz",
    )
    frequency_axis(axes)
    axes.set(ylabel="average level in dB SL", title=name)
    axes.legend()
    return figure


FIGURES: dict[str, Callable[[], Figure]] = {
    "audiograms": audiograms,
    "filters": filters,
    "compression": compression,
    "envelopes": envelopes,
    "modulation_filters": modulations,
    "spectra": spectra,
}


def draw_all() -> dict[str, str]:
    """Return the figures as SVG, by name."""
    drawn = {}
    with mpl.rc_context(STYLE):
        for name, draw in FIGURES.items():
            file = io.StringIO()
            draw().savefig(file, format="svg", metadata={"Date": None})
            drawn[name] = file.getvalue()
    return drawn
