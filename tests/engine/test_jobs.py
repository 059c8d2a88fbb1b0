"""Jobs: driven to the end, closed whatever happens."""

import pytest

from napari_mpi.engine.jobs import run


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
