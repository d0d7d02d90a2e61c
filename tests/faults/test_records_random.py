"""Whatever is changed between and during runs, the usual commands give what a fresh folder gives.

Each round changes inputs and results at random, runs steps, whole or in batches, and kills some of
them. At the end come the usual commands. Then every file of music, every signal and every row of
scores equals that of a fresh folder, or a command has ended with a refusal that names the cause;
and ``overwrite=true``, which refusals advise, then gives what a fresh folder gives.
"""

from __future__ import annotations

import contextlib
import copy
import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from recipes.cad_icassp_2024.baseline.enhance import enhance
from recipes.cad_icassp_2024.baseline.evaluate import run_calculate_aq
from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.generate_dataset import generate_at_mic_musdb18
from recipes.cad_icassp_2024.generate_dataset.config import generate_config
from recipes.cad_icassp_2024.runs.config import Config, PathConfig
from tests.faults.running import Runner, wait_until
from tests.recipes.baseline.helpers import make_config
from tests.recipes.tiny_dataset import TinyDataset, make_tiny_dataset, read, write

MODULE = """
import torch


class Shares(torch.nn.Module):
    def __init__(self, checkpoint):
        super().__init__()
        self.register_buffer("shares", torch.load(checkpoint))

    def forward(self, mixture):
        return self.shares[None, :, None, None] * mixture[:, None]
"""
CONFIG = """
model: weighted
module:
  _target_: random_test_shares.Shares
  checkpoint: ${separator.checkpoint}
sources: [drums, bass, other, vocals]
"""
STEPS = ("generate", "enhance", "evaluate")
NO_LISTING = "metadata music_file: null"
"""Generation that was killed may leave all music and no list of it, which appears later."""


class Killed(BaseException):
    """Ends a step in the middle, as far as a process can be ended from inside."""


ANY_ROOT = "/any/root"


@cache
def composed(plugin: Path) -> Config:
    """The configuration with this separator, on a data set that is nowhere."""
    return make_config(plugin, Path(ANY_ROOT), "separator=weighted", "separator.checkpoint=any")


