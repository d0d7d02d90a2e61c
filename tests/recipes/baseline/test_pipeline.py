"""Reading, working and finishing at once."""

from __future__ import annotations

import threading

import pytest

from recipes.cad_icassp_2024.baseline.pipeline import (
    Interrupted,
    Stop,
    run_in_order,
    run_overlapped,
)


def run(n_items, **steps):
    events = []
    lock = threading.Lock()

    def note(name):
        def step(item, *values):
            with lock:
                events.append((name, item))
            return steps[name](item) if name in steps else (item, *values)

        return step

    run_overlapped(range(n_items), note("load"), note("work"), note("finish"), Stop())
    return events


@pytest.mark.parametrize("n_items", [0, 1, 2, 7])
def test_every_step_sees_all_items_in_order(n_items):
    events = run(n_items)
    for name in ("load", "work", "finish"):
        assert [item for step, item in events if step == name] == list(range(n_items))


def test_results_are_handed_on_as_in_the_plain_loop():
    def collect(runner, *extra):
        out = []
        runner(
            [3, 1, 2],
            lambda item: item * 10,
            lambda item, loaded: loaded + item,
            lambda item, worked: out.append((item, worked)),
            *extra,
        )
        return out

    assert collect(run_overlapped, Stop()) == collect(run_in_order) == [(3, 33), (1, 11), (2, 22)]


def test_no_more_than_the_next_item_is_loaded_ahead():
    loaded, worked, ahead = [], [], []

    def work(item, _):
        worked.append(item)
        ahead.append(len(loaded) - len(worked))

    run_overlapped(range(20), loaded.append, work, lambda item, _: None, Stop())
    assert max(ahead) <= 1


def test_an_item_is_finished_before_the_next_but_one_is_worked_on_to_its_end():
    finished = []

    def work(item, _):
        return item

    def finish(item, _):
        assert all(other in finished for other in range(item))
        finished.append(item)

    run_overlapped(range(9), lambda item: item, work, finish, Stop())
    assert finished == list(range(9))


@pytest.mark.parametrize("step", ["load", "work", "finish"])
def test_an_exception_in_any_step_comes_through_and_ends_the_run(step):
    def fail(item):
        if item == 2:
            raise ValueError("two")

    with pytest.raises(ValueError, match="two"):
        run(6, **{step: fail})


def test_ctrl_c_reaches_the_threads():
    stop = Stop()

    def work(item, _):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_overlapped([1, 2], lambda item: item, work, lambda item, _: None, stop)
    with pytest.raises(Interrupted):
        stop.check()
