"""Reading, working and finishing at once."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from recipes.cad_icassp_2024.runs.parallel import (
    CancelToken,
    Interrupted,
    SharedCache,
    ordered_parallel_map,
    overlap_stages,
)


def chain_of(load, work, finish):
    """A chain of three functions, each given the item and what the one before returned."""

    def chain(item):
        loaded = load(item)
        yield
        worked = work(item, loaded)
        del loaded
        yield
        finish(item, worked)

    return chain


def run(n_items, **steps):
    events = []
    lock = threading.Lock()

    def note(name):
        def step(item, *values):
            with lock:
                events.append((name, item))
            return steps[name](item) if name in steps else (item, *values)

        return step

    overlap_stages(
        range(n_items), chain_of(note("load"), note("work"), note("finish")), CancelToken()
    )
    return events


@pytest.mark.parametrize("n_items", [0, 1, 2, 7])
def test_every_step_sees_all_items_in_order(n_items):
    events = run(n_items)
    for name in ("load", "work", "finish"):
        assert [item for step, item in events if step == name] == list(range(n_items))


def test_results_are_handed_on_and_a_chain_may_end_early():
    out = []

    def chain(item):
        loaded = item * 10
        yield
        if item == 1:
            return
        worked = loaded + item
        yield
        out.append((item, worked))

    overlap_stages([3, 1, 2], chain, CancelToken())
    assert out == [(3, 33), (2, 22)]


def test_no_more_than_the_next_item_is_loaded_ahead():
    loaded, worked, ahead = [], [], []

    def work(item, _):
        worked.append(item)
        ahead.append(len(loaded) - len(worked))

    overlap_stages(range(20), chain_of(loaded.append, work, lambda *_: None), CancelToken())
    assert max(ahead) <= 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="threads have no priority there")
def test_loading_and_finishing_stand_back_behind_the_work():
    def priority():
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before = priority()
    seen = {}

    def note(name):
        return lambda *_: seen.setdefault(name, priority())

    overlap_stages([1, 2], chain_of(note("load"), note("work"), note("finish")), CancelToken())
    assert seen == {"load": 19, "work": before, "finish": 19}
    assert priority() == before


def test_an_item_is_finished_before_the_next_but_one_is_worked_on_to_its_end():
    finished = []

    def finish(item, _):
        assert all(other in finished for other in range(item))
        finished.append(item)

    chain = chain_of(lambda item: item, lambda item, _: item, finish)
    overlap_stages(range(9), chain, CancelToken())
    assert finished == list(range(9))


@pytest.mark.parametrize("step", ["load", "work", "finish"])
def test_an_exception_in_any_step_comes_through_and_ends_the_run(step):
    def fail(item):
        if item == 2:
            raise ValueError("two")

    with pytest.raises(ValueError, match="two"):
        run(6, **{step: fail})


def test_ctrl_c_reaches_the_threads():
    cancel = CancelToken()

    def work(item, _):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        overlap_stages([1, 2], chain_of(lambda item: item, work, lambda *_: None), cancel)
    with pytest.raises(Interrupted):
        cancel.check()


@pytest.mark.parametrize("n_workers", [1, 2, 5])
def test_side_by_side_finishes_in_order_whoever_is_first(n_workers):
    finished = []
    later = [threading.Event() for _ in range(6)]

    def work(item):
        # The second of two neighbours is always done first, where two are worked on at a time.
        if n_workers > 1 and item % 2 == 0:
            later[item + 1].wait(10)
        later[item].set()
        return 10 * item

    ordered_parallel_map(
        range(6), work, lambda *both: finished.append(both), n_workers, CancelToken()
    )
    assert finished == [(item, 10 * item) for item in range(6)]


def test_side_by_side_no_more_are_worked_on_than_there_are_workers():
    lock, now, most = threading.Lock(), [0], [0]
    together = threading.Barrier(3, timeout=10)

    def work(item):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        together.wait()
        with lock:
            now[0] -= 1

    ordered_parallel_map(range(12), work, lambda *_: None, 3, CancelToken())
    assert most[0] == 3


def test_side_by_side_an_exception_ends_the_run_after_what_came_before_it():
    finished = []
    cancel = CancelToken()

    def work(item):
        cancel.check()
        if item == 3:
            raise ValueError("three")
        return item

    with pytest.raises(ValueError, match="three"):
        ordered_parallel_map(range(50), work, lambda item, _: finished.append(item), 2, cancel)
    assert finished == [0, 1, 2]


def test_what_is_kept_is_made_once_for_all_threads():
    made = []
    kept = SharedCache(2)
    waiting = threading.Barrier(4, timeout=10)

    def ask(_):
        waiting.wait()
        return kept.get("a", lambda: made.append("a") or len(made))

    answers = []
    ordered_parallel_map(range(4), ask, lambda _, answer: answers.append(answer), 4, CancelToken())
    assert (made, answers) == (["a"], [1, 1, 1, 1])
    for key in "bca":
        kept.get(key, lambda key=key: made.append(key))
    assert made == ["a", "b", "c", "a"]  # only two are kept


def test_what_could_not_be_made_is_tried_again():
    kept = SharedCache(2)

    def fail():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        kept.get("a", fail)
    assert kept.get("a", lambda: 7) == 7
