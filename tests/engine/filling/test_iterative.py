"""Iterative filling: what enters the ensemble, what is repeatable, how it ends."""

import dataclasses
import gc
import weakref

import numpy as np
import pytest
import torch

from napari_mpi.engine.filling.adaptation import Adaptation
from napari_mpi.engine.filling.iterative import iterative_filling
from napari_mpi.engine.filling.masks import random_mask
from napari_mpi.engine.filling.state import FillingState
from napari_mpi.engine.networks.filling_network import FillingNetwork
from napari_mpi.engine.networks.weights import random_weights
from napari_mpi.engine.runtime.errors import ConfigError, DivergenceError
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


def test_only_hidden_pixels_enter_the_ensemble(noisy, small_weights):
    masked = torch.zeros(1, 3, 32, 28, dtype=torch.bool)
    masked[..., 5:9, 7:11] = True
    config = dataclasses.replace(CONFIG, iterations=1, ema_decay=0.0)
    ensemble = fill(noisy, small_weights, config, masks=[masked])
    network = small_weights.to_network().train()
    torch.testing.assert_close(ensemble[~masked], noisy[~masked], rtol=0, atol=0)
    torch.testing.assert_close(ensemble[masked], network(noisy, masked)[masked])


def test_the_ensemble_moves_by_the_paper_s_rule(noisy, small_weights):
    masked = torch.ones(1, 1, 32, 28, dtype=torch.bool)
    config = dataclasses.replace(CONFIG, iterations=1, ema_decay=0.9)
    ensemble = fill(noisy, small_weights, config, masks=[masked])
    filled = small_weights.to_network().train()(noisy, masked)
    torch.testing.assert_close(ensemble, 0.9 * noisy + 0.1 * filled)


def test_the_loss_is_the_mean_over_all_entries_of_hidden_errors(noisy, small_weights):
    masked = random_mask((1, 3, 32, 28), 0.3, rng=torch.Generator().manual_seed(1))
    config = dataclasses.replace(CONFIG, iterations=1)
    (snapshot,) = snapshots(noisy, small_weights, config, masks=[masked])
    filled = small_weights.to_network().train()(noisy, masked)
    expected = ((filled - noisy)[masked] ** 2).sum() / noisy.numel()
    assert snapshot.losses == pytest.approx((expected.item(),))


@pytest.mark.parametrize("start", ["first-fill", "unbiased"])
def test_other_ensemble_starts_keep_no_noise(start, noisy, small_weights):
    masked = torch.ones(1, 1, 32, 28, dtype=torch.bool)
    config = dataclasses.replace(CONFIG, ensemble_start=start, iterations=2)
    losses_config = dataclasses.replace(config, learning_rate=1e-9)
    ensemble = fill(noisy, small_weights, losses_config, masks=[masked, masked])
    # With everything hidden and no learning, both fills are the same prediction.
    filled = small_weights.to_network().train()(noisy, masked)
    torch.testing.assert_close(ensemble, filled, rtol=0, atol=1e-5)


