"""What pre-training does to clean crops."""

import dataclasses

import pytest
import torch

from napari_mpi.engine.pretraining.corruption.corrupt import corrupt
from napari_mpi.engine.settings.pretraining import PretrainingConfig

PLAIN = PretrainingConfig()
NOISY = PretrainingConfig(
    loss_on="all", mask_ratio_low=0.0, mask_ratio_high=0.5, input_noise="gaussian"
)


def corrupted(crops, config, seed=0):
    return corrupt(crops, config, rng=torch.Generator().manual_seed(seed))


def flat(value, *, count=200, channels=1, side=48):
    return torch.full((count, channels, side, side), value)


def test_the_papers_recipe_hides_30_percent_per_channel_of_clean_crops():
    batch = corrupted(flat(0.5, channels=3), PLAIN)
    assert torch.equal(batch.noisy, batch.clean)
    assert batch.masked.shape == (200, 3, 48, 48)
    assert float(batch.masked.float().mean()) == pytest.approx(0.30, abs=0.005)
    assert not torch.equal(batch.masked[:, 0], batch.masked[:, 1])


def test_a_range_of_ratios_is_drawn_per_crop_and_a_shared_mask_has_one_plane():
    config = PretrainingConfig(
        mask_ratio_low=0.80, mask_ratio_high=0.95, shared_mask=True
    )
    batch = corrupted(flat(0.5, channels=3), config)
    assert batch.masked.shape == (200, 1, 48, 48)
    ratios = batch.masked.float().mean(dim=(1, 2, 3))
    assert 0.78 < float(ratios.min()) < 0.82
    assert 0.93 < float(ratios.max()) < 0.97


def test_the_unmasked_share_hides_nothing():
    config = dataclasses.replace(NOISY, mask_ratio_low=0.3, unmasked_share=0.4)
    batch = corrupted(flat(0.5, count=500, side=8), config)
    unmasked = ~batch.masked.flatten(1).any(dim=1)
    assert float(unmasked.float().mean()) == pytest.approx(0.4, abs=0.07)


def test_gaussian_noise_is_of_even_strengths_and_leaves_the_target_clean():
    batch = corrupted(flat(0.5), dataclasses.replace(NOISY, noise_level=0.2))
    assert (batch.clean == 0.5).all()
    noise = (batch.noisy - batch.clean).flatten(1)
    strengths = noise.std(dim=1)
    assert float(strengths.min()) < 0.01
    assert 0.19 < float(strengths.max()) < 0.21
    assert float(strengths.mean()) == pytest.approx(0.1, abs=0.01)
    assert float(noise.mean()) == pytest.approx(0, abs=0.001)


def test_poisson_noise_grows_with_the_light_and_keeps_the_mean():
    config = dataclasses.replace(NOISY, input_noise="poisson-gaussian")
    crops = torch.cat([flat(0.1)[..., :24], flat(0.8)[..., 24:]], dim=3)
    noise = corrupted(crops, config).noisy - crops
    dark, bright = noise[..., :24].flatten(1), noise[..., 24:].flatten(1)
    strong = bright.std(dim=1) > 0.05
    ratio = bright.var(dim=1)[strong] / dark.var(dim=1)[strong]
    assert strong.sum() > 50
    assert 4 < float(ratio.median()) < 9  # 8 without read noise
    assert float(bright.mean()) == pytest.approx(0, abs=0.005)


def test_mixed_noise_is_of_both_kinds():
    crops = torch.cat([flat(0.0)[..., :24], flat(0.8)[..., 24:]], dim=3)
    noise = corrupted(crops, dataclasses.replace(NOISY, input_noise="mixed")).noisy
    noise = noise - crops
    dark, bright = noise[..., :24].flatten(1), noise[..., 24:].flatten(1)
    shot = bright.var(dim=1) > 3 * dark.var(dim=1)
    assert 60 < int(shot.sum()) < 140  # of 200 crops


def test_correlated_noise_has_its_strength_and_neighbours_that_agree():
    config = dataclasses.replace(NOISY, correlated_share=1.0, noise_level=0.2)
    noise = corrupted(flat(0.5, channels=3), config).noisy - 0.5
    inner = noise[..., 4:-4, 4:-4]
    neighbours = (inner[..., 1:] * inner[..., :-1]).mean(dim=(1, 2, 3))
    agreement = neighbours / inner.square().mean(dim=(1, 2, 3))
    assert float(agreement.min()) > 0.02
    assert 0.3 < float(agreement.mean()) < 0.8
    assert float(inner.flatten(1).std(dim=1).mean()) == pytest.approx(0.1, abs=0.015)
    between = (inner[:, 0] * inner[:, 1]).mean() / inner.square().mean()
    assert abs(float(between)) < 0.02  # channels have noise of their own


def test_dimmed_crops_are_darker_and_so_is_their_target():
    config = dataclasses.replace(PLAIN, dimmed_share=0.5)
    batch = corrupted(flat(0.5), config)
    level = batch.clean[:, 0, 0, 0]
    dimmed = level < 0.5
    assert 70 < int(dimmed.sum()) < 130
    assert float(level.min()) > 0.5**2.5 * 0.25 - 1e-6
    assert torch.equal(batch.noisy, batch.clean)


def test_the_same_generator_gives_the_same_batch():
    config = dataclasses.replace(NOISY, input_noise="mixed", correlated_share=0.3)
    first, again, other = (corrupted(flat(0.4), config, seed) for seed in (1, 1, 2))
    assert torch.equal(first.noisy, again.noisy)
    assert torch.equal(first.masked, again.masked)
    assert not torch.equal(first.noisy, other.noisy)
