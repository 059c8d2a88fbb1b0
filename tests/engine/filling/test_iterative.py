"""Iterative filling as the paper has it: ensemble, masks, seeds, snapshots."""

import dataclasses
import gc
import weakref

import numpy as np
import pytest
import torch

from napari_mpi.engine.filling.iterative import iterative_filling
from napari_mpi.engine.filling.masks import random_mask
from napari_mpi.engine.filling.state import FillingState
from napari_mpi.engine.runtime.errors import ConfigError, DivergenceError
from napari_mpi.engine.runtime.jobs import run
from napari_mpi.engine.settings.filling import FillingConfig

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
