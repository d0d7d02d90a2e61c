"""Fine-tuning: exact validation scores, the best weights kept, nothing lost when it is stopped."""

from __future__ import annotations

import csv
import dataclasses
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir

from clarity.separation.mask_network import load_mask_network
from clarity.separation.segmented import SegmentedSeparator
from recipes.cad_icassp_2024.baseline import finetune as script
from recipes.cad_icassp_2024.baseline.enhance import enhance
from recipes.cad_icassp_2024.baseline.evaluate import run_calculate_aq
from recipes.cad_icassp_2024.baseline.finetune import finetune
from recipes.cad_icassp_2024.baseline.finetune_config import FinetuneConfig
from recipes.cad_icassp_2024.baseline.training import Losses
from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.runs.composition import CONFIG_DIR
from recipes.cad_icassp_2024.runs.overrides import translate_overrides
from recipes.cad_icassp_2024.runs.schema import check_config
from recipes.cad_icassp_2024.runs.training_folder import TrainingFolder
from tests.recipes.baseline.helpers import make_config
from tests.recipes.tiny_dataset import TinyDataset, make_tiny_dataset

QUICK = (
    "training.steps_per_epoch=1",
    "training.batch_size=1",
    "training.crop_s=0.4",
    "training.learning_rate=0.01",
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


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TinyDataset:
    return make_tiny_dataset(
        tmp_path_factory.mktemp("finetune"), seconds=1.0, n_scenes_per_song=1, music=False
    )


@pytest.fixture(scope="module")
def trained(data: TinyDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder after two epochs."""
    folder = tmp_path_factory.mktemp("trained")
    finetune(config_of(data.root, folder, "training.epochs=2"))
    return folder


def test_the_best_weights_score_in_evaluation_what_validation_said(
    data, trained, plugin, tmp_path
) -> None:
    rows = history(trained)
    best = max(rows, key=lambda row: row["score"])
    overrides = (
        "separator=masknet",
        f"separator.checkpoint={trained / 'best.pt'}",
        f"path.exp_folder={tmp_path}",
    )
    config = make_config(plugin, data.root, *overrides)
    enhance(config)
    run_calculate_aq(config)
    with (tmp_path / "scores.csv").open(newline="") as file:
        scores = [float(row["score"]) for row in csv.DictReader(file)]
    assert len(scores) == 4  # all pairs are validated on: there are fewer than training.valid_pairs
    assert np.mean(scores) == pytest.approx(best["score"], abs=1e-12)


def test_history_begins_with_the_start_and_best_is_never_worse(trained) -> None:
    rows = history(trained)
    assert [row["epoch"] for row in rows] == [0, 1, 2]
    assert "l1" not in rows[0]
    assert all(0 < row["l1"] < 1 and 0 < row["1 - haaqi"] < 1 for row in rows[1:])
    assert max(row["score"] for row in rows) >= rows[0]["score"]


def test_weights_that_make_it_worse_are_not_kept(data, tmp_path, monkeypatch) -> None:
    scores = iter([(0.5, 0.5), (0.4, 0.4)])
    monkeypatch.setattr(script.Validator, "scores", lambda self, separator: next(scores))
    finetune(config_of(data.root, tmp_path, "training.epochs=1"))
    best = torch.load(tmp_path / "best.pt", weights_only=True)
    for name, tensor in load_mask_network().state_dict().items():
        assert torch.equal(best[name], tensor)
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert not torch.equal(state["module"]["exit.weight"], best["exit.weight"])


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(data, trained, tmp_path) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(script, "clip_grad_norm_", stop)  # in the middle of the first epoch
        with pytest.raises(KeyboardInterrupt):
            finetune(config_of(data.root, tmp_path, "training.epochs=2"))
    assert len(history(tmp_path)) == 1
    finetune(config_of(data.root, tmp_path, "training.epochs=1"))
    finetune(config_of(data.root, tmp_path, "training.epochs=2"))
    assert history(tmp_path) == history(trained)


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


def test_training_that_runs_away_is_said(data, tmp_path) -> None:
    with pytest.raises(RecipeError, match=r"epoch 1: the separation model returned NaN.*lower"):
        finetune(config_of(data.root, tmp_path, "training.learning_rate=1e30"))
    assert len(history(tmp_path)) == 1
    best = torch.load(tmp_path / "best.pt", weights_only=True)
    assert torch.equal(best["exit.weight"], load_mask_network().state_dict()["exit.weight"])


@pytest.mark.filterwarnings("error")
def test_steps_without_a_gradient_are_left_out_and_said(
    data, tmp_path, monkeypatch, caplog
) -> None:
    monkeypatch.setattr(script.Validator, "scores", lambda self, separator: (0.5, 0.5))

    def losses(separator: SegmentedSeparator, *_: object, **__: object) -> Losses:
        nothing = next(separator.module.parameters()).sum() * torch.nan
        return Losses(nothing, nothing)

    monkeypatch.setattr(script, "training_losses", losses)
    finetune(config_of(data.root, tmp_path, "training.epochs=1"))
    assert "epoch 1: 1 of 1 steps were left out because their gradient" in caplog.text
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    for name, start in load_mask_network().state_dict().items():
        assert torch.equal(state["module"][name], start)


def test_gradients_are_clipped(data, tmp_path, monkeypatch) -> None:
    """To a norm that is nothing beside Adam's 1e-8 they move nothing."""
    monkeypatch.setattr(script.Validator, "scores", lambda self, separator: (0.5, 0.5))
    finetune(
        config_of(data.root, tmp_path, "training.epochs=1", "training.max_gradient_norm=1e-14")
    )
    weights = torch.load(tmp_path / "state.pt", weights_only=True)["module"]
    for name, start in load_mask_network().state_dict().items():
        assert (weights[name] - start).abs().max() < 1e-7


def test_the_command_at_the_end_chooses_the_separator_as_it_was_chosen(
    data, tmp_path, monkeypatch
) -> None:
    """Also when its name was changed: that name is no configuration of enhance.py."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(script.Validator, "scores", lambda self, separator: (0.5, 0.5))
    arguments = ["finetune.py", "separator=masknet", "++separator.model=my net", *QUICK]
    arguments += ["training.epochs=1", "separator.checkpoint=null"]
    arguments += [f"path.root={data.root}", f"path.exp_folder={tmp_path / 'exp'}"]
    monkeypatch.setattr("sys.argv", arguments)
    script.main()
    (file,) = (tmp_path / "exp" / "logs").glob("finetune*.log")
    best = tmp_path / "exp" / "best.pt"
    separator = "separator=masknet '++separator.model=my net'"
    command = f"python enhance.py path.root={data.root} {separator} separator.checkpoint={best}"
    assert f"{command} takes it" in file.read_text()


@pytest.fixture
def quick_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script.Validator, "scores", lambda self, separator: (0.5, 0.5))


def test_a_kill_before_the_last_history_costs_no_row(data, quick_scores, tmp_path) -> None:
    config = config_of(data.root, tmp_path, "training.epochs=1")
    finetune(config)
    whole = (tmp_path / "history.csv").read_bytes()
    (tmp_path / "history.csv").write_bytes(whole[: whole.index(b"\n0,")])
    half_written = tmp_path / ".state.pt.1.tmp.pt"
    half_written.touch()
    finetune(config)
    assert (tmp_path / "history.csv").read_bytes() == whole
    assert not half_written.exists()


def test_best_weights_that_are_gone_are_not_promised(data, quick_scores, tmp_path) -> None:
    config = config_of(data.root, tmp_path, "training.epochs=1")
    finetune(config)
    (tmp_path / "best.pt").unlink()
    with pytest.raises(RecipeError, match=r"best.pt is missing"):
        finetune(config)


def test_other_music_to_validate_on_is_refused(data, quick_scores, tmp_path) -> None:
    """Its scores say nothing about which weights are the best of those before."""
    changed = data.copied_to(tmp_path / "data")
    config = config_of(changed.root, tmp_path / "exp", "training.epochs=1")
    finetune(config)
    file = changed.at_mic_folder(changed.mixtures[0]) / "vocals.wav"
    samples = bytearray(file.read_bytes())
    samples[-1] ^= 1
    file.write_bytes(samples)
    with pytest.raises(RecipeError, match="validation data"):
        finetune(config)


def test_a_loss_without_weight_cannot_spoil_the_gradient(
    data, quick_scores, tmp_path, monkeypatch, caplog
) -> None:
    losses = script.training_losses

    def l1_is_nan(*args: object, **options: object) -> object:
        given = losses(*args, **options)  # type: ignore[arg-type]
        return dataclasses.replace(given, l1=given.l1 * float("nan"))

    monkeypatch.setattr(script, "training_losses", l1_is_nan)
    finetune(config_of(data.root, tmp_path, "training.epochs=1", "training.l1_weight=0"))
    assert "left out" not in caplog.text
    assert np.isfinite(history(tmp_path)[1]["gradient_norm"])


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
    assert refused.value.filename == str(tmp_path / "best.pt")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_loss_falls(data, tmp_path) -> None:
    """Steps on one song lower what they are said to lower."""
    overrides = ("training.epochs=3", "training.steps_per_epoch=6", "training.haaqi_weight=0")
    finetune(config_of(data.root, tmp_path, *overrides))
    l1 = [row["l1"] for row in history(tmp_path)[1:]]
    assert l1[2] < 0.9 * l1[0]