@dataclass
class Place:
    """A data set, weights and an experiment folder, and what was done to them.

    Attributes
    ----------
    data : TinyDataset
    plugin : Path
        The folder of the separator, which shares out the mixture by its weights.
    overrides : dict
        Keys that differ from the defaults.
    causes : list of str
        Words of which a refusal must have one, for what was changed.
    verify : bool
        Whether a file was changed behind its time's back.
    """

    folder: Path
    data: TinyDataset
    plugin: Path
    overrides: dict[str, str] = field(default_factory=dict)
    causes: list[str] = field(default_factory=list)
    verify: bool = False

    @property
    def exp(self) -> Path:
        return self.folder / "exp"

    @property
    def weights(self) -> Path:
        return self.folder / "weights.pt"

    def copy(self, folder: Path) -> Place:
        """The same inputs without any results."""
        data = self.data.copied_to(folder / "data")
        shutil.copyfile(self.weights, folder / "weights.pt")
        shutil.rmtree(folder / "data" / "audio" / "at_mic_music", ignore_errors=True)
        (folder / "data" / "metadata" / "at_mic_music.train.json").unlink(missing_ok=True)
        return Place(folder, data, self.plugin, dict(self.overrides))

    def keys(self) -> dict[str, str]:
        """What is given on the command line of enhance.py and evaluate.py."""
        return {
            "path.exp_folder": str(self.exp),
            "separator": "weighted",
            "separator.checkpoint": str(self.weights),
            **self.overrides,
        }

    def config(self, **keys: object) -> Config:
        """The configuration that the keys give, composed once because Hydra takes long."""
        config = copy.deepcopy(composed(self.plugin))
        config.path = PathConfig(
            **{k: v.replace(ANY_ROOT, str(self.data.root)) for k, v in vars(config.path).items()}
        )
        config.separator.module["checkpoint"] = str(self.weights)
        for key, value in (self.keys() | keys).items():
            *parents, name = key.split(".")
            part = config
            for parent in parents:
                part = getattr(part, parent)
            if key != "separator":
                kind = type(getattr(part, name))
                setattr(part, name, value == "true" if kind is bool else value)
        config.nalr.nfir = int(config.nalr.nfir)
        config.HAAQI_sample_rate = int(config.HAAQI_sample_rate)
        return config

    def run(self, step: str, *, batch: int | None = None, **options: bool) -> None:
        """Run a step in this process."""
        if step == "generate":
            generate_at_mic_musdb18.run(generate_config(self.data.root, **options))
            return
        keys: dict[str, object] = {name: "true" for name, value in options.items() if value}
        if batch is not None:
            keys |= {"evaluate.batch": batch, "evaluate.batch_size": 2}
        {"enhance": enhance, "evaluate": run_calculate_aq}[step](self.config(**keys))

    def results(self) -> dict[str, object]:
        """Every file of music, every signal, and the rows of scores in their order."""
        music = self.data.root / "audio" / "at_mic_music"
        files = [*music.rglob("*.wav"), *self.exp.rglob("*.flac")]
        assert not [path for path in files if path.name.startswith(".")]
        scores = (self.exp / "scores.csv").read_text().splitlines()
        return {path.name + path.parent.name: path.read_bytes() for path in files} | dict(
            enumerate(scores)
        )


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Two songs at two heads for two listeners each, of half a second."""
    folder = tmp_path_factory.mktemp("template")
    data = make_tiny_dataset(
        folder / "data", seconds=0.5, n_scenes_per_song=1, n_listeners_per_scene=2, at_mic=False
    )
    torch.save(torch.tensor([0.35, 0.15, 0.30, 0.20]), folder / "weights.pt")
    plugin = folder / "plugin"
    (plugin / "separator").mkdir(parents=True)
    (plugin / "random_test_shares.py").write_text(MODULE)
    (plugin / "separator" / "weighted.yaml").write_text(CONFIG)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(plugin))
        yield Place(folder, data, plugin).copy(folder / "place")


# --- ways to change things ----------------------------------------------------------------------


def scale_audio(path: Path, rng: np.random.Generator) -> None:
    """Change a signal, but neither its length nor its format."""
    header = soundfile.info(path)
    samples, rate = soundfile.read(path)
    samples[rng.integers(len(samples) // 2) :] *= rng.uniform(0.3, 0.9)
    soundfile.write(path, samples, rate, subtype=header.subtype, format=header.format)


def pick(rng: np.random.Generator, paths: Iterator[Path]) -> Path | None:
    found = sorted(paths)
    return found[rng.integers(len(found))] if found else None


def change_music(place: Place, rng: np.random.Generator) -> None:
    path = pick(rng, (place.data.root / "audio" / "music").rglob("*.wav"))
    assert path is not None
    old = path.stat()
    scale_audio(path, rng)
    if rng.random() < 0.3 and path.stat().st_size == old.st_size:  # as `cp -p` of another file
        os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns))
        place.verify = True


def change_music_at_the_microphones(place: Place, rng: np.random.Generator) -> None:
    path = pick(rng, (place.data.root / "audio" / "at_mic_music").rglob("[!.]*.wav"))
    if path is not None:
        scale_audio(path, rng)
        place.causes.append(r"files in .*at_mic_music have no record")


def change_hrtf(place: Place, rng: np.random.Generator) -> None:
    path = pick(rng, (place.data.root / "audio" / "hrtf").glob("*.wav"))
    assert path is not None
    scale_audio(path, rng)


def change_head(place: Place, rng: np.random.Generator) -> None:
    path = place.data.metadata / "head_loudspeaker_positions.json"
    positions = read(path)
    position = positions[rng.choice(list(positions))]
    position |= {"left_angle": -rng.choice([22.5, 30.0, 37.5])}
    write(path, positions)


def change_gain(place: Place, rng: np.random.Generator) -> None:
    path = place.data.metadata / "gains.json"
    gains = read(path)
    gains[rng.choice(list(gains))]["bass"] = int(rng.integers(-10, 10))
    write(path, gains)
    place.causes.append("metadata gains_file|gains that")


def change_listener(place: Place, rng: np.random.Generator) -> None:
    path = place.data.metadata / "listeners.train.json"
    listeners = read(path)
    levels = listeners[rng.choice(list(listeners))]["audiogram_levels_r"]
    levels[rng.integers(len(levels))] = int(rng.integers(0, 70))
    write(path, listeners)
    place.causes.append("metadata listeners_file|audiograms that")


def change_weights(place: Place, rng: np.random.Generator) -> None:
    torch.save(torch.tensor(rng.dirichlet(np.ones(4)), dtype=torch.float32), place.weights)
    place.causes.append("separator fingerprint|enhanced signals")


def change_key(place: Place, rng: np.random.Generator) -> None:
    key, values = (
        ("nalr.nfir", ["220", "110"]),
        ("soft_clip", ["true", "false"]),
        ("evaluate.set_random_seed", ["true"]),
        ("HAAQI_sample_rate", ["24000", "16000"]),
    )[rng.integers(4)]
    place.overrides[key] = str(rng.choice(values))
    place.causes.append(re.escape(key) + "|enhanced signals")


def change_signal(place: Place, rng: np.random.Generator) -> None:
    path = pick(rng, (place.exp / "enhanced_signals").glob("[!.]*.flac"))
    if path is None:
        return
    kind = rng.integers(4)
    if kind == 0:
        path.unlink()
        place.causes.append("no such file")
    elif kind == 1:
        path.write_bytes(path.read_bytes()[: rng.integers(2000)])
        place.causes.append("cannot be read as audio|no record|lasts|no samples")
    else:
        scale_audio(path, rng)
        place.causes.append("signals have no record")


def change_scores(place: Place, rng: np.random.Generator) -> None:
    path = pick(rng, place.exp.glob("scores*.csv"))
    if path is None:
        return
    lines = path.read_text().splitlines(keepends=True)
    if len(lines) < 2:
        return
    number = rng.integers(1, len(lines))
    kind = rng.integers(5)
    if kind == 0:
        del lines[number]
    elif kind == 1:
        lines.append(lines[number])
    elif kind == 2:
        lines[number] = lines[number].rpartition(",")[0] + ",nan\n"
    elif kind == 3:
        lines[number] = lines[number].replace("0.", "0.1", 1)
    else:
        lines = [line.replace("score", "swapped") for line in lines]
    path.write_text("".join(lines))
    place.causes.append(re.escape(path.name))


CHANGES: tuple[Callable[[Place, np.random.Generator], None], ...] = (
    change_music,
    change_music_at_the_microphones,
    change_hrtf,
    change_head,
    change_gain,
    change_listener,
    change_weights,
    change_key,
    change_signal,
    change_scores,
)


# --- ways to run ------------------------------------------------------------------------------


@contextlib.contextmanager
def killed_at(number: int) -> Iterator[None]:
    """Kill this process, but for the test, when it is about to give a file its name.

    Half of the kills come right before, half right after.
    """
    real, calls = Path.replace, [0]

    def replace(path: Path, target: Path) -> Path:
        calls[0] += 1
        if calls[0] == number // 2 + 1:
            if number % 2:
                real(path, target)
            raise Killed
        return real(path, target)

    with pytest.MonkeyPatch.context() as patch, contextlib.suppress(Killed):
        patch.setattr(Path, "replace", replace)
        yield


def run_some_step(place: Place, rng: np.random.Generator) -> None:
    """Run a step, on all pairs or on a batch, to its end or until it is killed."""
    step = str(rng.choice(STEPS))
    batch = int(rng.integers(2)) if rng.random() < 0.3 else None
    killed: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
    if rng.random() < 0.3:
        killed = killed_at(int(rng.integers(12)))
        place.causes.append(NO_LISTING)
    with contextlib.suppress(RecipeError, FileNotFoundError), killed:
        place.run(step, batch=batch)


def run_and_kill_a_process(place: Place, rng: np.random.Generator, tmp_path: Path) -> None:
    """Start a step in a process of its own and kill it when it has begun to write."""
    runner = Runner(place.data.root, place.plugin, tmp_path / "run")
    script = str(rng.choice(["generate_at_mic_musdb18", "enhance"]))
    generates = script.startswith("generate")
    folder = place.data.root / "audio" / "at_mic_music" if generates else place.exp
    arguments = [] if generates else [f"{key}={value}" for key, value in place.keys().items()]
    place.causes.append(NO_LISTING)
    before = time.time()

    def has_begun() -> bool:
        return any(path.stat().st_mtime >= before for path in folder.rglob("made-*"))

    with runner.start(script, *arguments) as running:
        with contextlib.suppress(FileNotFoundError):
            if wait_until(has_begun, running):
                time.sleep(rng.uniform(0, 0.05))
        running.send_signal(signal.SIGKILL)


def usual_commands(place: Place) -> None:
    """Run all steps; where one refuses, the refusal names the cause, and its advice works."""
    for step in STEPS:
        try:
            place.run(step, verify=place.verify)
        except RecipeError as refusal:
            causes = "|".join(place.causes) or "nothing was changed"
            assert re.search(causes, str(refusal)), f"{refusal}\n\nshould name one of {causes}"
            place.run(step, verify=place.verify, overwrite=True)


def one_round(template: Place, tmp_path: Path, seed: int, *, processes: bool) -> None:
    rng = np.random.default_rng(seed)
    place = template.copy(tmp_path / "place")
    if rng.random() < 0.7:
        for step in STEPS:
            place.run(step)
    for _ in range(rng.integers(2, 7)):
        if rng.random() < 0.5:
            CHANGES[rng.integers(len(CHANGES))](place, rng)
        elif processes and rng.random() < 0.1:
            run_and_kill_a_process(place, rng, tmp_path)
        else:
            run_some_step(place, rng)
    usual_commands(place)
    fresh = place.copy(tmp_path / "fresh")
    for step in STEPS:
        fresh.run(step)
    found, expected = place.results(), fresh.results()
    assert found.keys() == expected.keys()
    assert [name for name in expected if found[name] != expected[name]] == []


@pytest.mark.parametrize("seed", range(20))
def test_what_is_left_is_what_a_fresh_folder_gives(
    seed: int, template: Place, tmp_path: Path
) -> None:
    one_round(template, tmp_path, seed, processes=False)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 300))
def test_what_is_left_is_what_a_fresh_folder_gives_at_length(
    seed: int, template: Place, tmp_path: Path
) -> None:
    one_round(template, tmp_path, seed, processes=True)
