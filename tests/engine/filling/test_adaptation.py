"""Adaptation: steps that lower the loss, weights that are averaged and gone back to."""

import dataclasses

import pytest
import torch

from napari_mpi.engine.filling.adaptation import Adaptation
from napari_mpi.engine.filling.masks import random_mask
from napari_mpi.engine.networks.weights import random_weights
from napari_mpi.engine.settings.filling import FillingConfig
from napari_mpi.engine.settings.network import NetworkConfig

CPU = torch.device("cpu")
CONFIG = FillingConfig(learning_rate=1e-3)
SMALL = NetworkConfig(
    architecture="residual", channels=1, mask_channels=1, width=8, scales=2
)
SHAPE = (1, 1, 32, 28)


@pytest.fixture
def noisy():
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(3))


def adaptation_of(config=CONFIG, device=CPU, **options):
    network = random_weights(SMALL, seed=0).to_network(device).train()
    return Adaptation(network, config, torch.device(device), **options)


def take(adaptation, noisy, steps):
    rng = torch.Generator(noisy.device).manual_seed(1)
    masks = [random_mask(SHAPE, 0.3, rng=rng) for _ in range(steps)]
    return [float(adaptation.step(noisy, mask, mask)[1]) for mask in masks]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_steps_lower_the_masked_loss(precision, noisy):
    config = dataclasses.replace(CONFIG, precision=precision)
    losses = take(adaptation_of(config), noisy, 60)
    assert sum(losses[-10:]) < 0.7 * sum(losses[:10])


def test_only_scored_pixels_are_learnt_from(noisy):
    masked = torch.ones(SHAPE, dtype=torch.bool)
    nothing = torch.zeros_like(masked)
    adaptation = adaptation_of()
    before = adaptation.weights()
    assert float(adaptation.step(noisy, masked, nothing)[1]) == 0
    after = adaptation.weights()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_score_takes_no_step(noisy):
    adaptation, masked = adaptation_of(), torch.ones(SHAPE, dtype=torch.bool)
    before = adaptation.weights()
    scored, stepped = (
        advance(noisy, masked, masked)
        for advance in (adaptation.score, adaptation.step)
    )
    torch.testing.assert_close(scored, stepped)
    after = adaptation.weights()
    assert any(not torch.equal(before[name], after[name]) for name in before)


def test_predictions_are_in_float32_whatever_the_precision(noisy):
    config = dataclasses.replace(CONFIG, precision="bfloat16")
    predictions = [adaptation_of(c).predict(noisy) for c in (CONFIG, config)]
    torch.testing.assert_close(*predictions, rtol=0, atol=1e-6)


def test_averaged_weights_lie_between_the_first_and_the_last(noisy):
    config = dataclasses.replace(CONFIG, weights_ema_decay=0.9)
    averaged, plain = adaptation_of(config), adaptation_of()
    start = plain.weights()
    for adaptation in (averaged, plain):
        take(adaptation, noisy, 20)

    def distance(one, other):
        return sum(float((one[name] - other[name]).square().sum()) for name in one)

    mean, last = averaged.weights(), plain.weights()
    assert 0 < distance(mean, last) < distance(start, last)
    assert 0 < distance(mean, start) < distance(start, last)


def test_restored_weights_are_what_it_predicts_with(noisy):
    adaptation = adaptation_of(dataclasses.replace(CONFIG, weights_ema_decay=0.9))
    take(adaptation, noisy, 5)
    weights, before = adaptation.weights(), adaptation.predict(noisy)
    take(adaptation, noisy, 5)
    assert not torch.equal(adaptation.predict(noisy), before)
    adaptation.restore(weights)
    torch.testing.assert_close(adaptation.predict(noisy), before, rtol=0, atol=0)


@pytest.mark.gpu
def test_a_recorded_step_takes_the_steps_that_an_eager_one_takes(noisy):
    eager, recorded = (adaptation_of(device="cuda", captures=c) for c in (False, True))
    losses = [take(adaptation, noisy.cuda(), 20) for adaptation in (eager, recorded)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
    torch.testing.assert_close(
        recorded.predict(noisy.cuda()), eager.predict(noisy.cuda()), rtol=0, atol=1e-3
    )


@pytest.mark.gpu
def test_steps_go_on_after_a_stay_on_the_cpu(noisy):
    stayed, moved = (adaptation_of(device="cuda") for _ in range(2))
    for adaptation in (stayed, moved):
        take(adaptation, noisy.cuda(), 6)
    moved.to("cpu")
    moved.to("cuda")
    losses = [take(adaptation, noisy.cuda(), 6) for adaptation in (stayed, moved)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
