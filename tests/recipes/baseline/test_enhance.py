"""Enhancement: the peer's signals, each mixture once, nothing lost."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from clarity.separation.base import Mixture
from recipes.cad_icassp_2024.baseline import separators
from recipes.cad_icassp_2024.baseline.enhance import Enhancer, decompose_signal, enhance
from recipes.cad_icassp_2024.baseline.separators import build_separator
from recipes.cad_icassp_2024.baseline.songs import group_by_mixture
from recipes.cad_icassp_2024.data.errors import RecipeError
from recipes.cad_icassp_2024.runs.run import open_run
from recipes.cad_icassp_2024.runs.settings import MadeFrom
from tests.recipes.baseline.helpers import make_config


def signals(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted((folder / "enhanced_signals").glob("*.flac"))}


def test_signals_are_the_peers_on_real_music(mini, plugin, golden, tmp_path):
    enhance(make_config(plugin, mini, f"path.exp_folder={tmp_path}"))
    expected = sorted((golden / "fixed_mix").glob("*.flac"))
    assert len(expected) == len(signals(tmp_path)) == 8
    for path in expected:
        theirs, rate = soundfile.read(path, dtype="int16")
        ours, our_rate = soundfile.read(tmp_path / "enhanced_signals" / path.name, dtype="int16")
        assert our_rate == rate == 32000
        assert np.abs(ours.astype(int) - theirs).max() <= 1


def test_each_mixture_is_separated_once_whatever_the_order_of_scenes(
    own_tiny, plugin, tmp_path, monkeypatch
):
    data = own_tiny
    # Both songs' scenes on one head position, and interleaved.
    for scene in data.scenes.values():
        scene["head_loudspeaker_positions"] = "hp_0001"
    names = list(data.scenes)
    order = [names[0], names[2], names[1], names[3]]
    write = __import__("json").dumps
    scenes = {name: data.scenes[name] for name in order}
    (data.metadata / "scenes.train.json").write_text(write(scenes))
    listeners = {name: data.scene_listeners[name] for name in order}
    (data.metadata / "scene_listeners.train.json").write_text(write(listeners))
    (data.metadata / "at_mic_music.train.json").unlink()
    for song in data.songs:
        target = data.at_mic_folder(f"{song}-hp_0001")
        if not target.exists():
            source = next(data.at_mic_folder("").glob(f"{song}-*"))
            shutil.copytree(source, target)

    seen: list[bytes] = []
    real = build_separator

    def counting(settings):
        built = real(settings)
        separate = built.separator.separate

        def count(mixture: Mixture):
            seen.append(mixture.signal.tobytes())
            return separate(mixture)

        monkeypatch.setattr(built.separator, "separate", count)
        return built

    monkeypatch.setattr(separators, "build_separator", counting)
    enhance(make_config(plugin, data.root, f"path.exp_folder={tmp_path / 'exp'}"))
    assert len(seen) == len(set(seen)) == 2
    assert len(signals(tmp_path / "exp")) == 8


def test_overlapped_work_gives_the_same_bytes_as_the_plain_loop(tiny, plugin, tmp_path):
    overlapped, plain = (
        make_config(plugin, tiny.root, f"path.exp_folder={tmp_path / name}") for name in "ab"
    )
    enhance(overlapped)
    separator = build_separator(plain.separator).separator
    with open_run("enhance", plain) as run:
        enhancer = Enhancer(
            dataclasses.replace(run, n_cores=1), separator, MadeFrom(run.dataset, [], {})
        )
        for song in group_by_mixture(run.pairs):
            assert len(list(enhancer.chain(song))) == 2
    assert len(signals(tmp_path / "a")) == 8
    assert signals(tmp_path / "a") == signals(tmp_path / "b")


def test_a_second_run_makes_what_is_missing_and_touches_nothing_else(tiny, plugin, tmp_path):
    config = make_config(plugin, tiny.root, f"path.exp_folder={tmp_path}")
    enhance(config)
    whole = signals(tmp_path)
    gone, kept = (tmp_path / "enhanced_signals" / name for name in list(whole)[:2])
    gone.unlink()
    leftover = gone.with_name(f".{gone.name}.4711.tmp.flac")
    leftover.write_bytes(b"half")
    before = kept.stat().st_mtime_ns
    enhance(config)
    assert signals(tmp_path) == whole
    assert kept.stat().st_mtime_ns == before
    assert not leftover.exists()


def test_batches_together_give_the_undivided_run(tiny, plugin, tmp_path):
    enhance(make_config(plugin, tiny.root, f"path.exp_folder={tmp_path / 'whole'}"))
    for batch in range(3):
        enhance(
            make_config(
                plugin,
                tiny.root,
                f"path.exp_folder={tmp_path / 'parts'}",
                "evaluate.batch_size=3",
                f"evaluate.batch={batch}",
            )
        )
    assert signals(tmp_path / "parts") == signals(tmp_path / "whole")


def test_other_settings_are_refused_with_the_difference(tiny, plugin, tmp_path):
    folder = f"path.exp_folder={tmp_path}"
    enhance(make_config(plugin, tiny.root, folder))
    whole = signals(tmp_path)
    with pytest.raises(RecipeError, match=r"soft_clip: false -> true\n.*overwrite=true"):
        enhance(make_config(plugin, tiny.root, folder, "soft_clip=true"))
    assert signals(tmp_path) == whole
    enhance(make_config(plugin, tiny.root, folder, "soft_clip=true", "overwrite=true"))
    assert signals(tmp_path).keys() == whole.keys()
    assert signals(tmp_path) != whole


def test_settings_that_change_no_sample_are_no_difference(tiny, plugin, tmp_path):
    enhance(make_config(plugin, tiny.root, f"path.exp_folder={tmp_path / 'exp'}"))
    moved = tmp_path / "elsewhere"
    shutil.copytree(tiny.root, moved)
    enhance(
        make_config(
            plugin,
            moved,
            f"path.exp_folder={tmp_path / 'exp'}",
            "separator.device=cpu",
            "separator.batch_size=3",
            "HAAQI_sample_rate=16000",
            "compressor.attack=7",
        )
    )


def test_other_listeners_are_a_difference(own_tiny, plugin, tmp_path):
    config = make_config(plugin, own_tiny.root, f"path.exp_folder={tmp_path / 'exp'}")
    enhance(config)
    file = own_tiny.metadata / "listeners.train.json"
    file.write_text(file.read_text().replace("30", "31"))
    with pytest.raises(RecipeError, match="metadata listeners_file"):
        enhance(config)


def test_settings_bind_only_when_there_are_signals(tiny, plugin, tmp_path):
    folder = f"path.exp_folder={tmp_path / 'exp'}"
    with pytest.raises(RecipeError, match="failed"):
        enhance(
            make_config(
                plugin,
                tiny.root,
                folder,
                "separator.sources=[bass,other,vocals,drums]",
                "separator.module.shares=[1,2]",
            )
        )
    enhance(make_config(plugin, tiny.root, folder))
    with pytest.raises(RecipeError, match=r"separator.module: .*0.35.* -> .*0.25"):
        enhance(
            make_config(plugin, tiny.root, folder, "separator.module.shares=[0.25,0.25,0.25,0.25]")
        )


def test_a_mixture_that_is_cut_short_is_noticed_before_any_work(own_tiny, plugin, tmp_path):
    path = own_tiny.at_mic_folder(own_tiny.mixtures[0]) / "mixture.wav"
    path.write_bytes(path.read_bytes()[:50000])
    with pytest.raises(RecipeError, match=r"mixture.wav: is cut short by \d+ bytes"):
        enhance(make_config(plugin, own_tiny.root, f"path.exp_folder={tmp_path / 'exp'}"))


def test_a_cache_that_cannot_be_written_is_noticed_before_any_work(tiny, plugin, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RecipeError, match=r"separator.cache_dir=.*file"):
        enhance(
            make_config(
                plugin,
                tiny.root,
                f"path.exp_folder={tmp_path / 'exp'}",
                f"separator.cache_dir={tmp_path / 'file'}",
            )
        )


def spoil(data, name="mixture"):
    """Put a NaN into one song; a header does not show it."""
    path = data.at_mic_folder(data.mixtures[0]) / f"{name}.wav"
    signal, rate = soundfile.read(path)
    signal[100] = np.nan
    soundfile.write(path, signal, rate, subtype="FLOAT")
    return path


def test_a_failing_song_stops_the_run_and_names_itself(own_tiny, plugin, tmp_path):
    path = spoil(own_tiny)
    with pytest.raises(RecipeError, match=r"scene_10001_L0001.*failed") as caught:
        enhance(make_config(plugin, own_tiny.root, f"path.exp_folder={tmp_path / 'exp'}"))
    assert str(path) in str(caught.value)


def test_skip_goes_on_lists_the_failures_and_tries_them_again(own_tiny, plugin, tmp_path):
    path = spoil(own_tiny)
    config = make_config(
        plugin, own_tiny.root, f"path.exp_folder={tmp_path / 'exp'}", "on_error=skip"
    )
    with pytest.raises(RecipeError, match="2 pairs failed"):
        enhance(config)
    assert len(signals(tmp_path / "exp")) == 6
    listed = (tmp_path / "exp" / "failed.csv").read_text().splitlines()
    assert listed[0] == "step,scene,listener,reason"
    assert [line.split(",")[:3] for line in listed[1:]] == [
        ["enhance", "scene_10001", "L0001"],
        ["enhance", "scene_10001", "L0002"],
    ]
    good, rate = soundfile.read(path)
    soundfile.write(path, np.nan_to_num(good), rate, subtype="FLOAT")
    enhance(config)
    assert len(signals(tmp_path / "exp")) == 8
    assert not (tmp_path / "exp" / "failed.csv").exists()


def test_skip_holds_for_what_the_headers_show_too(own_tiny, plugin, tmp_path):
    (own_tiny.at_mic_folder(own_tiny.mixtures[0]) / "mixture.wav").unlink()
    folder = f"path.exp_folder={tmp_path / 'exp'}"
    with pytest.raises(RecipeError, match="no such file"):
        enhance(make_config(plugin, own_tiny.root, folder))
    assert not signals(tmp_path / "exp")
    with pytest.raises(RecipeError, match="2 pairs failed"):
        enhance(make_config(plugin, own_tiny.root, folder, "on_error=skip"))
    assert len(signals(tmp_path / "exp")) == 6


def test_stems_are_kept_for_a_run_with_other_gains(own_tiny, plugin, tmp_path, monkeypatch):
    cache = f"separator.cache_dir={tmp_path / 'stems'}"
    enhance(make_config(plugin, own_tiny.root, f"path.exp_folder={tmp_path / 'first'}", cache))
    gains = own_tiny.metadata / "gains.json"
    gains.write_text(gains.read_text().replace(": 6", ": 10"))
    plain = f"path.exp_folder={tmp_path / 'plain'}"
    enhance(make_config(plugin, own_tiny.root, plain))

    from outside_shares import FixedShares

    monkeypatch.setattr(FixedShares, "forward", None)  # what is not in the cache fails
    enhance(make_config(plugin, own_tiny.root, f"path.exp_folder={tmp_path / 'again'}", cache))
    assert signals(tmp_path / "again") == signals(tmp_path / "plain")
    assert signals(tmp_path / "again") != signals(tmp_path / "first")


def test_the_compressor_changes_the_signals(tiny, plugin, tmp_path):
    enhance(make_config(plugin, tiny.root, f"path.exp_folder={tmp_path / 'off'}"))
    arguments = ["apply_compressor=true", "compressor.threshold=0.01"]
    enhance(make_config(plugin, tiny.root, f"path.exp_folder={tmp_path / 'on'}", *arguments))
    name = next(iter(signals(tmp_path / "on")))
    on, _ = soundfile.read(tmp_path / "on" / "enhanced_signals" / name)
    off, _ = soundfile.read(tmp_path / "off" / "enhanced_signals" / name)
    assert on.std() < 0.9 * off.std()


def test_entrants_decompose_signal_takes_either_orientation(plugin):
    import torch
    from outside_shares import FixedShares

    rng = np.random.default_rng(2)
    signal = 0.1 * rng.standard_normal((9000, 2))
    names = ["drums", "bass", "other", "vocals"]
    model = FixedShares([0.35, 0.15, 0.30, 0.20])
    for one in (signal, signal.T):
        stems = decompose_signal(model, 8000, one, 8000, torch.device("cpu"), names, None, False)
        assert list(stems) == names
        # The last 0.1 s fade out: a signal within the first segment is treated so on purpose.
        for name, share in zip(names, (0.35, 0.15, 0.30, 0.20), strict=True):
            np.testing.assert_allclose(stems[name][:8000], share * signal[:8000], atol=1e-7)


def test_text_beside_a_signal_goes_only_when_it_is_a_peak(tiny, plugin, tmp_path):
    folder = tmp_path / "enhanced_signals"
    folder.mkdir()
    peak = folder / "scene_10001_L0001_remix.txt"
    notes = folder / "scene_10001_L0002_remix.txt"
    peak.write_text("3.7")
    notes.write_text("sounds dull")
    enhance(make_config(plugin, tiny.root, f"path.exp_folder={tmp_path}"))
    assert not peak.exists()
    assert notes.read_text() == "sounds dull"
