"""What corruption hides of crops."""

import dataclasses

import pytest
import torch
from scipy import ndimage

from napari_mpi.engine.pretraining.corruption.corrupt import corrupt
from napari_mpi.engine.settings.pretraining import PretrainingConfig

PLAIN = PretrainingConfig()
NOISY = PretrainingConfig(
    loss_on="all", mask_ratio_low=0.0, mask_ratio_high=0.5, input_noise="gaussian"
)


def corrupted(crops, config, seed=0):
    return corrupt(crops, config, rng=torch.Generator().manual_seed(seed))


def config_of(**changes):
    return dataclasses.replace(NOISY, **changes)


def quiet(**changes):
    """Return settings without random noise, for what is not random noise."""
    return config_of(input_noise="none", **changes)


def lag(noise, down, right):
    """Return the correlation of neighbours so far apart, one number per crop."""
    height, width = noise.shape[2:]
    first = noise[..., : height - down, : width - right]
    products = first * noise[..., down:, right:]
    return products.mean(dim=(1, 2, 3)) / noise.square().mean(dim=(1, 2, 3))


def flat(value, *, count=200, channels=1, side=48):
    return torch.full((count, channels, side, side), value)


def shapes_in(masked):
    """Yield the outlines of what is connected and clear of the border."""
    labels, _ = ndimage.label(masked)
    for rows, columns in ndimage.find_objects(labels):
        if min(rows.start, columns.start) > 0 and max(rows.stop, columns.stop) < 64:
            yield tuple(map(tuple, masked[rows, columns].tolist()))


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


def test_mixed_masks_hide_the_ratio_in_shapes_of_many_kinds():
    config = config_of(
        mask_shapes="mixed", mask_ratio_low=0.3, mask_ratio_high=0.3, shared_mask=True
    )
    masked = corrupted(flat(0.5, count=800, side=64), config).masked
    assert masked.shape == (800, 1, 64, 64)
    assert float(masked.float().mean()) == pytest.approx(0.3, abs=0.005)
    for edge in (masked[..., 0, :], masked[..., -1, :], masked[..., 0]):
        assert float(edge.float().mean()) == pytest.approx(0.3, abs=0.02)
    spread = masked.float() - masked.float().mean(dim=(1, 2, 3), keepdim=True)
    along, down = lag(spread, 0, 1), lag(spread, 1, 0)
    single = (along < 0.15) & (down < 0.15)
    assert float(single.float().mean()) == pytest.approx(0.5, abs=0.06)
    assert int(((along > 0.3) & (down < 0.15)).sum()) > 100  # rows
    assert int(((along < 0.15) & (down > 0.3)).sum()) > 80  # columns
    assert int(((along > 0.3) & (down > 0.3)).sum()) > 20  # squares, plus signs


def test_shapes_are_whole_and_of_the_sizes_said():
    config = config_of(
        mask_shapes="mixed", mask_ratio_low=0.002, mask_ratio_high=0.002,
        shared_mask=True,
    )  # fmt: skip
    masked = corrupted(flat(0.5, count=400, side=64), config).masked
    found = {shape for crop in masked for shape in shapes_in(crop[0].numpy())}
    assert found >= {
        ((True,),), ((True, True),), ((True,), (True,)), ((True,) * 3,) * 3,
        ((True,) * 15,), ((True,),) * 8,
        ((False, True, False), (True,) * 3, (False, True, False)),
    }  # fmt: skip


def test_masks_of_pixels_are_what_they_were():
    rng = torch.Generator().manual_seed(5)
    ratio = 0.3 * torch.rand((50, 1, 1, 1), generator=rng)
    expected = torch.rand((50, 1, 16, 16), generator=rng) < ratio
    config = quiet(mask_ratio_low=0.0, mask_ratio_high=0.3)
    batch = corrupted(flat(0.5, count=50, side=16), config, seed=5)
    assert torch.equal(batch.masked, expected)
