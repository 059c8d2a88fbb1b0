"""Masks: what they hide, and that they repeat."""

import pytest
import torch

from napari_mpi.engine.masks import complementary_masks, random_mask


@pytest.mark.parametrize("shape", [(1, 1, 60, 50), (2, 3, 31, 17)])
@pytest.mark.parametrize("parts", [1, 2, 5])
def test_complementary_masks_hide_every_pixel_once(shape, parts):
    masks = complementary_masks(shape, parts, rng=torch.Generator().manual_seed(0))
    assert len(masks) == parts
    assert torch.equal(sum(mask.int() for mask in masks), torch.ones(shape).int())
    for mask in masks:
        assert mask.float().mean() == pytest.approx(1 / parts, abs=0.05)


def test_the_same_seed_draws_the_same_masks():
    def drawn(seed):
        rng = torch.Generator().manual_seed(seed)
        return [random_mask((1, 1, 9, 9), 0.5, rng=rng),
                *complementary_masks((1, 1, 9, 9), 3, rng=rng)]  # fmt: skip

    assert all(map(torch.equal, drawn(0), drawn(0)))
    assert not all(map(torch.equal, drawn(0), drawn(1)))
