"""Evaluation: the peer's scores, in its order and from its seeds; nothing lost."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from recipes.cad_icassp_2024.baseline.enhance import enhance
from recipes.cad_icassp_2024.baseline.evaluate import (
    load_reference_stems,
    make_scene_listener_list,
    run_calculate_aq,
)
from recipes.cad_icassp_2024.baseline.merge_batches_results import merge_batches
from recipes.cad_icassp_2024.baseline.report import report
from recipes.cad_icassp_2024.data.errors import RecipeError
from tests.recipes.baseline.helpers import make_config
from tests.recipes.tiny_dataset import pick_samples

CHAIN = json.loads((Path(__file__).parent / "references" / "chain.json").read_text())


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def assert_scores(found, expected, tolerance):
    assert [(row["scene"], row["song"], row["listener"]) for row in found] == [
        (row["scene"], row["song"], row["listener"]) for row in expected
    ]
    for ours, theirs in zip(found, expected, strict=True):
        for column in ("left_score", "right_score", "score"):
            assert float(ours[column]) == pytest.approx(float(theirs[column]), abs=tolerance)


@pytest.fixture(scope="session")
def scored(tiny, plugin, tmp_path_factory) -> Path:
    """The experiment folder of an undisturbed run on the tiny data set."""
    folder = tmp_path_factory.mktemp("scored")
    config = make_config(plugin, tiny.root, f"path.exp_folder={folder}")
    enhance(config)
    run_calculate_aq(config)
    return folder


@pytest.fixture
def experiment(scored, tmp_path) -> Path:
    """A copy of that folder, to be spoiled."""
    return Path(shutil.copytree(scored, tmp_path / "exp"))


def test_scores_of_the_peers_signals_are_the_peers(mini, plugin, golden, tmp_path):
    (tmp_path / "enhanced_signals").mkdir()
    for path in (golden / "fixed_mix").glob("*.flac"):
        shutil.copyfile(path, tmp_path / "enhanced_signals" / path.name)
    run_calculate_aq(make_config(plugin, mini, f"path.exp_folder={tmp_path}"))
    assert_scores(rows(tmp_path / "scores.csv"), rows(golden / "fixed_mix" / "scores.csv"), 1e-8)


def test_the_whole_chain_gives_the_peers_scores(mini, plugin, golden, tmp_path):
    config = make_config(plugin, mini, f"path.exp_folder={tmp_path}")
    enhance(config)
    run_calculate_aq(config)
    assert_scores(rows(tmp_path / "scores.csv"), rows(golden / "fixed_mix" / "scores.csv"), 1e-4)


def test_the_ceiling_is_above_the_floor_and_the_floor_above_fixed_shares(
    mini, plugin, golden, tmp_path
):
    means = {}
    for name in ("oracle", "hpss"):
        folder = f"path.exp_folder={tmp_path / name}"
        config = make_config(plugin, mini, f"separator={name}", folder)
        enhance(config)
        run_calculate_aq(config)
        scores = rows(tmp_path / name / "scores.csv")
        means[name] = np.mean([float(row["score"]) for row in scores])
    shares = np.mean([float(row["score"]) for row in rows(golden / "fixed_mix" / "scores.csv")])
    # Figures of the day these were written: 0.6406, 0.5031 and 0.4983.
    assert means["oracle"] > means["hpss"] + 0.1
    assert means["hpss"] > shares


def test_signals_of_the_tiny_data_set_are_the_peers(scored):
    for name, pair in CHAIN["pairs"].items():
        path = scored / "enhanced_signals" / f"{name}_remix.flac"
        samples, rate = soundfile.read(path, dtype="int16")
        assert rate == 32000
        assert list(samples.shape) == pair["signal"]["shape"]
        theirs = np.array(pair["signal"]["every_997th"]).reshape(-1, 2)
        assert np.abs(samples[::997].astype(int) - theirs).max() <= 1
        energy = np.sum(samples.astype(np.int64) ** 2)
        assert energy == pytest.approx(pair["signal"]["sum_of_squares"], rel=1e-6)


def test_scores_of_the_tiny_data_set_are_the_peers(scored):
    found = {f"{row['scene']}_{row['listener']}": row for row in rows(scored / "scores.csv")}
    assert list(found) == list(CHAIN["pairs"])
    for name, pair in CHAIN["pairs"].items():
        ours = [float(found[name][f"{ear}_score"]) for ear in ("left", "right")]
        assert ours == pytest.approx(pair["scores"], abs=1e-4)
        assert float(found[name]["score"]) == pytest.approx(np.mean(ours), abs=1e-15)


def test_scores_of_a_signal_that_is_the_same_everywhere_are_the_peers(tiny, plugin, tmp_path):
    (tmp_path / "enhanced_signals").mkdir()
    for scene, listeners in tiny.scene_listeners.items():
        song = "{music}-{head_loudspeaker_positions}".format(**tiny.scenes[scene])
        mixture, rate = soundfile.read(tiny.at_mic_folder(song) / "mixture.wav", dtype="int16")
        for listener in listeners:
            path = tmp_path / "enhanced_signals" / f"{scene}_{listener}_remix.flac"
            soundfile.write(path, pick_samples(mixture, rate, 32000), 32000)
    run_calculate_aq(make_config(plugin, tiny.root, f"path.exp_folder={tmp_path}"))
    for row in rows(tmp_path / "scores.csv"):
        theirs = CHAIN["pairs"][f"{row['scene']}_{row['listener']}"]["scores_of_picked_mixture"]
        ours = [float(row["left_score"]), float(row["right_score"])]
        assert ours == pytest.approx(theirs, abs=1e-8)


@pytest.mark.parametrize("end", [25, -4, -2])  # in a name, in the last number, before the line end
def test_a_stopped_run_goes_on_to_the_same_file(experiment, tiny, plugin, end):
    path = experiment / "scores.csv"
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:4]) + lines[4][:end])  # cut off in the fourth row
    run_calculate_aq(make_config(plugin, tiny.root, f"path.exp_folder={experiment}"))
    assert path.read_bytes() == whole


def test_rows_are_put_in_order_when_a_pair_in_the_middle_is_scored_again(experiment, tiny, plugin):
    path = experiment / "scores.csv"
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2] + lines[4:]))
    run_calculate_aq(make_config(plugin, tiny.root, f"path.exp_folder={experiment}"))
    assert path.read_bytes() == whole


def test_batches_merge_into_the_undivided_file(experiment, tiny, plugin):
    whole = (experiment / "scores.csv").read_bytes()
    (experiment / "scores.csv").unlink()
    for batch in range(3):
        arguments = (f"path.exp_folder={experiment}", "evaluate.batch_size=3")
        run_calculate_aq(make_config(plugin, tiny.root, *arguments, f"evaluate.batch={batch}"))
    assert not (experiment / "scores.csv").exists()
    merge_batches(make_config(plugin, tiny.root, f"path.exp_folder={experiment}"))
    assert (experiment / "scores.csv").read_bytes() == whole


def split_scores(experiment: Path, count: int) -> list[Path]:
    lines = (experiment / "scores.csv").read_bytes().splitlines(keepends=True)
    (experiment / "scores.csv").unlink()
    paths = [experiment / f"scores_{batch + 1}-{count}.csv" for batch in range(count)]
    for batch, path in enumerate(paths):
        path.write_bytes(b"".join(lines[:1] + lines[1:][batch::count]))
    return paths


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda paths: paths[1].unlink(), r"scores_2-3.csv: is missing \(3 pairs\)"),
        (
            lambda paths: paths[0].write_bytes(
                b"".join(paths[0].read_bytes().splitlines(keepends=True)[:-1])
            ),
            "scores_1-3.csv: is short of 1 of 3 pairs",
        ),
        (
            lambda paths: paths[2].write_bytes(
                paths[2].read_bytes() + paths[2].read_bytes().splitlines(keepends=True)[-1]
            ),
            "scores_3-3.csv: 1 pairs are there twice",
        ),
        (
            lambda paths: paths[2].write_bytes(paths[1].read_bytes()),
            "scores_3-3.csv: 3 pairs do not belong to this batch",
        ),
        (lambda paths: [path.unlink() for path in paths], "holds no scores of batches"),
        (
            lambda paths: shutil.copyfile(paths[0], paths[0].with_name("scores_1-4.csv")),
            "in 3 and in 4 batches",
        ),
        (lambda paths: paths[0].write_text("scene\r\nx\r\n"), "scores_1-3.csv"),
    ],
)
def test_batches_that_do_not_fit_are_refused_and_named(experiment, tiny, plugin, spoil, message):
    spoil(split_scores(experiment, 3))
    with pytest.raises(RecipeError, match=message):
        merge_batches(make_config(plugin, tiny.root, f"path.exp_folder={experiment}"))
    assert not (experiment / "scores.csv").exists()


def test_what_is_there_is_merged_on_request(experiment, tiny, plugin):
    whole = rows(experiment / "scores.csv")
    split_scores(experiment, 3)[1].unlink()
    config = make_config(plugin, tiny.root, f"path.exp_folder={experiment}", "allow_missing=true")
    merge_batches(config)
    assert rows(experiment / "scores.csv") == [row for n, row in enumerate(whole) if n % 3 != 1]


def test_a_setting_that_scores_depend_on_is_refused_and_others_are_not(experiment, tiny, plugin):
    folder = f"path.exp_folder={experiment}"
    whole = (experiment / "scores.csv").read_bytes()
    with pytest.raises(RecipeError, match=r"evaluate\.set_random_seed: true -> false"):
        run_calculate_aq(make_config(plugin, tiny.root, folder, "evaluate.set_random_seed=false"))
    # Neither the separator nor what else only enhancement uses concerns the evaluation.
    other = ("separator.segment=3", "soft_clip=true", "apply_compressor=true")
    run_calculate_aq(make_config(plugin, tiny.root, folder, *other))
    assert (experiment / "scores.csv").read_bytes() == whole


def test_scores_of_other_signals_are_not_mixed(experiment, tiny, plugin):
    config = make_config(
        plugin, tiny.root, f"path.exp_folder={experiment}", "soft_clip=true", "overwrite=true"
    )
    enhance(config)
    with pytest.raises(RecipeError, match="enhanced signals"):
        run_calculate_aq(make_config(plugin, tiny.root, f"path.exp_folder={experiment}"))


def test_a_report_of_scores_of_other_signals_is_refused(experiment, tiny, plugin):
    folder = f"path.exp_folder={experiment}"
    report(make_config(plugin, tiny.root, folder))
    enhance(make_config(plugin, tiny.root, folder, "soft_clip=true", "overwrite=true"))
    with pytest.raises(RecipeError, match=r"scores in .* are of other signals"):
        report(make_config(plugin, tiny.root, folder))


def test_signals_that_were_replaced_are_scored_again(experiment, tiny, plugin):
    path = experiment / "scores.csv"
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], lines[3].replace(b"0.", b"0.0"), *lines[4:]]))
    signal = experiment / "enhanced_signals" / "scene_10002_L0002_remix.flac"
    os.utime(signal, ns=(path.stat().st_mtime_ns + 1_000_000,) * 2)
    run_calculate_aq(make_config(plugin, tiny.root, f"path.exp_folder={experiment}"))
    assert path.read_bytes() == whole


def test_signals_of_another_program_are_scored_as_they_are(experiment, tiny, plugin):
    whole = (experiment / "scores.csv").read_bytes()
    shutil.rmtree(experiment / "settings")
    (experiment / "scores.csv").unlink()
    run_calculate_aq(make_config(plugin, tiny.root, f"path.exp_folder={experiment}"))
    assert (experiment / "scores.csv").read_bytes() == whole


def test_small_test_takes_every_15th_pair(experiment, tiny, plugin):
    first = rows(experiment / "scores.csv")[:1]
    shutil.rmtree(experiment / "settings")
    (experiment / "scores.csv").unlink()
    run_calculate_aq(
        make_config(plugin, tiny.root, f"path.exp_folder={experiment}", "evaluate.small_test=true")
    )
    assert rows(experiment / "scores.csv") == first


def test_all_missing_signals_are_listed_before_any_work(experiment, tiny, plugin):
    (experiment / "scores.csv").unlink()
    files = sorted((experiment / "enhanced_signals").glob("*.flac"))
    files[1].unlink()
    files[2].write_bytes(b"fLaC but not really")
    soundfile.write(files[3], np.zeros(900), 32000, subtype="PCM_16")
    soundfile.write(files[4], np.zeros((900, 2)), 16000, subtype="PCM_16")
    soundfile.write(files[5], np.zeros((900, 2)), 32000, subtype="PCM_16")
    config = make_config(plugin, tiny.root, f"path.exp_folder={experiment}")
    with pytest.raises(RecipeError, match="5 of 8 enhanced signals are not usable") as caught:
        run_calculate_aq(config)
    for name, problem in zip(
        files[1:6],
        ("no such file", "cannot be read", "must be stereo", "has 16000 Hz", "lasts 0.03 s"),
        strict=True,
    ):
        assert f"{name}: " in str(caught.value)
        assert problem in str(caught.value)


@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_a_misspelt_experiment_folder_is_named_and_not_made(tiny, plugin, tmp_path, on_error):
    folder = tmp_path / "hpps"
    config = make_config(plugin, tiny.root, f"path.exp_folder={folder}", f"on_error={on_error}")
    with pytest.raises(RecipeError, match=r"hpps/enhanced_signals: no such folder; run enhance.py"):
        run_calculate_aq(config)
    assert not folder.exists()


def test_skip_scores_the_rest_and_tries_again(experiment, tiny, plugin):
    whole = (experiment / "scores.csv").read_bytes()
    (experiment / "scores.csv").unlink()
    gone = sorted((experiment / "enhanced_signals").glob("*.flac"))[2]
    kept = gone.read_bytes()
    gone.unlink()
    config = make_config(plugin, tiny.root, f"path.exp_folder={experiment}", "on_error=skip")
    with pytest.raises(RecipeError, match="1 pairs failed"):
        run_calculate_aq(config)
    assert len(rows(experiment / "scores.csv")) == 7
    assert rows(experiment / "failed.csv")[0]["scene"] == gone.name[:11]
    gone.write_bytes(kept)
    run_calculate_aq(config)
    assert (experiment / "scores.csv").read_bytes() == whole
    assert not (experiment / "failed.csv").exists()


def test_a_silent_reference_is_a_message(own_tiny, plugin, tmp_path):
    folder = f"path.exp_folder={tmp_path / 'exp'}"
    enhance(make_config(plugin, own_tiny.root, folder))
    for name in ("vocals", "drums", "bass", "other"):
        path = own_tiny.at_mic_folder(own_tiny.mixtures[0]) / f"{name}.wav"
        soundfile.write(path, np.zeros((44100, 2)), 44100, subtype="PCM_16")
    with pytest.raises(RecipeError, match="scene_10001_L0001 failed: the reference is silent"):
        run_calculate_aq(make_config(plugin, own_tiny.root, folder))


def test_overwrite_scores_anew(experiment, tiny, plugin):
    path = experiment / "scores.csv"
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"0.9", b"0.1"))
    run_calculate_aq(
        make_config(plugin, tiny.root, f"path.exp_folder={experiment}", "overwrite=true")
    )
    assert path.read_bytes() == whole


def test_pairs_come_scene_by_scene():
    scenes = {f"s{n}": ["a", "b"] for n in range(20)}
    pairs = make_scene_listener_list(scenes)
    assert pairs[:3] == [("s0", "a"), ("s0", "b"), ("s1", "a")]
    assert make_scene_listener_list(scenes, small_test=True) == [
        ("s0", "a"),
        ("s7", "b"),
        ("s15", "a"),
    ]


def test_reference_stems_are_read_as_they_are(tiny):
    folder = tiny.at_mic_folder(tiny.mixtures[0])
    stems, mixture = load_reference_stems(folder)
    assert sorted(stems) == ["bass", "drums", "other", "vocals"]
    np.testing.assert_array_equal(mixture, soundfile.read(folder / "mixture.wav")[0])
