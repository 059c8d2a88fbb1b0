"""Local means, and pixels filled in by them."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_mpi.engine.images.marks import Mark

_COARSE = 4  # pixels along each axis that one coarse pixel stands for
BELL_WIDTH = 8.0
"""Standard deviation of the bell of `smoothed`, in pixels."""
_NEAR, _MOST = 7, 0.5  # pixels along each axis around one, share of them to fill
_LEAST_SHARE = 1e-6  # of the pixels around, that count


def smoothed(image: Tensor, void: Tensor | None = None) -> Tensor:
    """Return local means, weighted by a bell of some 8 pixels standard deviation.

    Computed on coarse pixels of 4 x 4, since nothing finer is left of an image
    thereafter; the borders count for what lies outside.

    Parameters
    ----------
    image : Tensor
        Shape (N, C, Y, X).
    void : Tensor, optional
        Shape (N, 1, Y, X), bool: pixels that do not count.
    """
    if void is None:
        return _smoothed(image)
    counted = (~void).to(image.dtype)
    share = _smoothed(counted).clamp(min=_LEAST_SHARE)
    return _smoothed(image.masked_fill(void, 0)) / share


def _smoothed(image: Tensor) -> Tensor:
    rows, columns = image.shape[-2:]
    outwards = (0, -columns % _COARSE, 0, -rows % _COARSE)
    coarse = F.avg_pool2d(F.pad(image, outwards, mode="replicate"), _COARSE)
    smooth = bell(coarse, BELL_WIDTH / _COARSE)
    fine = F.interpolate(smooth, scale_factor=float(_COARSE), mode="bilinear")
    return fine[..., :rows, :columns]


def bell(image: Tensor, width: float) -> Tensor:
    """Return means weighted by a bell; the borders count for what lies outside.

    Parameters
    ----------
    image : Tensor
        Shape (N, C, Y, X).
    width : float
        Standard deviation of the bell in pixels; it ends at three of them.
    """
    reach = math.ceil(3 * width)
    weights = [math.exp(-((n / width) ** 2) / 2) for n in range(-reach, reach + 1)]
    shares = [weight / sum(weights) for weight in weights]
    taps = torch.tensor(shares, dtype=image.dtype, device=image.device)
    planes = image.reshape(-1, 1, *image.shape[-2:])
    for kernel, pad in (
        (taps.reshape(1, 1, 1, -1), (reach, reach, 0, 0)),
        (taps.reshape(1, 1, -1, 1), (0, 0, reach, reach)),
    ):
        planes = F.conv2d(F.pad(planes, pad, mode="replicate"), kernel)
    return planes.reshape(image.shape)


def filled_in(image: Tensor, void: Tensor) -> Tensor:
    """Fill pixels from those around, smoothly, however far away they are.

    Means of the known pixels are taken over squares that double in size until every
    square has one; what is unknown at one size is taken from the next.

    Parameters
    ----------
    image : Tensor
        Shape (N, C, Y, X).
    void : Tensor
        Shape (N, 1, Y, X), bool: pixels to fill; where all are, with 0.
    """
    counted = (~void).to(image.dtype)
    return torch.where(void, _means_around(image.masked_fill(void, 0), counted), image)


def void_of(marks: Tensor | None) -> Tensor | None:
    """Return pixels that hold no measurement, bool; None where all do.

    Parameters
    ----------
    marks : Tensor, optional
        Shape (N, 1, Y, X), see `Mark`.
    """
    void = None if marks is None else marks >= Mark.CONSTANT
    return void if void is not None and bool(void.any()) else None


def scattered(void: Tensor) -> Tensor:
    """Return those pixels to fill most of whose surroundings are known.

    A network fills them as it does hidden pixels. Of larger areas it would make up
    structure, which its neighbours would feel.

    Parameters
    ----------
    void : Tensor
        Shape (N, 1, Y, X), bool.
    """
    share = F.avg_pool2d(void.float(), _NEAR, 1, _NEAR // 2, count_include_pad=False)
    return void & (share < _MOST)


def _means_around(sums: Tensor, counted: Tensor) -> Tensor:
    """Return means, from coarser squares where nothing is counted."""
    means = sums / counted.clamp(min=_LEAST_SHARE)
    rows, columns = sums.shape[-2:]
    if bool((counted > 0).all()) or max(rows, columns) == 1:
        return means
    outwards = (0, columns % 2, 0, rows % 2)
    coarse = _means_around(
        *(F.avg_pool2d(F.pad(part, outwards), 2) for part in (sums, counted))
    )
    fine = F.interpolate(
        coarse, size=(rows + outwards[3], columns + outwards[1]), mode="bilinear"
    )
    return torch.where(counted > 0, means, fine[..., :rows, :columns])
