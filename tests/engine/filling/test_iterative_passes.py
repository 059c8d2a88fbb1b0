"""What is ours around the paper's iterations: passes, guard, means, first looks."""

import dataclasses

import numpy as np
import pytest
import torch

from napari_mpi.engine.filling.adaptation import Adaptation
from napari_mpi.engine.filling.iterative import iterative_filling
from napari_mpi.engine.filling.masks import random_mask
from napari_mpi.engine.filling.state import FillingState
from napari_mpi.engine.networks.filling_network import FillingNetwork
from napari_mpi.engine.networks.weights import random_weights
from napari_mpi.engine.runtime.jobs import run
from napari_mpi.engine.settings.filling import FillingConfig
from napari_mpi.engine.settings.network import NetworkConfig
from napari_mpi.engine.settings.presets import preset

SHAPE = (1, 3, 32, 28)
CONFIG = FillingConfig(iterations=4, mask_ratio=0.3)


@pytest.fixture
def noisy():
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(3))


def fill(noisy, weights, config=CONFIG, **options):
    return run(iterative_filling(noisy, weights.to_network(), config, **options))


def snapshots(noisy, weights, config=CONFIG, **options):
    job = iterative_filling(
        noisy, weights.to_network(), config, snapshot_interval=0, **options
    )
    return list(job)


class Smoothing(FillingNetwork):
    """Predicts the mean of the image, which leaves all of the noise."""

    def forward(self, image, masked):
        kept = image.masked_fill(masked, 0)
        level = kept.sum() / (~masked).sum()
        return level + 0 * self.head.bias.reshape(1, -1, 1, 1) + torch.zeros_like(image)


OURS = NetworkConfig(
    architecture="residual", channels=3, mask_channels=3, width=8, scales=2
)
PASSES = dataclasses.replace(
    preset("blind-full"), iterations=6, crop=16, precision="float32", guard=False
)


@pytest.fixture(scope="module")
def our_weights():
    return random_weights(OURS, seed=0)


def test_without_a_learning_rate_the_network_stays_as_it_is(noisy, small_weights):
    network = small_weights.to_network()
    config = dataclasses.replace(CONFIG, learning_rate=0.0)
    filled = run(iterative_filling(noisy, network, config))
    assert not torch.equal(filled, noisy)
    for name, value in network.named_parameters():
        assert torch.equal(value, small_weights.state[name])
        assert value.grad is None


def test_an_ensemble_of_all_pixels_takes_every_prediction(noisy, small_weights):
    masks = [random_mask(SHAPE, 0.3, rng=torch.Generator().manual_seed(0))]
    config = dataclasses.replace(
        CONFIG,
        iterations=1,
        learning_rate=0.0,
        ensemble_start="unbiased",
        ensemble_of="all",
    )
    network = small_weights.to_network()
    filled = run(iterative_filling(noisy, network, config, masks=masks))
    with torch.no_grad():
        expected = small_weights.to_network().train()(noisy, masks[0])
    torch.testing.assert_close(filled, expected)


@pytest.mark.parametrize(("blur", "adapts"), [(0, True), (1, False)])
def test_the_guard_adapts_to_independent_noise_only(blur, adapts):
    noise = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    if blur:
        noise = torch.nn.functional.avg_pool2d(noise, 3, stride=1, padding=1)
    network = Smoothing(NetworkConfig(width=4, scales=1))
    config = dataclasses.replace(CONFIG, guard=True)
    snapshots = []
    job = iterative_filling(0.5 + 0.1 * noise, network, config)
    run(job, snapshots.append)
    assert snapshots[-1].adapts is adapts
    unguarded = dataclasses.replace(config, guard=False)
    run(iterative_filling(0.5 + 0.1 * noise, network, unguarded), snapshots.append)
    assert snapshots[-1].adapts


