"""The time that is left: known early, and not thrown off by what ends early."""

import numpy as np
import pytest

from napari_mpi.widgets.runs.time_left import TimeLeft, in_minutes, in_words


def worst(progress, seconds, *, after=0.1, step=0.2):
    """Return by which factor the estimate is off at the most, past a share of it."""
    time_left, factors = TimeLeft(), []
    for now in np.arange(step, seconds, step):
        time_left.note(now, progress(now / seconds))
        left = time_left.seconds_left(now)
        if now / seconds > after and seconds - now > 5:
            assert left is not None
            factors.append(max(left / (seconds - now), (seconds - now) / left))
    return max(factors)


def test_even_work_is_known_well():
    assert worst(lambda share: share, 100) < 1.05


def test_noise_in_the_pace_does_not_matter():
    rng = np.random.default_rng(0)
    wobble = np.cumsum(rng.exponential(1, 2000))
    wobble /= wobble[-1]
    grid = np.linspace(0, 1, 2000)
    assert worst(lambda share: np.interp(share, grid, wobble), 100) < 1.3


def test_work_that_falls_away_does_not_mislead():
    """An adaptation that stops early leaps ahead; the pace is as before."""

    def progress(share):
        return 0.5 * share if share < 0.3 else 0.15 + 0.5 + 0.5 * (share - 0.3)

    assert worst(progress, 100, after=0.35) < 1.5


def test_planes_that_are_told_one_by_one():
    assert worst(lambda share: np.floor(share * 90) / 90, 300) < 1.3


def test_nothing_is_told_before_anything_is_known():
    time_left = TimeLeft()
    assert time_left.seconds_left(1.0) is None
    time_left.note(0.5, 0.0)
    assert time_left.seconds_left(1.0) is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "time left not known yet"),
        (3, "a few seconds left"),
        (42, "about 40 s left"),
        (130, "about 2 min left"),
        (9000, "about 2.5 h left"),
    ],
)
def test_it_is_told_as_exactly_as_it_is_known(seconds, words):
    assert in_words(seconds) == words


def test_a_time_that_has_passed():
    assert in_minutes(4.21) == "4.2 s"
    assert in_minutes(130) == "2:10"
