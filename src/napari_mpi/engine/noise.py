"""Noise: made with known statistics, and what of it neighbours have in common."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

_COARSE = 4  # pixels along each axis that one coarse pixel stands for
BELL_WIDTH = 8.0
"""Standard deviation of the bell of `smoothed`, in pixels."""
_REACH = 6  # coarse pixels
_WEIGHTS = [math.exp(-(step**2) / (2 * 2.0**2)) for step in range(-_REACH, _REACH + 1)]
_BELL = [weight / sum(_WEIGHTS) for weight in _WEIGHTS]


def poisson_gaussian(
    clean: NDArray[np.floating],
    *,
    gain: float,
    read_noise: float,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return a noisy measurement of a clean image, as a camera makes it.

    Each pixel is ``gain * Poisson(clean / gain) + Normal(0, read_noise)``: its mean is
    the clean value, its variance ``gain * clean + read_noise**2``.

    Parameters
    ----------
    clean : NDArray
        Intensities in grey levels, none negative.
    gain : float
        Grey levels per photon, above 0.
    read_noise : float
        Standard deviation of the signal-independent part, in grey levels.
    rng : numpy.random.Generator
        Source of the randomness.
    """
    photons = rng.poisson(clean / gain)
    noisy: NDArray[np.float64] = gain * photons + rng.normal(0, read_noise, clean.shape)
    return noisy


def neighbour_correlation(noise: Tensor, distance: int = 1) -> float:
    """Return how much of its noise a pixel shares with its neighbours, -1..1.

    Parameters
    ----------
    noise : Tensor
        Shape (N, C, Y, X): noise, or what a prediction leaves of an image.
    distance : int
        Pixels to the neighbour, below and to the right.

    Returns
    -------
    float
        Mean over both directions of the correlation coefficient, 0 for constant
        images and for those without such neighbours.
    """
    centred = noise - noise.mean(dim=(2, 3), keepdim=True)
    power = float(centred.square().mean())
    found = [
        float((centred.narrow(axis, 0, size) * centred.narrow(axis, distance, size))
              .mean()) / power
        for axis in (2, 3)
        if (size := noise.shape[axis] - distance) > 0 and power > 0
    ]  # fmt: skip
    return sum(found) / len(found) if found else 0.0


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
