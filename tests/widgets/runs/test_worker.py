"""Every end of a job reaches the person who waits for it."""

import gc
import weakref

import pytest
import torch

from napari_mpi.engine.runtime.errors import OutOfMemory
from napari_mpi.widgets.runs.worker import JobFailed, start_job


class Listener:
    """Keeps what a worker told."""

    def __init__(self):
        self.yielded, self.warned, self.ended = [], [], []

    def start(self, job, *arguments):
        return start_job(
            job,
            *arguments,
            yielded=lambda value: self.yielded.append(value),
            warned=lambda text: self.warned.append(text),
            ended=lambda error: self.ended.append(error),
        )


@pytest.fixture
def listener(qapp):
    return Listener()


def wait_for_end(qtbot, listener):
    qtbot.waitUntil(lambda: len(listener.ended) == 1, timeout=600_000)


def test_a_job_runs_to_its_end(qtbot, listener):
    def job(count):
        yield from range(count)

    listener.start(job, 3)
    wait_for_end(qtbot, listener)
    assert listener.yielded == [0, 1, 2]
    assert listener.ended == [None]


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("shapes differ")],
)
def test_a_runtime_error_is_told_and_not_swallowed(error, qtbot, listener):
    def job():
        yield 1
        raise error

    worker = listener.start(job)
    wait_for_end(qtbot, listener)
    assert isinstance(listener.ended[0], JobFailed)
    assert str(error) in str(listener.ended[0])
    assert not worker.is_running


def test_an_error_of_the_engine_arrives_as_it_is(qtbot, listener):
    error = OutOfMemory("the memory is full")

    def job():
        yield 1
        raise error

    listener.start(job)
    wait_for_end(qtbot, listener)
    assert listener.ended == [error]


def test_what_nobody_foresaw_is_told_in_a_sentence_and_logged(qtbot, listener, caplog):
    def job():
        yield 1
        raise KeyError("missing")

    listener.start(job)
    wait_for_end(qtbot, listener)
    assert "KeyError: 'missing'" in str(listener.ended[0])
    assert "\n" not in str(listener.ended[0])
    assert caplog.records[0].exc_info is not None


def test_quitting_closes_the_job_before_the_end_is_told(qtbot, listener):
    events = []

    def job():
        try:
            while True:
                yield 1
        finally:
            events.append("closed")

    worker = listener.start(job)
    qtbot.waitUntil(lambda: len(listener.yielded) > 2, timeout=600_000)
    worker.quit()
    qtbot.waitUntil(lambda: bool(listener.ended), timeout=600_000)
    events.append("ended")
    assert events == ["closed", "ended"]


def test_nothing_of_an_ended_job_stays_in_memory(qtbot, listener):
    class Thing:
        pass

    things = []

    def job():
        thing = Thing()
        things.append(weakref.ref(thing))
        while True:
            yield 1

    worker = listener.start(job)
    qtbot.waitUntil(lambda: bool(listener.yielded), timeout=600_000)
    worker.quit()
    wait_for_end(qtbot, listener)
    del worker
    gc.collect()
    assert things[0]() is None


def test_a_pause_that_is_taken_back_at_once_does_not_pause(qtbot, listener):
    def job():
        yield from range(50)

    worker = listener.start(job)
    worker.hold(True)
    worker.hold(False)
    wait_for_end(qtbot, listener)
    assert len(listener.yielded) == 50


def test_a_paused_job_waits_and_goes_on(qtbot, listener):
    def job():
        while True:
            yield 1

    worker = listener.start(job)
    qtbot.waitUntil(lambda: bool(listener.yielded), timeout=600_000)
    worker.hold(True)
    qtbot.waitUntil(lambda: worker.is_paused, timeout=600_000)
    qtbot.wait(50)  # what was yielded before the pause arrives
    reached = len(listener.yielded)
    qtbot.wait(100)
    assert len(listener.yielded) == reached
    worker.hold(False)
    qtbot.waitUntil(lambda: len(listener.yielded) > reached, timeout=600_000)
    worker.quit()
    wait_for_end(qtbot, listener)


def test_equal_warnings_are_told_once(qtbot, listener):
    import warnings

    def job():
        for _ in range(5):
            warnings.warn("look out", UserWarning, stacklevel=1)
            yield 1

    listener.start(job)
    wait_for_end(qtbot, listener)
    assert listener.warned == ["look out"]


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
@pytest.mark.parametrize("at_close", [False, True])
def test_what_would_end_the_program_is_told(error, at_close, qtbot, listener):
    def job():
        try:
            yield 1
            if not at_close:
                raise error
            yield 2
        finally:
            if at_close:
                raise error

    worker = listener.start(job)
    if at_close:
        qtbot.waitUntil(lambda: bool(listener.yielded), timeout=600_000)
        worker.quit()
    wait_for_end(qtbot, listener)
    if not isinstance(error, GeneratorExit):  # by which a generator may end
        assert isinstance(listener.ended[0], JobFailed)
        assert type(error).__name__ in str(listener.ended[0])
    assert not worker.is_running


@pytest.mark.parametrize("fails", [False, True])
def test_a_worker_that_is_kept_keeps_nobody_who_heard_of_it(fails, qtbot, qapp):
    """As napari keeps every worker until its window closes."""

    class Network:
        pass

    def job(network):
        yield network
        if fails:
            raise OutOfMemory("the memory is full")

    listener, network = Listener(), Network()
    ended = listener.ended  # which nobody else keeps
    worker = listener.start(job, network)
    qtbot.waitUntil(lambda: len(ended) == 1, timeout=600_000)
    qtbot.waitUntil(lambda: not worker.is_running, timeout=600_000)
    watched = [weakref.ref(network)]
    ended.clear()
    listener.yielded.clear()
    heard = weakref.ref(listener)
    del listener, network
    gc.collect()
    assert [ref() for ref in (*watched, heard)] == [None, None]
    assert worker.quit is not None
