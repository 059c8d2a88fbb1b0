"""Masks: what they hide, and that they repeat."""

import pytest
import torch

from napari_mpi.engine.filling.masks import complementary_masks, random_mask


@pytest.mark.parametrize("shape", [(1, 1, 60, 50), (2, 3, 31, 17)])
@pytest.mark.parametrize("parts", [1, 2, 5])
def test_complementary_masks_hide_every_pixel_once(shape, parts):
    masks = complementary_masks(shape, parts, seed=0)
    assert len(masks) == parts
    assert torch.equal(sum(mask.int() for mask in masks), torch.ones(shape).int())
    for mask in masks:
        assert mask.float().mean() == pytest.approx(1 / parts, abs=0.05)


def test_the_same_seed_draws_the_same_masks():
    def drawn(seed):
        rng = torch.Generator().manual_seed(seed)
        return [random_mask((1, 1, 9, 9), 0.5, rng=rng),
                *complementary_masks((1, 1, 9, 9), 3, seed=seed)]  # fmt: skip

    assert all(map(torch.equal, drawn(0), drawn(0)))
    assert not all(map(torch.equal, drawn(0), drawn(1)))


def test_a_part_of_a_plane_gets_the_masks_of_the_plane():
    whole = complementary_masks((2, 1, 700, 530), 3, seed=4)
    part = complementary_masks((2, 1, 300, 220), 3, seed=4, at=(250, 310))
    for mask, cut in zip(whole, part, strict=True):
        assert torch.equal(mask[..., 250:550, 310:530], cut)
