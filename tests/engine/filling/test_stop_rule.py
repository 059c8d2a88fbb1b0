"""The stop rule: it goes on while the error falls, and goes back where it rises."""

import pytest
import torch

from napari_mpi.engine.filling.stop_rule import (
    FIRST_CHECK,
    FIRST_STOP,
    HELD_OUT,
    StopRule,
)

SHAPE = (1, 3, 128, 128)
VARIANCE = 0.01


class Learner:
    """Stands in for an adaptation whose error is as told, check by check."""

    def __init__(self, noisy, clean, errors):
        self.noisy, self.clean = noisy, clean
        self.errors = iter(errors)
        self.checks, self.restored = 0, None

    def predict(self, part, masked):
        self.checks += 1
        sign = torch.randn(part.shape, generator=torch.Generator().manual_seed(1))
        return self.clean.expand_as(part) + next(self.errors) ** 0.5 * sign

    def weights(self):
        return {"check": torch.tensor(self.checks)}

    def restore(self, weights):
        self.restored = int(weights["check"])


def followed(errors, limit=1000):
    """Return at which iteration it stopped, and the check whose weights it kept."""
    rng = torch.Generator().manual_seed(0)
    clean = torch.full((1, 1, 1, 1), 0.5)
    noisy = clean + VARIANCE**0.5 * torch.randn(SHAPE, generator=rng)
    rule = StopRule(noisy, 0.2, False, rng=rng)
    rule.allow(limit)
    learner = Learner(noisy, clean, errors)
    for iteration in range(limit + 1):
        if rule.is_due(iteration):
            rule.check(iteration, learner, noisy, VARIANCE)
        if rule.has_stopped:
            return iteration, learner.restored
    raise AssertionError("it went past the limit")


def test_it_goes_on_while_it_pays_and_stops_when_it_no_longer_does():
    falling = [0.02, 0.01, 0.005, 0.004, 0.004, 0.003]
    assert followed(falling) == (8 * FIRST_CHECK, 4)
    assert followed([0.02, 0.01, 0.005, 0.002, 0.001, 0.001]) == (16 * FIRST_CHECK, 5)


def test_it_goes_back_to_the_least_error():
    assert followed([0.010, 0.005, 0.009, 0.02, 0.03]) == (FIRST_STOP, 2)


def test_it_goes_back_to_the_start_where_adapting_only_harms():
    assert followed([0.005, 0.006, 0.008, 0.009]) == (FIRST_STOP, 1)


def test_the_limit_ends_it_however_much_it_pays():
    assert followed([0.02, 0.01, 0.005], limit=20) == (20, 3)


def test_more_iterations_make_it_go_on():
    rng = torch.Generator().manual_seed(0)
    noisy = torch.rand(SHAPE, generator=rng)
    rule = StopRule(noisy, 0.2, False, rng=rng)
    rule.has_stopped = True
    rule.allow(30)
    assert not rule.has_stopped
    rule.has_stopped = True
    rule.allow(30)
    assert rule.has_stopped


@pytest.mark.parametrize("shape", [SHAPE, (1, 1, 4, 3), (3, 1, 700, 40)])
def test_some_pixels_are_held_out_whatever_the_size(shape):
    rng = torch.Generator().manual_seed(0)
    held_out = StopRule(torch.zeros(shape), 0.2, True, rng=rng).held_out
    assert held_out.shape == (shape[0], 1, *shape[2:])
    assert held_out.any()
    if held_out.numel() > 1000:
        assert held_out.float().mean() == pytest.approx(HELD_OUT, abs=0.01)
