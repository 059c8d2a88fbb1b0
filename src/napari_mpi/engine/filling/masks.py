"""Random masks; everywhere in the project a mask is boolean and True means hidden."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

_BLOCK = 256  # pixels along each axis, whose random numbers are drawn at once


def shape_of(noisy: Tensor, *, shared: bool) -> tuple[int, int, int, int]:
    """Return the shape of the masks of an image (N, C, Y, X).

    Parameters
    ----------
    noisy : Tensor
        The image.
    shared : bool
        Whether all channels have one mask.
    """
    images, channels, rows, columns = noisy.shape
    return images, 1 if shared else channels, rows, columns


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
    shape: tuple[int, ...],
    parts: int,
    *,
    seed: int,
    at: tuple[int, int] = (0, 0),
    device: torch.device | str = "cpu",
) -> list[Tensor]:
    """Draw masks that together hide every pixel exactly once.

    Parameters
    ----------
    shape : tuple of int
        Shape of a mask, as for `random_mask`.
    parts : int
        How many masks, 1 to 100; each hides about ``1 / parts`` of the pixels.
    seed : int
        Source of the randomness.
    at : tuple of int
        Row and column of the plane where the masks begin: whatever part of a plane is
        asked for, its pixels are hidden in the same masks.
    device : torch.device or str
        Where the masks are to be.

    Returns
    -------
    list of Tensor
        Boolean, of the given shape; True = hidden from the network.
    """
    part_of = numbers_at(shape, parts, seed=(seed, 0), at=at, device=device)
    return [part_of == part for part in range(parts)]


def numbers_at(
    shape: tuple[int, ...],
    count: int,
    *,
    seed: tuple[int, ...],
    at: tuple[int, int],
    device: torch.device | str,
) -> Tensor:
    """Draw a number 0..count-1 for every pixel of a part of a plane.

    They are drawn block by block, each from the seed and its place in the plane, so
    that the part that is asked for makes no difference.

    Parameters
    ----------
    shape : tuple of int
        Shape (..., Y, X) of the part.
    count : int
        How many different numbers, 1 to 256.
    seed : tuple of int
        Source of the randomness, none negative.
    at : tuple of int
        Row and column of the plane where the part begins, none negative.
    device : torch.device or str
        Where the numbers are to be.
    """
    (top, left), (rows, columns) = at, shape[-2:]
    below, right = -(-(top + rows) // _BLOCK), -(-(left + columns) // _BLOCK)
    size = (*shape[:-2], _BLOCK, _BLOCK)
    bands = [
        np.concatenate(
            [
                np.random.default_rng((*seed, row, column)).integers(
                    count, size=size, dtype=np.uint8
                )
                for column in range(left // _BLOCK, right)
            ],
            axis=-1,
        )
        for row in range(top // _BLOCK, below)
    ]
    first, start = top % _BLOCK, left % _BLOCK
    drawn = np.concatenate(bands, axis=-2)
    part = drawn[..., first : first + rows, start : start + columns]
    return torch.from_numpy(np.ascontiguousarray(part)).to(device)
