"""Fine-tuning: exact validation scores, the best weights kept, nothing lost when it is stopped."""

from __future__ import annotations

import csv
import io
import os
import re
import shlex
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
import torch
from hydra import compose, initialize_config_dir

from clarity.evaluator.haaqi_torch import HaaqiLoss
from clarity.separation.base import VDBO
from clarity.separation.mask_network import load_mask_network
from clarity.separation.segmented import SegmentedSeparator
from recipes.cad_icassp_2024.baseline import enhance, evaluate, finetune as script, training
from recipes.cad_icassp_2024.baseline.finetune import finetune
from recipes.cad_icassp_2024.baseline.finetune_config import FinetuneConfig
from recipes.cad_icassp_2024.baseline.training import CropReader, Crops, Losses
from recipes.cad_icassp_2024.data.dataset import Dataset
from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.data.paths import DataPaths
from recipes.cad_icassp_2024.runs import locks
from recipes.cad_icassp_2024.runs.composition import CONFIG_DIR
from recipes.cad_icassp_2024.runs.overrides import translate_overrides
from recipes.cad_icassp_2024.runs.schema import check_config
from recipes.cad_icassp_2024.runs.training_folder import TrainingFolder
from tests.recipes.tiny_dataset import TinyDataset, make_tiny_dataset

QUICK = (
    "training.steps_per_epoch=1",
    "training.batch_size=1",
    "training.crop_s=0.2",
    "training.learning_rate=0.003",
    "training.seed=1",
)


def config_of(root: Path, folder: Path, *overrides: str) -> FinetuneConfig:
    """Compose config/finetune.yaml for the mask network and few, short steps."""
    arguments = [f"path.root={root}", f"path.exp_folder={folder}", "separator=masknet"]
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        cfg = compose("finetune", translate_overrides([*arguments, *QUICK, *overrides]))
        return check_config(cfg, FinetuneConfig)


def history(folder: Path) -> list[dict[str, float]]:
    with (folder / "history.csv").open(newline="") as file:
        return [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(file)]


def logged(folder: Path) -> str:
    """What the runs in a folder have said."""
    files = sorted((folder / "logs").glob("finetune*.log"))
    return "".join(file.read_text() for file in files)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TinyDataset:
    return make_tiny_dataset(
        tmp_path_factory.mktemp("finetune"), seconds=0.6, n_scenes_per_song=1, music=False
    )


