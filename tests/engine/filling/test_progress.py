"""Snapshots: due by the clock, rarer where they take long, whole at the end."""

import dataclasses

import pytest
import torch

from napari_mpi.engine.filling import progress
from napari_mpi.engine.filling.progress import Progress, Reporter
from napari_mpi.engine.runtime.errors import DivergenceError

PROGRESS = Progress(
    iteration=3, iterations=10, stage="iteration 3 of 10", adapts=True, fraction=0.3
)


@pytest.fixture
def clock(monkeypatch):
    """Return a clock that stands still until it is told to go on."""

    class Clock:
        now = 100.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def polled(reporter, **options):
    return list(reporter.poll(PROGRESS, lambda: torch.ones(1, 1, 2, 2), **options))


def test_nothing_is_told_before_it_is_time(clock):
    reporter = Reporter(0.1, 1e-3)
    clock.now += 0.05
    assert polled(reporter) == []
    clock.now += 0.06
    (snapshot,) = polled(reporter)
    assert snapshot.image.tolist() == [[[[1, 1], [1, 1]]]]
    assert (snapshot.iteration, snapshot.fraction) == (3, 0.3)
    assert polled(reporter) == []


def test_what_takes_long_to_show_is_shown_rarely_but_told_as_often(clock):
    reporter = Reporter(0.1, 1e-3)
    for snapshot in reporter.poll(PROGRESS, lambda: torch.ones(1, 1, 2, 2), now=True):
        assert snapshot.image is not None
        clock.now += 0.01  # a fiftieth of half a second
    shown = []
    for _ in range(10):
        clock.now += 0.11
        (snapshot,) = polled(reporter)
        shown.append(snapshot.image is not None)
    assert shown == [False] * 4 + [True] * 6  # showing these took no time


def test_losses_wait_for_the_next_image_and_are_told_once(clock):
    reporter = Reporter(0.1, 1e-3)
    for value in (0.5, 0.25):
        reporter.note(torch.tensor(value))
    (snapshot,) = polled(reporter, now=True)
    assert snapshot.losses == (0.5, 0.25)
    assert polled(reporter, now=True)[0].losses == ()


def test_a_loss_that_is_no_number_is_told_with_the_way_out(clock):
    reporter = Reporter(0.1, 1e-3)
    reporter.note(torch.tensor(float("inf")))
    with pytest.raises(DivergenceError, match=r"iteration 3: lower .* 0\.001"):
        polled(reporter, now=True)


@pytest.mark.gpu
def test_a_preview_beside_the_work_shows_what_was_there_when_it_was_asked_for():
    reporter = Reporter(1e-9, 1e-3)
    work = torch.zeros(1, 1, 512, 512, device="cuda")
    shown = []
    for step in range(200):
        work += 1
        standing = dataclasses.replace(PROGRESS, iteration=step)
        for snapshot in reporter.poll(standing, work.clone):
            if snapshot.image is not None:
                shown.append((snapshot.iteration + 1, snapshot.image))
    assert shown
    for value, ensemble in shown:
        assert (ensemble == value).all()
