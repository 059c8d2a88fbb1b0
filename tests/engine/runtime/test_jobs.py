"""Jobs: driven to the end, closed whatever happens."""

import threading

import pytest

from napari_mpi.engine.runtime import jobs
from napari_mpi.engine.runtime.jobs import run


def counting(closed):
    try:
        yield 1
        yield 2
        return "done"
    finally:
        closed.append(True)


def test_run_returns_the_result_and_hands_on_every_snapshot():
    closed, seen = [], []
    assert run(counting(closed), seen.append) == "done"
    assert seen == [1, 2]


def test_run_closes_the_job_when_the_listener_fails():
    closed = []

    def fail(snapshot):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(counting(closed), fail)
    assert closed == [True]


def test_a_watch_stands_still_while_others_have_their_turn(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(jobs.time, "monotonic", lambda: clock[0])

    def job():
        clock[0] += 1
        yield
        clock[0] += 2
        return "result"

    def pause(_):
        clock[0] += 100

    watch = jobs.Stopwatch()
    assert jobs.run(jobs.timed(job(), watch), pause) == "result"
    assert watch.seconds == 3


def test_closing_a_timed_job_closes_the_job():
    closed = []

    def job():
        try:
            yield
        finally:
            closed.append(True)

    timed = jobs.timed(job(), jobs.Stopwatch())
    next(timed)
    timed.close()
    assert closed


def test_what_is_done_aside_lets_others_have_their_turn_and_gives_its_result():
    started, go = threading.Event(), threading.Event()

    def work():
        started.set()
        assert go.wait(600)
        return 7

    job = jobs.aside(work)
    assert next(job) is None
    assert started.wait(600)
    assert next(job) is None
    go.set()
    with pytest.raises(StopIteration) as ended:
        while True:
            next(job)
    assert ended.value.value == 7


def test_a_job_aside_can_be_closed_while_it_works():
    go, done = threading.Event(), threading.Event()

    def work():
        assert go.wait(600)
        done.set()

    job = jobs.aside(work)
    next(job)
    job.close()  # returns at once, though the work has not ended
    assert not done.is_set()
    go.set()
    assert done.wait(600)


def test_what_goes_wrong_aside_is_raised():
    def work():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        jobs.run(jobs.aside(work))
