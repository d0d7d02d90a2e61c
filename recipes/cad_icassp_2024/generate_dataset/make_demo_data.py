"""Make a small data set in the challenge's layout, without weights, accounts or downloads.

The music is the excerpt that the package stempeg carries, the head a sphere, the listeners have
standard audiograms. ``python -m recipes.cad_icassp_2024.generate_dataset.make_demo_data`` writes it
to ``demo/cadenza_data`` and takes seconds; what is there already is left alone.
"""

from __future__ import annotations

if __name__ == "__main__":
    from clarity.utils.stopping import end_at_once_when_stopped

    end_at_once_when_stopped()

import argparse
import importlib.util
import logging
import sys
from pathlib import Path

import numpy as np

from clarity.separation.base import VDBO
from clarity.utils.atomic_files import atomic_path
from clarity.utils.audiogram import STANDARD_AUDIOGRAMS
from clarity.utils.file_io import write_json, write_signal
from clarity.utils.signal_processing import LARGEST_16BIT
from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.data.scenes import MIXTURE
from recipes.cad_icassp_2024.generate_dataset import generate_at_mic_musdb18
from recipes.cad_icassp_2024.generate_dataset.config import GenerateConfig, generate_config
from recipes.cad_icassp_2024.generate_dataset.generate_train_scenes import draw_scenes
from recipes.cad_icassp_2024.generate_dataset.hrtf import hrtf_file_name
from recipes.cad_icassp_2024.generate_dataset.spherical_head import spherical_head_hrir

logger = logging.getLogger(__name__)

SAMPLE_RATE = 44100
SONG = "The Easton Ellises - Falcon 69"
SPLIT = "train"
STEMS_ORDER = (MIXTURE, "drums", "bass", "other", "vocals")
"""Order of the audio streams in a file in the STEMS format."""

SUBJECT, MIC = "sphere", "surface"
ANGLES_DEG = (22.5, 30.0, 37.5)
HEAD_POSITIONS = ((22.5, 22.5), (30.0, 30.0), (37.5, 37.5), (22.5, 37.5), (37.5, 30.0))
"""Left and right loudspeaker, degrees from the front."""

GAINS_DB = (
    {"vocals": 6},
    {"vocals": -10},
    {"drums": 6},
    {"bass": 10, "other": -3},
    {"vocals": 3, "drums": -6},
    {"other": 6, "bass": -6},
)
EARS = {"N2": ("N2", "N2"), "N4": ("N4", "N4"), "S2": ("S2", "S2"), "N2-S2": ("N2", "S2")}
"""Standard audiograms of the left and the right ear of each listener."""
LISTENERS = (("N2", "N4"), ("S2", "N2-S2"), ("N4", "S2"), ("N2-S2", "N2"))
"""Listeners of each scene; chosen, not drawn, so that each of them hears two scenes."""

ATTRIBUTION = f"""\
Demonstration data of the ICASSP 2024 Cadenza baseline. Not the challenge's data.

Music (audio/music, audio/at_mic_music)
  "Falcon 69" by The Easton Ellises, six-second excerpt with stems, as shipped with the Python
  package stempeg (https://github.com/faroit/stempeg), from the c't remix contest.
  Licence: CC BY-NC-SA 3.0 (https://creativecommons.org/licenses/by-nc-sa/3.0/).
  Changes: decoded to WAV (audio/music); filtered with impulse responses of a spherical head
  (audio/at_mic_music). The changed files are under the same licence.
Impulse responses (audio/hrtf)
  Computed: C. P. Brown and R. O. Duda, "A structural model for binaural sound synthesis",
  IEEE Transactions on Speech and Audio Processing 6(5), 1998.
Listeners (metadata/listeners.{SPLIT}.json)
  Standard audiograms N2, N4 and S2: N. Bisgaard, M. S. M. G. Vlaming and M. Dahlquist, "Standard
  audiograms for the IEC 60118-15 measurement procedure", Trends in Amplification 14(2), 2010.
"""


def make_demo_data(root: Path) -> GenerateConfig:
    """Write the data set below a folder; files that are complete already are left alone.

    Returns its configuration. Raises `RecipeError` when stempeg or av is not installed, or the
    folder holds another data set.
    """
    note = root / "ATTRIBUTION.txt"
    if (root / "metadata").exists() and not note.exists():
        raise RecipeError(f"{root} holds another data set; choose another folder by --root")
    if not note.exists():
        with atomic_path(note) as temporary:
            temporary.write_text(ATTRIBUTION, encoding="utf-8")
    config = generate_config(root)
    _write_metadata(config)
    _write_hrtfs(Path(config.path.hrtf_dir))
    _write_music(Path(config.path.music_dir) / SPLIT / SONG)
    generate_at_mic_musdb18.run(config)
    return config