def test_the_unbiased_ensemble_is_the_weighted_mean_of_the_fills(noisy, small_weights):
    masks = [torch.ones(1, 1, 32, 28, dtype=torch.bool)] * 3
    first = dataclasses.replace(CONFIG, ensemble_start="unbiased", iterations=3)
    plain = dataclasses.replace(first, ema_decay=0.0)
    fills = [s.image for s in snapshots(noisy, small_weights, plain, masks=masks)]
    ensemble = fill(noisy, small_weights, first, masks=masks)
    weights = np.array([0.9**2, 0.9, 1.0])
    expected = np.average(fills, axis=0, weights=weights)
    np.testing.assert_allclose(ensemble.numpy(), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("decay", [0, 1 - 1e-8])
def test_extreme_decays_give_numbers(decay, noisy, small_weights):
    config = dataclasses.replace(CONFIG, ema_decay=decay, ensemble_start="unbiased")
    assert torch.isfinite(fill(noisy, small_weights, config)).all()


def test_the_same_seed_gives_the_same_image_bit_for_bit(noisy, small_weights):
    first, second = (fill(noisy, small_weights) for _ in range(2))
    other = fill(noisy, small_weights, dataclasses.replace(CONFIG, seed=1))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_torch_s_own_generator_is_not_touched(noisy, small_weights):
    before = torch.get_rng_state()
    fill(noisy, small_weights)
    assert torch.equal(before, torch.get_rng_state())


def test_going_on_from_a_state_equals_one_undisturbed_run(noisy, small_weights):
    network = small_weights.to_network()
    state = FillingState(noisy, network, CONFIG)
    job = iterative_filling(noisy, network, CONFIG, state=state, snapshot_interval=0)
    next(job)
    job.close()
    longer = dataclasses.replace(CONFIG, iterations=6)
    resumed = run(iterative_filling(noisy, network, longer, state=state))
    assert torch.equal(resumed, fill(noisy, small_weights, longer))


@pytest.mark.parametrize("shape", [(1, 3, 32, 28), (1, 3, 31, 27)])
def test_pixel_unshuffle_fills_the_sub_images_as_one_batch(shape, small_weights):
    noisy = torch.rand(shape, generator=torch.Generator().manual_seed(3))
    masked = random_mask(shape, 0.3, rng=torch.Generator().manual_seed(1))
    config = dataclasses.replace(CONFIG, iterations=1, pixel_unshuffle=2, ema_decay=0.0)
    ensemble = fill(noisy, small_weights, config, masks=[masked])
    # By hand: the even sub-image of the padded image is the batch's first.
    padded = torch.nn.functional.pad(
        noisy, (0, shape[3] % 2, 0, shape[2] % 2), mode="replicate"
    )
    hidden = (
        torch.nn.functional.pad(
            masked.float(), (0, shape[3] % 2, 0, shape[2] % 2), mode="replicate"
        )
        > 0
    )
    corners = [(0, 0), (0, 1), (1, 0), (1, 1)]
    batch = torch.cat([padded[..., y::2, x::2] for y, x in corners])
    masks = torch.cat([hidden[..., y::2, x::2] for y, x in corners])
    parts = small_weights.to_network().train()(batch, masks)
    expected = padded.clone()
    for part, (y, x) in zip(parts, corners, strict=True):
        expected[0, :, y::2, x::2] = part
    expected = torch.where(masked, expected[..., : shape[2], : shape[3]], noisy)
    torch.testing.assert_close(ensemble, expected)


def test_every_snapshot_is_a_read_only_copy(noisy, small_weights):
    found = snapshots(noisy, small_weights)
    assert [snapshot.iteration for snapshot in found] == [1, 2, 3, 4]
    assert all(len(snapshot.losses) == 1 for snapshot in found)
    with pytest.raises(ValueError, match="read-only"):
        found[0].image[:] = 0
    # A view of the running ensemble would have moved on with it.
    assert not np.array_equal(found[0].image, found[1].image)


def test_losses_are_all_told_however_rare_the_snapshots(noisy, small_weights):
    job = iterative_filling(
        noisy, small_weights.to_network(), CONFIG, snapshot_interval=1e9
    )
    (only,) = list(job)
    expected = [s.losses[0] for s in snapshots(noisy, small_weights)]
    assert list(only.losses) == pytest.approx(expected)


def test_the_result_is_the_last_snapshot(noisy, small_weights):
    found = snapshots(noisy, small_weights)
    result = fill(noisy, small_weights)
    np.testing.assert_array_equal(found[-1].image, result.numpy())


def test_a_loss_that_is_no_number_stops_with_the_way_out(noisy, small_weights):
    config = dataclasses.replace(CONFIG, learning_rate=9.9, iterations=50)
    noisy[0, 0, 0, 0] = float("nan")
    with pytest.raises(DivergenceError, match="lower the learning rate"):
        fill(noisy, small_weights, config)


def test_too_few_masks_and_unfit_masks_are_refused(noisy, small_weights):
    fit = torch.ones(1, 1, 32, 28, dtype=torch.bool)
    with pytest.raises(ConfigError, match="ran out after 1 iterations"):
        fill(noisy, small_weights, masks=[fit])
    with pytest.raises(ConfigError, match="does not fit"):
        fill(noisy, small_weights, masks=[fit[..., :20]] * 4)
    with pytest.raises(ConfigError, match="does not fit"):
        fill(noisy, small_weights, masks=[fit.float()] * 4)


def test_a_closed_job_holds_no_network(noisy, small_weights):
    network = small_weights.to_network()
    job = iterative_filling(noisy, network, CONFIG, snapshot_interval=0)
    next(job)
    alive = weakref.ref(network)
    job.close()
    del network, job
    gc.collect()
    assert alive() is None


@pytest.mark.gpu
def test_filling_on_cuda_comes_close_to_the_cpu(noisy, small_weights):
    masks = [
        random_mask(SHAPE, 0.3, rng=torch.Generator().manual_seed(seed))
        for seed in range(CONFIG.iterations)
    ]
    on_cpu = fill(noisy, small_weights, masks=masks)
    network = small_weights.to_network("cuda")
    on_cuda = run(iterative_filling(noisy.cuda(), network, CONFIG, masks=masks))
    torch.testing.assert_close(on_cuda.cpu(), on_cpu, rtol=0, atol=1e-2)


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


class Smoothing(FillingNetwork):
    """Predicts the mean of the image, which leaves all of the noise."""

    def forward(self, image, masked):
        kept = image.masked_fill(masked, 0)
        level = kept.sum() / (~masked).sum()
        return level + 0 * self.head.bias.reshape(1, -1, 1, 1) + torch.zeros_like(image)


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


OURS = NetworkConfig(
    architecture="residual", channels=3, mask_channels=3, width=8, scales=2
)
PASSES = dataclasses.replace(
    preset("blind-full"), iterations=6, crop=16, precision="float32", guard=False
)


@pytest.fixture(scope="module")
def our_weights():
    return random_weights(OURS, seed=0)


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