def test_kept_means_are_those_of_the_noisy_image(noisy, small_weights):
    config = dataclasses.replace(CONFIG, keep_means=True)
    dark = 0.1 * noisy  # far from the 0.5 that an untrained network predicts
    raw, kept = (fill(dark, small_weights, c) for c in (CONFIG, config))
    off = [abs(float((result - dark).mean())) for result in (raw, kept)]
    assert off[1] < 0.1 * off[0]
    last = snapshots(dark, small_weights, config)[-1]
    assert (last.image == kept.numpy()).all()


@pytest.mark.parametrize("stop", [False, True])
def test_passes_fill_the_whole_image_whatever_the_crops(stop, noisy, our_weights):
    config = dataclasses.replace(PASSES, iterations=1, stop=stop)
    result = fill(noisy, our_weights, config)
    assert result.shape == noisy.shape
    # A single crop of 16 x 16 cannot have reached both corners.
    for corner in (np.s_[..., :4, :4], np.s_[..., -4:, -4:]):
        assert not torch.equal(result[corner], noisy[corner])


def test_a_first_look_is_shown_before_any_iteration(noisy, our_weights):
    first, *_, last = snapshots(noisy, our_weights, PASSES)
    seen = our_weights.to_network()(noisy, torch.zeros(noisy.shape, dtype=torch.bool))
    assert (first.iteration, first.fraction) == (0, 0)
    np.testing.assert_allclose(first.image, seen.detach().numpy(), atol=1e-6)
    assert (last.iteration, last.fraction) == (6, 1)


def test_the_stages_are_told_in_words(noisy, our_weights):
    stages = [s.stage for s in snapshots(noisy, our_weights, PASSES)]
    assert stages[0] == "iteration 0 of 6"
    assert stages[-2:] == ["6 iterations, last passes", "6 iterations"]
    auto = dataclasses.replace(PASSES, stop=True)
    assert snapshots(noisy, our_weights, auto)[1].stage == "iteration 1 of up to 6"


@pytest.mark.parametrize("steps", [1, 3, 7, 9])
@pytest.mark.parametrize("stop", [False, True])
def test_a_closed_job_with_passes_goes_on_exactly_where_it_stood(
    stop, steps, noisy, our_weights
):
    config = dataclasses.replace(PASSES, stop=stop)
    network = our_weights.to_network()
    state = FillingState(noisy, network, config)
    job = iterative_filling(noisy, network, config, state=state, snapshot_interval=0)
    for _ in range(steps):
        next(job)
    job.close()
    state.to("cpu")
    resumed = run(iterative_filling(noisy, network, config, state=state))
    assert torch.equal(resumed, fill(noisy, our_weights, config))


def test_what_is_held_out_is_not_learnt_from(noisy, our_weights, monkeypatch):
    scores = []
    plain = Adaptation.step

    def step(self, part, masked, scored):
        scores.append((masked, scored))
        return plain(self, part, masked, scored)

    monkeypatch.setattr(Adaptation, "step", step)
    config = dataclasses.replace(PASSES, crop=0, stop=True)
    state = FillingState(noisy, our_weights.to_network(), config)
    run(iterative_filling(noisy, state.network, config, state=state))
    held_out = state.stop.held_out
    assert len(scores) == config.iterations
    for masked, scored in scores:
        assert masked[held_out].all()
        assert not scored[held_out].any()
        assert torch.equal(masked & ~held_out, scored)


def test_with_passes_nothing_is_iterated_where_nothing_adapts(noisy, our_weights):
    config = dataclasses.replace(PASSES, learning_rate=0.0)
    state = FillingState(noisy, our_weights.to_network(), config)
    run(iterative_filling(noisy, state.network, config, state=state))
    assert state.iteration == 0


def test_every_iteration_is_a_chance_to_cancel_and_the_last_is_shown(
    noisy, small_weights
):
    job = iterative_filling(
        noisy, small_weights.to_network(), dataclasses.replace(CONFIG, iterations=40),
        snapshot_interval=1e-9,
    )  # fmt: skip
    shown = []
    for snapshot in job:
        shown.append(snapshot.image is not None)
    assert len(shown) >= 40
    assert shown[-1]
