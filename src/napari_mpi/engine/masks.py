"""Random masks; everywhere in the project a mask is boolean and True means hidden."""

from collections.abc import Iterator

import torch
from torch import Tensor


def random_mask(
    shape: tuple[int, ...], mask_ratio: float, *, rng: torch.Generator
) -> Tensor:
    """Hide every pixel with the same probability, independently of all others.

    Parameters
    ----------
    shape : tuple of int
        Shape of the mask, such as (N, C, Y, X); C = 1 for a mask that all channels
        share.
    mask_ratio : float
        Probability that a pixel is hidden, 0 < ratio < 1.
    rng : torch.Generator
        Source of the randomness; the mask lives on its device.

    Returns
    -------
    Tensor
        Boolean, of the given shape; True = hidden from the network.
    """
    return torch.rand(shape, generator=rng, device=rng.device) < mask_ratio


def random_masks(
    shape: tuple[int, ...], mask_ratio: float, *, rng: torch.Generator
) -> Iterator[Tensor]:
    """Draw masks without end, see `random_mask`."""
    while True:
        yield random_mask(shape, mask_ratio, rng=rng)


def complementary_masks(
    shape: tuple[int, ...], parts: int, *, rng: torch.Generator
) -> list[Tensor]:
    """Draw masks that together hide every pixel exactly once.

    Parameters
    ----------
    shape : tuple of int
        Shape of a mask, as for `random_mask`.
    parts : int
        How many masks; each hides about ``1 / parts`` of the pixels.
    rng : torch.Generator
        Source of the randomness; the masks live on its device.

    Returns
    -------
    list of Tensor
        Boolean, of the given shape; True = hidden from the network.
    """
    part_of = torch.randint(parts, shape, generator=rng, device=rng.device)
    return [part_of == part for part in range(parts)]
