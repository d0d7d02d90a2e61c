"""The names that entrants' scripts import, with the arguments that they pass."""

from __future__ import annotations

import importlib
import inspect

import pytest

AT_MIC = "recipes.cad_icassp_2024.generate_dataset.generate_at_mic_musdb18"
SCENES = "recipes.cad_icassp_2024.generate_dataset.generate_train_scenes"
ENHANCE = "recipes.cad_icassp_2024.baseline.enhance"
MERGE = "recipes.cad_icassp_2024.baseline.merge_batches_results"
EVALUATE = "recipes.cad_icassp_2024.baseline.evaluate"

# Read off pyclarity 0.9.0 with inspect.signature.
ARGUMENTS = {
    (ENHANCE, "decompose_signal"): "model model_sample_rate signal signal_sample_rate device "
    "sources_list listener normalise",
    (ENHANCE, "process_remix_for_listener"): "signal enhancer compressor listener apply_compressor",
    (ENHANCE, "save_flac_signal"): "signal filename signal_sample_rate output_sample_rate "
    "do_clip_signal do_soft_clip do_scale_signal",
    (ENHANCE, "enhance"): "config",
    (ENHANCE, "apply_gains"): "stems sample_rate gains",
    (ENHANCE, "apply_ha"): "enhancer compressor signal audiogram apply_compressor",
    (ENHANCE, "remix_stems"): "stems reference_signal sample_rate",
    (ENHANCE, "make_scene_listener_list"): "scenes_listeners small_test",
    (ENHANCE, "separate_sources"): "model mix sample_rate segment overlap device",
    (ENHANCE, "get_device"): "device",
    (MERGE, "join_batches"): "config",
    (AT_MIC, "run"): "cfg",
    (EVALUATE, "apply_ha"): "enhancer compressor signal audiogram apply_compressor",
    (EVALUATE, "apply_gains"): "stems sample_rate gains",
    (EVALUATE, "level_normalisation"): "signal reference_signal sample_rate",
    (EVALUATE, "remix_stems"): "stems reference_signal sample_rate",
    (EVALUATE, "make_scene_listener_list"): "scenes_listeners small_test",
    (EVALUATE, "set_song_seed"): "song",
    (EVALUATE, "load_reference_stems"): "music_dir",
    (EVALUATE, "run_calculate_aq"): "config",
    (AT_MIC, "apply_hrtf"): "signal hrtf_left hrtf_right",
    (AT_MIC, "load_hrtf_signals"): "hrtf_path hp",
    (AT_MIC, "normalise_lufs_level"): "signal reference_signal sample_rate",
    (AT_MIC, "find_precreated_samples"): "source_dir",
    (SCENES, "choose_samples"): "source size",
    (SCENES, "generate_scenes"): "cfg",
    (SCENES, "generate_scene_listener"): "cfg",
    ("clarity.evaluator.haaqi", "compute_haaqi"): "processed_signal reference_signal "
    "processed_sample_rate reference_sample_rate audiogram equalisation level1",
    ("clarity.evaluator.haaqi.haaqi", "haaqi_v1"): "reference reference_freq processed "
    "processed_freq audiogram equalisation level1 silence_threshold add_noise segment_covariance",
    ("clarity.utils.source_separation_support", "get_device"): "device",
    ("clarity.utils.source_separation_support", "separate_sources"): "model mix sample_rate "
    "segment overlap device",
}


@pytest.mark.parametrize(("module", "name"), list(ARGUMENTS))
def test_a_name_takes_the_arguments_that_entrants_pass(module, name):
    function = getattr(importlib.import_module(module), name)
    wanted = ARGUMENTS[module, name].split()
    parameters = inspect.signature(function).parameters
    assert list(parameters)[: len(wanted)] == wanted
    for extra in list(parameters)[len(wanted) :]:
        assert parameters[extra].default is not inspect.Parameter.empty
