"""Scoring beside a training loop: the exact metric's numbers, bounded memory, errors on collect."""

from __future__ import annotations

import threading
from dataclasses import astuple

import numpy as np
import pytest
import torch

from clarity.evaluator.haaqi import (
    BackgroundScorer,
    BackgroundScoringError,
    Ear,
    HaaqiResult,
    background,
    evaluate_listeners,
)
from clarity.utils.audiogram import AUDIOGRAM_MILD, AUDIOGRAM_MODERATE, Listener

RATE = 24000
LISTENER = Listener(AUDIOGRAM_MILD, AUDIOGRAM_MODERATE, id="L0001")


def pair(seed: int, n_channels: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Processed and reference signal, (samples, channels)."""
    reference = 0.1 * np.random.default_rng(seed).standard_normal((12000, n_channels))
    return np.clip(reference, -0.08, 0.08), reference


def expected(*seeds: int) -> list[list[HaaqiResult]]:
    """What the metric gives for the stereo pairs, one after the other."""
    ears = [
        [
            Ear(reference[:, 0], RATE, processed[:, 0], RATE, AUDIOGRAM_MILD),
            Ear(reference[:, 1], RATE, processed[:, 1], RATE, AUDIOGRAM_MODERATE),
        ]
        for processed, reference in map(pair, seeds)
    ]
    return evaluate_listeners(ears, [0] * len(seeds), n_threads=1)


def test_scores_from_several_threads_are_the_metrics_own() -> None:
    with BackgroundScorer(n_workers=2) as scorer:
        threads = [
            threading.Thread(
                target=lambda n=n: scorer.submit(*pair(n), LISTENER, RATE, name=n, group="epoch 3")
            )
            for n in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        means = scorer.collect("epoch 3")
    ears = np.array([astuple(ear) for ears in expected(*range(4)) for ear in ears])
    names = ("score", "nonlinear", "linear", "cep_high", "bm_sync5", "d_loud", "d_norm")
    assert means.pop("n_pairs") == 4
    assert means == pytest.approx(dict(zip(names, ears.mean(axis=0), strict=True)), abs=1e-14)


def test_signals_are_those_of_the_moment_of_submission() -> None:
    processed, reference = map(torch.from_numpy, pair(1))
    with BackgroundScorer() as scorer:
        scorer.submit(processed.requires_grad_(), reference, LISTENER, RATE, name="one")
        processed.detach().zero_()
        reference.zero_()
        results, errors = scorer.collect_results()
    assert (results, errors) == ({"one": expected(1)[0]}, {})


def test_a_group_is_collected_without_the_others_and_once() -> None:
    with BackgroundScorer() as scorer:
        scorer.submit(*pair(1), LISTENER, RATE, group=1)
        scorer.submit(*pair(2), LISTENER, RATE, group=2)
        assert scorer.collect(1)["score"] == np.mean([ear.score for ear in expected(1)[0]])
        assert scorer.collect(2)["n_pairs"] == 1
        with pytest.raises(ValueError, match="no pair of group 1 was submitted"):
            scorer.collect(1)


def test_errors_are_raised_where_scores_are_collected() -> None:
    with BackgroundScorer() as scorer:
        scorer.submit(*pair(1), LISTENER, RATE, name="good")
        scorer.submit(pair(1)[0], np.zeros((12000, 2)), LISTENER, RATE, name="silent")
        with pytest.raises(BackgroundScoringError, match=r"1 of 2 pairs .*\n  silent: .*silent"):
            scorer.collect()
        results, errors = scorer.collect_results()
    assert results == {"good": expected(1)[0]}
    assert list(errors) == ["silent"]


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    def score(ears: object, seed: int) -> list[HaaqiResult]:
        go_on.wait()
        return [HaaqiResult(*[0.5] * 7)]

    monkeypatch.setattr(background, "_score", score)
    with BackgroundScorer(max_pending=2) as scorer:
        assert scorer.submit(*pair(1), LISTENER, RATE)
        assert scorer.submit(*pair(1), LISTENER, RATE)
        assert not scorer.submit(*pair(1), LISTENER, RATE, wait=False)
        assert scorer.n_pending() == 2
        waiting = threading.Thread(target=lambda: scorer.submit(*pair(1), LISTENER, RATE))
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
        go_on.set()
        waiting.join()
        assert scorer.collect()["n_pairs"] == 3


def test_scored_signals_are_dropped() -> None:
    """What is kept for `collect` is the results, not the signals."""
    with BackgroundScorer() as scorer:
        scorer.submit(*pair(1), LISTENER, RATE)
        while scorer.n_pending():
            threading.Event().wait(0.01)
        (future,) = scorer._futures.values()
        assert [type(item) for item in future.result()] == [HaaqiResult, HaaqiResult]


@pytest.mark.parametrize(
    ("processed", "reference", "hearing", "message"),
    [
        ((2, 100), (2, 100), LISTENER, r"shape \(samples,\) or \(samples, 2\)"),
        ((100,), (100, 2), LISTENER, r"shape \(samples,\) or \(samples, 2\)"),
        ((100,), (100,), LISTENER, "one audiogram for a mono signal"),
    ],
)
def test_what_does_not_fit_together_is_refused_at_once(
    processed: tuple, reference: tuple, hearing: Listener, message: str
) -> None:
    with BackgroundScorer() as scorer, pytest.raises(ValueError, match=message):
        scorer.submit(np.ones(processed), np.ones(reference), hearing, RATE)


def test_a_closed_scorer_takes_no_pair() -> None:
    with BackgroundScorer() as scorer:
        pass
    with pytest.raises(RuntimeError, match="the scorer is closed: submit inside"):
        scorer.submit(*pair(1), LISTENER, RATE)


def test_a_name_is_given_once() -> None:
    with BackgroundScorer() as scorer:
        scorer.submit(*pair(1), LISTENER, RATE, name="a")
        with pytest.raises(ValueError, match="'a' of group None is submitted already"):
            scorer.submit(*pair(1), LISTENER, RATE, name="a")
        assert scorer.collect()["n_pairs"] == 1


def test_torchmetrics_twin_is_the_mean_over_pairs() -> None:
    twin = pytest.importorskip("clarity.evaluator.haaqi.torchmetrics_twin")
    metric = twin.BackgroundHaaqi(RATE)
    scores = [np.mean([ear.score for ear in ears]) for ears in expected(1, 2, 3)]
    for seeds in ((1, 2), (3,)):
        pairs = [pair(seed) for seed in seeds]
        processed = torch.stack([torch.from_numpy(one).T for one, _ in pairs])
        reference = torch.stack([torch.from_numpy(other).T for _, other in pairs])
        metric.update(processed, reference, [LISTENER] * len(seeds))
    assert float(metric.compute()) == pytest.approx(np.mean(scores), abs=1e-14)
    metric.reset()
    metric.update(processed, reference, [LISTENER])
    assert float(metric.compute()) == pytest.approx(scores[2], abs=1e-14)
