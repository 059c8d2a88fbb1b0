"""Local means."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

_COARSE = 4  # pixels along each axis that one coarse pixel stands for
BELL_WIDTH = 8.0
"""Standard deviation of the bell of `smoothed`, in pixels."""
_REACH = 6  # coarse pixels
_WEIGHTS = [math.exp(-(step**2) / (2 * 2.0**2)) for step in range(-_REACH, _REACH + 1)]
_BELL = [weight / sum(_WEIGHTS) for weight in _WEIGHTS]


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
    images, channels, height, width = coarse.shape
    planes = coarse.reshape(images * channels, 1, height, width)
    bell = torch.tensor(_BELL, dtype=image.dtype, device=image.device)
    for taps, pad in (
        (bell.reshape(1, 1, 1, -1), (_REACH, _REACH, 0, 0)),
        (bell.reshape(1, 1, -1, 1), (0, 0, _REACH, _REACH)),
    ):
        planes = F.conv2d(F.pad(planes, pad, mode="replicate"), taps)
    smooth = planes.reshape(images, channels, height, width)
    fine = F.interpolate(smooth, scale_factor=float(_COARSE), mode="bilinear")
    return fine[..., :rows, :columns]
