"""The last passes: every pixel hidden once, and open otherwise; then merged."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeGuard

import torch
from torch import Tensor

from napari_mpi.engine.filling.masks import complementary_masks, numbers_at, shape_of
from napari_mpi.engine.filling.spread import PassSpread, SpreadOf
from napari_mpi.engine.images.colours import noise_sources
from napari_mpi.engine.images.tiles import Window
from napari_mpi.engine.noise.model import NoiseModel, estimate_noise
from napari_mpi.engine.noise.smoothing import (
    BELL_WIDTH,
    scattered,
    smoothed,
    void_of,
)
from napari_mpi.engine.runtime.jobs import Job, aside, beating
from napari_mpi.engine.settings.filling import FillingConfig

Predict = Callable[[Tensor, Tensor | None], Tensor]
NoiseModels = tuple[tuple[NoiseModel, ...], ...]
"""Noise by image and channel of (N, C, Y, X)."""

_LARGE = 512**2  # elements of an image that take long enough to be told of meanwhile
_PROBE = 0.1  # of what a prediction leaves (its spread), by which pixels are moved
_LEAST_PROBE = 1e-3  # of the network's range, so that float32 resolves the answer


@dataclass(frozen=True, slots=True)
class Filled:
    """How far an image, or a plane, is filled by the last passes.

    Parameters
    ----------
    share : float
        Share of the work that is done, 0..1.
    image : Tensor, optional
        Shape (N, C, Y, X), in network units: the result, or that of ``window``; None in
        between.
    merged : bool
        Whether the pixels' own values were merged in.
    spread : Tensor, optional
        Standard deviation of every pixel of ``image``, see `PassSpread`, if asked for.
    window : tuple of slice, optional
        Rows and columns that ``image`` is of; all if None.
    marks : Tensor, optional
        Shape (N, 1, Y, X), see `Mark`: what the noisy values are; None if all are
        measured.
    """

    share: float
    image: Tensor | None = field(default=None, repr=False)
    merged: bool = False
    spread: Tensor | None = field(default=None, repr=False)
    window: Window | None = None
    marks: Tensor | None = field(default=None, repr=False)


def finish(
    noisy: Tensor,
    predict: Predict,
    config: FillingConfig,
    *,
    at: tuple[int, int] = (0, 0),
    models: NoiseModels | None = None,
    spread_of: SpreadOf | None = None,
    marks: Tensor | None = None,
) -> Job[Filled, None]:
    """Predict an image with a few masks, and merge it with the noisy one.

    The masks are complementary: each pixel is hidden in exactly one of them. Their mean
    prediction, and one that hides nothing, count half each: hidden pixels are blind to
    noise that the network takes for structure, open ones see what it would miss.

    Parameters
    ----------
    noisy : Tensor
        Shape (N, C, Y, X), float32: a plane, or a part of one.
    predict : callable
        Maps noisy image and mask (None: nothing is hidden) to a prediction.
    config : FillingConfig
        Number of passes, means, merging and seed are read from it.
    at : tuple of int
        Row and column of the plane where ``noisy`` begins; masks go by it.
    models : tuple of tuple of NoiseModel, optional
        Noise by image and channel, see `learn_noise`; estimated from ``noisy`` if None.
    spread_of : {'channels', 'mean'}, optional
        Whose spread is wanted, see `SpreadOf`; none if None.
    marks : Tensor, optional
        Shape (N, 1, Y, X), see `Mark`: what is no measurement counts in no mean.

    Yields
    ------
    Filled
        One per pass, and some on the way of a large image; the last holds the denoised
        image.
    """
    total = passes_of(config)
    void = void_of(marks)
    gaps = None if void is None else scattered(void)
    filled, hidden_mean = torch.empty_like(noisy), torch.zeros_like(noisy)
    collected = None if spread_of is None else PassSpread(spread_of)
    for done, masked in enumerate(_masks(noisy, config, at), start=1):
        work = partial(predict, noisy, _hidden(masked, gaps))
        prediction = yield from _waiting(work, noisy, (done - 1) / total)
        if collected is not None:
            collected.add(prediction)
        filled = torch.where(masked, prediction, filled)
        hidden_mean += prediction / config.passes
        yield Filled(done / total)
    work = partial(predict, noisy, gaps)
    unmasked = yield from _waiting(work, noisy, config.passes / total)
    spread = None if collected is None else collected.around(unmasked, void)
    result = (unmasked + hidden_mean) / 2
    if config.keep_means:
        result = result + smoothed(noisy - result, void)
    if config.merge:
        yield Filled((config.passes + 1) / total)
        images = noisy.shape[0]
        models = models or _models(noisy, unmasked, filled, images, marks)
    if not config.merge or not _are_white(models):
        yield Filled(1.0, result, spread=spread)
        return
    left = noisy - unmasked
    known = left if void is None else left[~void.expand_as(left)]
    step = max(_PROBE * float(known.square().mean().sqrt()), _LEAST_PROBE)
    probe = partial(
        _taken, noisy, unmasked, predict, step, gaps, seed=config.seed, at=at
    )
    taken = yield from _waiting(probe, noisy, (config.passes + 1) / total)
    # Open in all passes but one, and in the one that hides nothing.
    share = 1 - 1 / (2 * config.passes)
    variance = _variance(models, unmasked)
    image = merged(noisy, result, share * taken, variance, void)
    yield Filled(1.0, image, merged=True, spread=spread)


def _waiting(
    work: Callable[[], Tensor], noisy: Tensor, share: float
) -> Job[Filled, Tensor]:
    """Do a computation on an image; tell of a large one, so that it can be cancelled.

    A GPU is quick, and works for one thread at a time.
    """
    if noisy.device.type != "cpu" or noisy.numel() <= _LARGE:
        return work()
    return (yield from beating(aside(work), lambda: True, lambda _: Filled(share)))


def learn_noise(
    noisy: Tensor,
    predict: Predict,
    config: FillingConfig,
    *,
    images: int,
    marks: Tensor | None = None,
) -> NoiseModels:
    """Estimate the noise of planes from windows of them.

    Parameters
    ----------
    noisy : Tensor
        Shape (windows * images, C, Y, X), float32.
    predict : callable
        As for `finish`.
    config : FillingConfig
        Number of passes and seed are read from it.
    images : int
        How many images one plane is: the opponents of its colours, where the network
        sees those.
    marks : Tensor, optional
        As for `finish`.

    Returns
    -------
    tuple of tuple of NoiseModel
        By image and channel, from all windows.
    """
    filled = torch.empty_like(noisy)
    void = void_of(marks)
    gaps = None if void is None else scattered(void)
    for masked in _masks(noisy, config, (0, 0)):
        filled = torch.where(masked, predict(noisy, _hidden(masked, gaps)), filled)
    return _models(noisy, predict(noisy, gaps), filled, images, marks)


def passes_of(config: FillingConfig) -> int:
    """Return how many predictions of the whole image `finish` makes at the most."""
    return config.passes + 1 + config.merge


def _masks(noisy: Tensor, config: FillingConfig, at: tuple[int, int]) -> list[Tensor]:
    shape = shape_of(noisy, shared=config.shared_mask)
    return complementary_masks(
        shape, config.passes, seed=config.seed, at=at, device=noisy.device
    )


def _hidden(masked: Tensor, gaps: Tensor | None) -> Tensor:
    """Return a mask that hides, too, single pixels that are no measurement."""
    return masked if gaps is None else masked | gaps


def _models(
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


def _are_white(models: NoiseModels | None) -> TypeGuard[NoiseModels]:
    """Whether the noise of every image and channel is known to be white."""
    return models is not None and all(
        model.is_white for channels in models for model in channels
    )


def _variance(models: NoiseModels, unmasked: Tensor) -> Tensor:
    """Return the noise variance of every pixel."""
    variance, sources = torch.empty_like(unmasked), _sources(unmasked, dim=0)
    for image, channels in enumerate(models):
        for channel, model in enumerate(channels):
            variance[image, channel] = model.variance(sources[image, channel])
    return variance


def _taken(
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