@pytest.fixture(scope="module")
def trained(data: TinyDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder after two epochs of the script, with paths and a separator as a user may have."""
    own = tmp_path_factory.mktemp("own folder")
    (own / "mine" / "separator").mkdir(parents=True)
    masknet = (CONFIG_DIR / "separator" / "masknet.yaml").read_text()
    (own / "mine" / "separator" / "net.yaml").write_text(masknet)
    arguments = ["--config-dir", "mine", "path.exp_folder=exp", "separator=net"]
    arguments += [f"path.root={os.path.relpath(data.root, own)}"]
    arguments += ["soft_clip=true", "++separator.model=my net", "separator.checkpoint=null"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(own)
        patch.setattr("sys.argv", ["finetune.py", *arguments, *QUICK, "training.epochs=2"])
        script.main()
    return own / "exp"


@pytest.fixture
def quick_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores that rise and fall again, with nothing separated and scored for them."""
    scores = iter([(0.5, 0.5), (0.6, 0.6), (0.4, 0.4)])
    monkeypatch.setattr(script.Validator, "scores", lambda self, separator: next(scores))


@pytest.fixture
def quick_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    """L1, and in the place of HAAQI again L1 with HAAQI's noise: nothing behind the separator."""

    def losses(
        separator: SegmentedSeparator,
        crops: Crops,
        haaqi_loss: HaaqiLoss,
        *,
        soft_clip: bool,
        haaqi_gradient: bool,
    ) -> Losses:
        l1 = (training.separate_crops(separator, crops.mixture) - crops.stems).abs().mean()
        return Losses(l1, l1 * (1.0 + torch.rand((), generator=haaqi_loss.generator)))

    monkeypatch.setattr(training, "training_losses", losses)


def test_the_command_at_the_end_gives_in_any_folder_what_was_validated(
    data, trained, tmp_path, monkeypatch
) -> None:
    """As typed: with the data, the configuration, the keys and the weights of the training."""
    best = max(history(trained), key=lambda row: row["score"])
    assert best["epoch"] > 0
    (command,) = re.findall(r"\n(.*) takes it", logged(trained))
    python, path, *arguments = shlex.split(command)
    assert (python, path) == (sys.executable, enhance.__file__)
    monkeypatch.chdir(tmp_path)
    for step in (enhance, evaluate):
        monkeypatch.setattr("sys.argv", ["script.py", *arguments])
        step.main()
    assert not list(tmp_path.iterdir())
    with (trained / "scores.csv").open(newline="") as file:
        scores = [float(row["score"]) for row in csv.DictReader(file)]
    assert len(scores) == 4  # all pairs are validated on: there are fewer than training.valid_pairs
    assert np.mean(scores) == pytest.approx(best["score"], abs=1e-12)


def test_history_begins_with_the_start_and_best_is_never_worse(trained) -> None:
    rows = history(trained)
    assert [row["epoch"] for row in rows] == [0, 1, 2]
    assert "l1" not in rows[0]
    assert all(0 < row["l1"] < 1 and 0 < row["1 - haaqi"] < 1 for row in rows[1:])
    assert max(row["score"] for row in rows) >= rows[0]["score"]


def test_weights_that_make_it_worse_are_not_kept(
    data, quick_losses, tmp_path, monkeypatch, caplog
) -> None:
    scores = iter([(0.5, 0.5), (0.4, 0.4)])
    monkeypatch.setattr(script.Validator, "scores", lambda self, separator: next(scores))
    finetune(config_of(data.root, tmp_path, "training.epochs=1"))
    best = torch.load(tmp_path / "best.pt", weights_only=True)
    for name, tensor in load_mask_network().state_dict().items():
        assert torch.equal(best[name], tensor)
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert not torch.equal(state["module"]["exit.weight"], best["exit.weight"])
    assert "0.5000 at the start, and in no epoch of 1 a better one" in caplog.text
    assert "takes it" not in caplog.text


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(
    data, quick_losses, tmp_path, monkeypatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    def scores(self: object, separator: SegmentedSeparator) -> tuple[float, float]:
        parameters = list(separator.module.parameters())
        return float(parameters[0].norm().detach()), float(parameters[-2].norm().detach())

    monkeypatch.setattr(script.Validator, "scores", scores)  # as exact scores, of weights alone
    finetune(config_of(data.root, tmp_path / "whole", "training.epochs=2"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "clip_grad_norm_", stop)  # in the middle of the first epoch
        with pytest.raises(KeyboardInterrupt):
            finetune(config_of(data.root, tmp_path / "exp", "training.epochs=2"))
    assert len(history(tmp_path / "exp")) == 1
    finetune(config_of(data.root, tmp_path / "exp", "training.epochs=1"))
    finetune(config_of(data.root, tmp_path / "exp", "training.epochs=2"))
    rows = history(tmp_path / "exp")
    assert rows == history(tmp_path / "whole")
    assert len({row["1 - haaqi"] / row["l1"] for row in rows[1:]}) == 2  # the noise goes on
    assert len({row["score"] for row in rows}) == 3


def test_other_settings_are_refused(data, trained) -> None:
    with pytest.raises(RecipeError, match=r"training.haaqi_weight: 1.0 -> 0.0"):
        finetune(config_of(data.root, trained, "training.haaqi_weight=0"))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("separator=oracle", "'oracle' is no torch module"),
        ("separator=hpss", "'hpss' has no parameters"),
        ("training.epochs=0", "training.epochs=0: must be 1 or more"),
        ("training.l1_weight=nan", "training.l1_weight=nan: must be a finite number"),
        ("training.valid_s=inf", "training.valid_s=inf: must be a finite number"),
        ("evaluate.batch_size=2", "evaluate.batch_size=2: a training has one batch, 1"),
        ("training.seed=-1", "training.seed=-1: must be 0 or more"),
        ("training.crop_s=0.01", "training.crop_s=0.01: must be 0.1 s or more"),
        ("training.learning_rate=0", "training.learning_rate=0.0: must be above 0"),
        ("training.valid_split=valid", r"training.valid_split=valid: no such file as .*valid.json"),
    ],
)
def test_what_cannot_be_trained_is_said_first(data, tmp_path, override, message) -> None:
    with pytest.raises(RecipeError, match=message) as refused:
        finetune(config_of(data.root, tmp_path / "exp", override))
    assert "set path." not in str(refused.value)  # no key of path is the cause


def test_songs_that_are_skipped_one_and_all_are_said(data, tmp_path) -> None:
    changed = data.copied_to(tmp_path / "data")
    for song in changed.mixtures:
        (changed.at_mic_folder(song) / "drums.wav").unlink()
    with pytest.raises(RecipeError, match="at_mic_music: no song is left to train on"):
        finetune(config_of(changed.root, tmp_path / "exp", "on_error=skip"))


def test_two_processes_do_not_train_in_one_folder(data, tmp_path) -> None:
    """Nor in batches, of which training has none."""
    with (
        locks.hold(tmp_path / "locks" / "finetune.lock"),
        pytest.raises(RecipeError, match=r"is at work .* or choose another path.exp_folder$"),
    ):
        finetune(config_of(data.root, tmp_path))


def test_training_that_runs_away_is_said(data, quick_losses, tmp_path) -> None:
    with pytest.raises(RecipeError, match=r"epoch 1: the separation model returned NaN.*lower"):
        finetune(config_of(data.root, tmp_path, "training.learning_rate=1e30"))
    assert len(history(tmp_path)) == 1
    best = torch.load(tmp_path / "best.pt", weights_only=True)
    assert torch.equal(best["exit.weight"], load_mask_network().state_dict()["exit.weight"])


@pytest.mark.filterwarnings("error")
def test_steps_without_a_gradient_are_left_out_and_said(
    data, quick_scores, tmp_path, monkeypatch, caplog
) -> None:
    def losses(separator: SegmentedSeparator, *_: object, **__: object) -> Losses:
        nothing = next(separator.module.parameters()).sum() * torch.nan
        return Losses(nothing, nothing)

    monkeypatch.setattr(training, "training_losses", losses)
    finetune(config_of(data.root, tmp_path, "training.epochs=1"))
    assert "epoch 1: 1 of 1 steps were left out because their gradient" in caplog.text
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    for name, start in load_mask_network().state_dict().items():
        assert torch.equal(state["module"][name], start)


def test_silent_crops_are_not_in_the_mean_of_haaqi(
    data, quick_scores, tmp_path, monkeypatch
) -> None:
    """Their loss is 0, as if they were perfect."""
    haaqi = iter([0.0, 0.5, 0.0, 0.25])

    def losses(separator: SegmentedSeparator, *_: object, **__: object) -> Losses:
        zero = 0.0 * next(separator.module.parameters()).sum()
        return Losses(zero + 0.1, zero + next(haaqi))

    monkeypatch.setattr(training, "training_losses", losses)
    finetune(config_of(data.root, tmp_path, "training.epochs=1", "training.steps_per_epoch=4"))
    row = history(tmp_path)[1]
    assert (row["l1"], row["1 - haaqi"]) == pytest.approx((0.1, 0.375))


def test_gradients_are_clipped(data, quick_scores, quick_losses, tmp_path) -> None:
    """To a norm that is nothing beside Adam's 1e-8 they move nothing."""
    finetune(
        config_of(data.root, tmp_path, "training.epochs=1", "training.max_gradient_norm=1e-14")
    )
    weights = torch.load(tmp_path / "state.pt", weights_only=True)["module"]
    for name, start in load_mask_network().state_dict().items():
        assert (weights[name] - start).abs().max() < 1e-7


def test_a_kill_before_the_last_history_costs_no_row(
    data, quick_scores, quick_losses, tmp_path
) -> None:
    config = config_of(data.root, tmp_path, "training.epochs=1")
    finetune(config)
    whole = (tmp_path / "history.csv").read_bytes()
    (tmp_path / "history.csv").write_bytes(whole[: whole.index(b"\n0,")])
    half_written = tmp_path / ".state.pt.1.tmp.pt"
    half_written.touch()
    finetune(config)
    assert (tmp_path / "history.csv").read_bytes() == whole
    assert not half_written.exists()


@pytest.mark.parametrize("left", [None, b"", b"no weights"])
def test_best_weights_that_are_lost_or_damaged_come_back(
    data, quick_scores, quick_losses, tmp_path, left
) -> None:
    """Also those of an epoch before the last one."""
    config = config_of(data.root, tmp_path, "training.epochs=1")
    finetune(config)
    best = torch.load(tmp_path / "best.pt", weights_only=True)
    (tmp_path / "best.pt").unlink()
    if left is not None:
        (tmp_path / "best.pt").write_bytes(left)
    finetune(config_of(data.root, tmp_path, "training.epochs=2"))
    again = torch.load(tmp_path / "best.pt", weights_only=True)
    assert all(torch.equal(again[name], tensor) for name, tensor in best.items())
    assert len(history(tmp_path)) == 3


def as_file(value: object) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


WEIGHTS = load_mask_network().state_dict()
FOREIGN = {
    "empty": b"",
    "text": b"damaged",
    "cut short": as_file({"module": WEIGHTS})[:100_000],
    "another module": as_file({"module": torch.nn.Linear(2, 2).state_dict(), "rows": []}),
    "weights alone": as_file(WEIGHTS),
    "no numbers": as_file(
        {
            "module": WEIGHTS,
            "best": WEIGHTS,
            "rows": [{"epoch": 0}],
            "optimiser": torch.optim.Adam(load_mask_network().parameters()).state_dict(),
        }
    ),
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN.keys())
def test_a_state_that_is_damaged_or_foreign_is_refused(tmp_path, content) -> None:
    (tmp_path / "state.pt").write_bytes(content)
    module = load_mask_network()
    with pytest.raises(RecipeError, match=r"state.pt is damaged or belongs .* overwrite=true"):
        TrainingFolder(tmp_path).restore(module, torch.optim.Adam(module.parameters()))
    assert (tmp_path / "state.pt").read_bytes() == content


@pytest.mark.parametrize("song", [0, 1])
def test_other_music_is_refused(data, quick_scores, quick_losses, tmp_path, song) -> None:
    """What is validated on tells which weights are best; what is trained on, why they are."""
    changed = data.copied_to(tmp_path / "data")
    overrides = "training.epochs=1", "training.valid_pairs=1"
    config = config_of(changed.root, tmp_path / "exp", *overrides)
    finetune(config)
    file = changed.at_mic_folder(changed.mixtures[song]) / "vocals.wav"
    samples = bytearray(file.read_bytes())
    samples[-1] ^= 1
    file.write_bytes(samples)
    with pytest.raises(RecipeError, match="training data: ") as refused:
        finetune(config)
    assert ("validation data" in str(refused.value)) == (song == 0)  # the first pair's song


def test_music_that_changes_during_training_is_noticed(data, tmp_path) -> None:
    changed = data.copied_to(tmp_path / "data")
    config = config_of(changed.root, tmp_path / "exp")
    dataset = Dataset.load(DataPaths.from_config(config.path))
    reader = CropReader(config, dataset, dataset.pairs, config.separator.sources)
    reader.draw(4, np.random.default_rng(0))
    for song in changed.mixtures:
        file = changed.at_mic_folder(song) / "vocals.wav"
        soundfile.write(file, soundfile.read(file)[0][:-1], 44100)
    with pytest.raises(RecipeError, match=r"vocals.wav: was changed while this run went on"):
        reader.draw(4, np.random.default_rng(0))


def test_crops_of_music_at_another_rate_are_resampled(tmp_path) -> None:
    """A song that is shorter than the crop is taken whole, with silence behind it."""
    data = make_tiny_dataset(
        tmp_path, seconds=0.3, n_songs=1, n_scenes_per_song=1, sample_rate=48000, music=False
    )
    config = config_of(data.root, tmp_path, "training.crop_s=0.4")
    dataset = Dataset.load(DataPaths.from_config(config.path))
    crops = CropReader(config, dataset, dataset.pairs, VDBO).draw(1, np.random.default_rng(0))
    signals = torch.cat([crops.mixture, crops.stems[0]])
    assert signals.shape == (5, 2, round(0.4 * 44100))
    for crop, name in zip(signals.numpy(), ("mixture", *VDBO), strict=True):
        samples, _ = soundfile.read(data.at_mic_folder(data.mixtures[0]) / f"{name}.wav")
        expected = soxr.resample(samples, 48000, 44100).T
        np.testing.assert_allclose(crop[:, : expected.shape[1]], expected, rtol=0, atol=1e-6)
        assert not crop[:, expected.shape[1] :].any()


def test_a_silent_excerpt_to_validate_on_is_named(data, tmp_path) -> None:
    silent = data.copied_to(tmp_path / "data")
    for file in silent.at_mic_folder(silent.mixtures[0]).iterdir():
        signal, rate = soundfile.read(file)
        signal[rate // 10 :] = 0.0
        soundfile.write(file, signal, rate)
    config = config_of(silent.root, tmp_path / "exp", "training.valid_s=0.2")
    message = r"scene_10001_L0001, the middle 0.2 s of the song: .*silent.* training.valid_s"
    with pytest.raises(RecipeError, match=message):
        finetune(config)


def test_a_loss_without_weight_cannot_spoil_the_gradient(
    data, quick_scores, quick_losses, tmp_path, monkeypatch, caplog
) -> None:
    losses = training.training_losses

    def l1_is_nan(*args: object, **options: object) -> Losses:
        given = losses(*args, **options)  # type: ignore[arg-type]
        return given._replace(l1=given.l1 * float("nan"))

    monkeypatch.setattr(training, "training_losses", l1_is_nan)
    finetune(config_of(data.root, tmp_path, "training.epochs=1", "training.l1_weight=0"))
    assert "left out" not in caplog.text
    assert np.isfinite(history(tmp_path)[1]["gradient_norm"])


@pytest.mark.parametrize("weight", [0, 1])
def test_haaqi_has_a_gradient_only_where_it_has_a_weight(
    data, quick_scores, quick_losses, tmp_path, monkeypatch, weight
) -> None:
    asked = []
    losses = training.training_losses

    def noted(*args: object, haaqi_gradient: bool, **options: object) -> Losses:
        asked.append(haaqi_gradient)
        return losses(*args, haaqi_gradient=haaqi_gradient, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(training, "training_losses", noted)
    finetune(config_of(data.root, tmp_path, "training.epochs=1", f"training.haaqi_weight={weight}"))
    assert set(asked) == {weight > 0}


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files")
def test_what_the_disk_said_is_raised_when_weights_cannot_be_written(tmp_path) -> None:
    """Torch itself says "unexpected pos 768 vs 662" then."""
    import resource

    module = load_mask_network()
    optimiser = torch.optim.Adam(module.parameters())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OSError, match="too large") as refused:
            row = {"epoch": 0, "left_score": 0.5, "right_score": 0.5}
            TrainingFolder(tmp_path).note(row, module, optimiser)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert refused.value.filename == str(tmp_path / "state.pt")
    assert not list(tmp_path.iterdir())


def test_ctrl_c_while_weights_are_written_is_ctrl_c(tmp_path, monkeypatch) -> None:
    """Torch itself says "unexpected pos" then."""

    class Stopped(io.FileIO):
        def write(self, data: Any) -> int:
            if self.tell() > 0:
                raise KeyboardInterrupt
            return super().write(data)

    def opened(path: Path, mode: str) -> Stopped:
        return Stopped(path, mode)

    monkeypatch.setattr(Path, "open", opened)
    module = load_mask_network()
    row = {"epoch": 0, "left_score": 0.5, "right_score": 0.5}
    with pytest.raises(KeyboardInterrupt):
        TrainingFolder(tmp_path).note(row, module, torch.optim.Adam(module.parameters()))
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_loss_falls(data, tmp_path) -> None:
    """Steps on one song lower what they are said to lower."""
    overrides = ("training.epochs=3", "training.steps_per_epoch=6", "training.haaqi_weight=0")
    finetune(config_of(data.root, tmp_path, *overrides))
    l1 = [row["l1"] for row in history(tmp_path)[1:]]
    assert l1[2] < 0.9 * l1[0]