def _write_metadata(config: GenerateConfig) -> None:
    gains = {
        f"gain_{number:04d}": dict.fromkeys(VDBO, 0) | gains_db
        for number, gains_db in enumerate(GAINS_DB, 1)
    }
    head = {"subject": SUBJECT, "mic": MIC}
    positions = {
        f"hp_{number:04d}": head | {"left_angle": -left, "right_angle": right}
        for number, (left, right) in enumerate(HEAD_POSITIONS, 1)
    }
    listeners = {
        name: {
            "name": name,
            "audiogram_cfs": STANDARD_AUDIOGRAMS[left].frequencies.tolist(),
            "audiogram_levels_l": STANDARD_AUDIOGRAMS[left].levels.tolist(),
            "audiogram_levels_r": STANDARD_AUDIOGRAMS[right].levels.tolist(),
        }
        for name, (left, right) in EARS.items()
    }
    track = {"Track Name": SONG, "Split": SPLIT, "Path": f"{SPLIT}/{SONG}"}
    scenes = draw_scenes([SONG], list(gains), list(positions), len(LISTENERS))
    path = config.path
    write_json(path.gains_file, gains)
    write_json(path.head_loudspeaker_positions_file, positions)
    write_json(path.listeners_file, listeners)
    write_json(path.music_file, [track | {"License": "CC BY-NC-SA 3.0"}])
    write_json(path.scene_file, scenes)
    write_json(path.scene_listeners_file, dict(zip(scenes, LISTENERS, strict=True)))


def _write_hrtfs(folder: Path) -> None:
    for angle in (sign * angle for sign in (-1, 1) for angle in ANGLES_DEG):
        path = folder / hrtf_file_name(MIC, SUBJECT, "n" if angle < 0 else "p", angle)
        if not path.exists():
            write_signal(path, spherical_head_hrir(angle, SAMPLE_RATE), SAMPLE_RATE)


def _write_music(folder: Path) -> None:
    paths = [folder / f"{name}.wav" for name in STEMS_ORDER]
    if all(path.exists() for path in paths):
        return
    for path, signal in zip(paths, decode_stems(example_stems_file(), len(paths)), strict=True):
        logger.info("Decoded %s", path.stem)
        # The lossy coding lets a few peaks out of full scale.
        write_signal(path, np.clip(signal, -1.0, LARGEST_16BIT), SAMPLE_RATE, floating_point=False)


def example_stems_file() -> Path:
    """Find the music that stempeg carries, without importing it (it asks for ffmpeg)."""
    spec = importlib.util.find_spec("stempeg")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for path in sorted((Path(folder) / "data").glob("*.stem.mp4")):
            return path
    raise RecipeError(
        "The demo's music comes with the package stempeg, which is not installed: "
        "pip install 'cadenza-icassp-2024[demo]'"
    )


def decode_stems(path: Path, n_streams: int) -> list[np.ndarray]:
    """Decode the audio streams of a file in the STEMS format: signals, shape (samples, channels).

    Raises `RecipeError` without PyAV, or when the file has not that many streams at 44.1 kHz.
    """
    try:
        import av  # noqa: PLC0415 - an extra that only the demo needs
    except ImportError as error:
        raise RecipeError(
            "Decoding the demo's music needs the package av: "
            "pip install 'cadenza-icassp-2024[demo]'"
        ) from error
    signals = []
    with av.open(str(path)) as container:
        streams = container.streams.audio
        rates = {stream.rate for stream in streams}
        if len(streams) != n_streams or rates != {SAMPLE_RATE}:
            raise RecipeError(
                f"{path}: has {len(streams)} streams at {sorted(rates)} Hz, but {n_streams} at "
                f"{SAMPLE_RATE} Hz are needed; install another version of stempeg"
            )
        for number in range(n_streams):
            container.seek(0)
            frames = [frame.to_ndarray() for frame in container.decode(audio=number)]
            signals.append(np.concatenate(frames, axis=1).T.astype(np.float64))
    return signals


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        prog="make_demo_data", description="Make a small data set in the challenge's layout."
    )
    text, default = "folder of the data set (default: %(default)s)", Path("demo/cadenza_data")
    parser.add_argument("--root", type=Path, default=default, help=text)
    root = parser.parse_args().root.expanduser()
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(message)s")
    try:
        make_demo_data(root)
    except RecipeError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        where = error.filename or root
        sys.exit(f"cannot write the demo data: {where}: {error.strerror}; choose another --root")
    print(f"{ATTRIBUTION}\nThe demo data is in {root}, this note in {root / 'ATTRIBUTION.txt'}.")


if __name__ == "__main__":
    main()
