"""The last passes: every pixel hidden once, and open otherwise; then merged."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from napari_mpi.engine.filling.masks import complementary_masks, shape_of
from napari_mpi.engine.filling.merging import (
    Averaged,
    NoiseModels,
    Predict,
    are_white,
    merged,
    models_of,
    taken_over,
    variance_of,
)
from napari_mpi.engine.filling.spread import PassSpread, SpreadOf
from napari_mpi.engine.images.tiles import Window
from napari_mpi.engine.noise.smoothing import scattered, smoothed, void_of
from napari_mpi.engine.runtime.jobs import Job, aside, beating
from napari_mpi.engine.settings.filling import FillingConfig

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
    averaged: Averaged | None = None,
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
    averaged : Averaged, optional
        What ``noisy`` was before it was averaged with planes beside it; None if it was
        not.

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
        own = noisy if averaged is None else averaged.own
        result = result + smoothed(own - result, void)
    if config.merge:
        yield Filled((config.passes + 1) / total)
        images = noisy.shape[0]
        models = models or models_of(noisy, unmasked, filled, images, marks)
    if not config.merge or not are_white(models):
        yield Filled(1.0, result, spread=spread)
        return
    left = noisy - unmasked
    known = left if void is None else left[~void.expand_as(left)]
    step = max(_PROBE * float(known.square().mean().sqrt()), _LEAST_PROBE)
    probe = partial(
        taken_over, noisy, unmasked, predict, step, gaps, seed=config.seed, at=at
    )
    taken = yield from _waiting(probe, noisy, (config.passes + 1) / total)
    # Open in all passes but one, and in the one that hides nothing.
    share = 1 - 1 / (2 * config.passes)
    variance = variance_of(models, unmasked) if averaged is None else averaged.variance
    image = merged(noisy, result, share * taken, variance, void)
    yield Filled(1.0, image, merged=True, spread=spread)


def _waiting(
    work: Callable[[], Tensor], noisy: Tensor, share: float
) -> Job[Filled, Tensor]:
    """Do a computation on an image; tell of a large one, so that it can be cancelled.

    A GPU is quick, and works for one thread at a time.
    """
    at_once = noisy.device.type != "cpu" or noisy.numel() <= _LARGE
    job = aside(work, at_once=at_once)
    return (yield from beating(job, lambda: True, lambda _: Filled(share)))


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
    return models_of(noisy, predict(noisy, gaps), filled, images, marks)


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
