"""Merging a prediction with the pixel's own value, each by its error."""

import math
from collections.abc import Callable
from typing import NamedTuple, TypeGuard

import torch
from torch import Tensor

from napari_mpi.engine.filling.masks import numbers_at
from napari_mpi.engine.images.colours import noise_sources
from napari_mpi.engine.noise.model import NoiseModel, estimate_noise
from napari_mpi.engine.noise.smoothing import BELL_WIDTH, smoothed

Predict = Callable[[Tensor, Tensor | None], Tensor]
"""Maps noisy image and mask (None: nothing is hidden) to a prediction."""
NoiseModels = tuple[tuple[NoiseModel, ...], ...]
"""Noise by image and channel of (N, C, Y, X)."""


class Averaged(NamedTuple):
    """What is known of an image that is a mean over planes.

    Parameters
    ----------
    own : Tensor
        Shape (N, C, Y, X): the values of the plane itself, in network units.
    variance : Tensor
        Of the same shape: variance of the noise that is left in the mean.
    """

    own: Tensor
    variance: Tensor


def models_of(
    noisy: Tensor, unmasked: Tensor, filled: Tensor, images: int, marks: Tensor | None
) -> NoiseModels:
    """Estimate the noise by image and channel, over all windows of the same image."""
    found = [
        image.reshape(-1, images, *image.shape[1:])
        for image in (noisy, unmasked, filled)
    ]
    found.append(_sources(found[-1], dim=1))
    marked = None if marks is None else marks[::images]

    def model(number: int, channel: int) -> NoiseModel:
        left, *others = (image[:, number, channel, None] for image in found)
        return estimate_noise(left, *others, marks=marked)

    channels = range(noisy.shape[1])
    return tuple(
        tuple(model(number, channel) for channel in channels)
        for number in range(images)
    )


def _sources(planes: Tensor, *, dim: int) -> Tensor:
    """Return the intensities that the noise goes with, of the images of one plane.

    Several are the opponents of its colours, see `noise_sources`.
    """
    matrix = torch.from_numpy(noise_sources(planes.shape[dim])).to(planes)
    return (planes.movedim(dim, -1) @ matrix.T).movedim(-1, dim)


def are_white(models: NoiseModels | None) -> TypeGuard[NoiseModels]:
    """Whether the noise of every image and channel is known to be white."""
    return models is not None and all(
        model.is_white for channels in models for model in channels
    )


def variance_of(models: NoiseModels, unmasked: Tensor) -> Tensor:
    """Return the noise variance of every pixel."""
    variance, sources = torch.empty_like(unmasked), _sources(unmasked, dim=0)
    for image, channels in enumerate(models):
        for channel, model in enumerate(channels):
            variance[image, channel] = model.variance(sources[image, channel])
    return variance


def taken_over(
    noisy: Tensor,
    unmasked: Tensor,
    predict: Predict,
    step: float,
    gaps: Tensor | None,
    *,
    seed: int,
    at: tuple[int, int],
) -> Tensor:
    """Return the derivative of every prediction by the pixel's own value, noisily.

    All pixels are moved at once, up or down at random, so that what their neighbours
    cause averages out (Ramani et al. 2008, Monte-Carlo SURE).
    """
    shape = tuple(noisy.shape)
    drawn = numbers_at(shape, 2, seed=(seed, 1), at=at, device=noisy.device)
    signs = drawn.to(noisy.dtype) * 2 - 1
    moved = predict(noisy + step * signs, gaps)
    return signs * (moved - unmasked) / step


CAUTION = 0.02
"""By how much the noise variance is taken to be larger than estimated.

On top of twice the standard error of a local mean: a weight of the noisy pixel that is
due to chance alone would bring noise back."""


def merged(
    noisy: Tensor,
    predicted: Tensor,
    taken: Tensor,
    variance: Tensor,
    void: Tensor | None = None,
) -> Tensor:
    """Merge a prediction with the noisy image, each by its error.

    Parameters
    ----------
    noisy : Tensor
        Shape (N, C, Y, X).
    predicted : Tensor
        Of the same shape.
    taken : Tensor
        Of the same shape: derivative of the prediction by the pixel's own noisy value,
        noise in it is averaged out.
    variance : Tensor
        Of the same shape: variance of the noise.
    void : Tensor, optional
        Shape (N, 1, Y, X), bool: pixels that are no measurement.

    Returns
    -------
    Tensor
        ``predicted + w * (noisy - predicted)``, with w in 0..1 over some 16 pixels.
    """
    doubt = 1 + CAUTION + 2 * math.sqrt(2 / (4 * math.pi * BELL_WIDTH**2))
    explained = doubt * smoothed(variance * (1 - taken), void)
    difference = noisy - predicted
    weight = 1 - explained / smoothed(difference.square(), void).clamp(min=1e-20)
    return predicted + weight.clamp(0, 1) * difference
