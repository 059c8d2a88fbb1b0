"""Local means."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

_COARSE = 4  # pixels along each axis that one coarse pixel stands for
BELL_WIDTH = 8.0
"""Standard deviation of the bell of `smoothed`, in pixels."""


def smoothed(image: Tensor) -> Tensor:
    """Return local means, weighted by a bell of some 8 pixels standard deviation.

    Computed on coarse pixels of 4 x 4, since nothing finer is left of an image
    thereafter; the borders count for what lies outside.

    Parameters
    ----------
    image : Tensor
        Shape (N, C, Y, X).
    """
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
