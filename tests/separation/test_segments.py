"""Overlap-add against the peer's numbers and against what it must do by itself."""

import inspect
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from clarity.separation.segments import Segment, overlap_add, plan_segments
from clarity.utils.source_separation_support import separate_sources
from tests.separation.references.make_segments import make_input, model, project

PEER = json.loads((Path(__file__).parent / "references" / "segments.json").read_text())["cases"]


def identity(batch):
    return torch.stack([batch] * 4, dim=1)


def as_module(function):
    module = torch.nn.Module()
    module.forward = function
    return module


@pytest.mark.parametrize(
    "case", PEER, ids="{n_samples}-{sample_rate}-{segment}-{overlap}".format_map
)
@pytest.mark.parametrize("batch_size", [1, 3])
def test_overlap_add_equals_the_peers(case, batch_size):
    signal = make_input(case["n_samples"]).T
    segments = plan_segments(
        case["n_samples"], case["sample_rate"], case["segment"], case["overlap"]
    )
    stems = overlap_add(model, signal, segments, n_sources=4, batch_size=batch_size)
    projections = project(stems)
    np.testing.assert_allclose(projections, case["projections"], rtol=0, atol=2e-5)


def test_segmentation_of_ones_equals_the_peers(small):
    for case in small["segmentation_of_ones"]:
        n_samples = case["n_samples"]
        ones = np.ones((1, 2, n_samples), dtype=np.float32)
        stem = separate_sources(as_module(identity), ones, case["sample_rate"])[0, 0, 0]
        changes = np.flatnonzero(np.diff(stem))  # the sample before a change
        listed = case["changes_at"]
        assert changes[:3].tolist() == listed[:3]
        assert changes[-3:].tolist() == listed[-3:]
        assert stem.sum(dtype=np.float64) == pytest.approx(case["sum"], abs=1e-4)
        assert (stem[-1], stem.min(), stem.max()) == (case["last"], case["min"], case["max"])


def test_segments_lie_on_the_grid_of_the_recipe():
    first, second, third = plan_segments(30 * 44100, 44100)
    assert first == Segment(0, 11 * 44100, 0, 4410)
    assert second == Segment(11 * 44100 - 4410, 22 * 44100, 4410, 4410)
    assert third == Segment(22 * 44100 - 4410, 30 * 44100, 4410, 0)


@pytest.mark.parametrize("n_samples", [1101, 1102, 2200, 2201, 2222, 9999])
def test_a_signal_longer_than_the_first_segment_is_put_together_unchanged(n_samples):
    signal = make_input(n_samples).T
    stems = overlap_add(identity, signal, plan_segments(n_samples, 100), batch_size=2)
    np.testing.assert_allclose(stems, np.stack([signal.T] * 4), atol=1e-7)


@pytest.mark.parametrize("n_samples", [1, 2, 9, 10])
def test_a_signal_no_longer_than_the_overlap_is_not_faded(n_samples):
    signal = make_input(n_samples).T
    seen = []

    def watch(batch):
        seen.append(batch.shape[-1])
        return identity(batch)

    stems = overlap_add(watch, signal, plan_segments(n_samples, 100), min_samples=64)
    np.testing.assert_array_equal(stems, np.stack([signal.T] * 4))
    assert seen == [64]


def test_batches_hold_neighbours_of_one_length():
    shapes = []

    def watch(batch):
        shapes.append((batch.shape[0], batch.shape[-1]))
        return identity(batch)

    overlap_add(watch, make_input(6000).T, plan_segments(6000, 100), batch_size=3)
    assert shapes == [(1, 1100), (3, 1110), (1, 1110), (1, 510)]


@pytest.mark.parametrize("settings", [(10.0, -0.1), (0.0, 0.1), (-1.0, 0.1), (0.05, 0.1)])
def test_impossible_segments_are_refused(settings):
    with pytest.raises(ValueError, match="not possible"):
        plan_segments(1000, 100, *settings)


def test_an_empty_signal_is_refused():
    with pytest.raises(ValueError, match="empty"):
        plan_segments(0, 100)


def test_a_model_with_other_stems_or_bad_values_is_refused():
    segments = plan_segments(50, 100)
    with pytest.raises(ValueError, match=r"returned the shape \(1, 4, 2, 50\)"):
        overlap_add(identity, make_input(50).T, segments, n_sources=3)
    with pytest.raises(ValueError, match="NaN"):
        overlap_add(lambda batch: identity(batch) / 0, make_input(50).T, segments)


def test_separate_sources_has_the_arguments_that_scripts_use():
    assert list(inspect.signature(separate_sources).parameters) == [
        "model",
        "mix",
        "sample_rate",
        "segment",
        "overlap",
        "device",
    ]


def test_separate_sources_takes_one_or_several_mixtures():
    mixtures = np.stack([make_input(1500), make_input(1500)[::-1]])
    both = separate_sources(as_module(model), mixtures, 100)
    assert both.shape == (2, 4, 2, 1500)
    one = separate_sources(as_module(model), torch.from_numpy(mixtures[1].copy()), 100)
    np.testing.assert_array_equal(both[1:], one)


@pytest.mark.parametrize("shape", [(3, 2, 0), (2, 0)])
def test_an_empty_mixture_has_empty_stems(shape):
    stems = separate_sources(as_module(model), np.zeros(shape, dtype=np.float32), 100)
    assert stems.dtype == np.float32
    assert stems.shape == (3 if len(shape) == 3 else 1, 4, 2, 0)  # as in the peer
