"""The last passes: every pixel hidden once, and open otherwise; then merged."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_mpi.engine.config import FillingConfig
from napari_mpi.engine.masks import complementary_masks
from napari_mpi.engine.merging import estimate_noise, merged
from napari_mpi.engine.noise import smoothed

Predict = Callable[[Tensor, Tensor | None], Tensor]

_PROBE = 0.1  # of what a prediction leaves (its spread), by which pixels are moved
_LEAST_PROBE = 1e-3  # of the network's range, so that float32 resolves the answer


@dataclass(frozen=True, slots=True)
class Passed:
    """What the last passes have reached.

    Parameters
    ----------
    share : float
        Of the passes, those that are done, 0..1.
    image : Tensor
        Shape (N, C, Y, X), the newest prediction; the result in the last.
    merged : bool
        Whether the pixels' own values were merged in.
    """

    share: float
    image: Tensor
    merged: bool = False


def finish(noisy: Tensor, predict: Predict, config: FillingConfig) -> Iterator[Passed]:
    """Predict the whole image with a few masks, and merge it with the noisy one.

    The masks are complementary: each pixel is hidden in exactly one of them. Their mean
    prediction, and one that hides nothing, count half each: hidden pixels are blind to
    noise that the network takes for structure, open ones see what it would miss.

    Parameters
    ----------
    noisy : Tensor
        Shape (N, C, Y, X), float32.
    predict : callable
        Maps noisy image and mask (None: nothing is hidden) to a prediction.
    config : FillingConfig
        Number of passes, means, merging and seed are read from it.

    Yields
    ------
    Passed
        One per pass; the last holds the denoised image.
    """
    rng = torch.Generator(noisy.device).manual_seed(config.seed)
    planes = 1 if config.shared_mask else noisy.shape[1]
    shape = (noisy.shape[0], planes, *noisy.shape[2:])
    total = passes_of(config)
    filled, hidden_mean = torch.empty_like(noisy), torch.zeros_like(noisy)
    for done, masked in enumerate(
        complementary_masks(shape, config.passes, rng=rng), start=1
    ):
        prediction = predict(noisy, masked)
        filled = torch.where(masked, prediction, filled)
        hidden_mean += prediction / config.passes
        yield Passed(done / total, prediction)
    unmasked = predict(noisy, None)
    result = (unmasked + hidden_mean) / 2
    if config.keep_means:
        result = result + smoothed(noisy - result)
    if not config.merge:
        yield Passed(1.0, result)
        return
    yield Passed((config.passes + 1) / total, result)
    variance = _white_variance(noisy, unmasked, filled)
    if variance is None:
        yield Passed(1.0, result)
        return
    taken = _taken(noisy, unmasked, predict, rng)
    # Open in all passes but one, and in the one that hides nothing.
    share = 1 - 1 / (2 * config.passes)
    image = merged(noisy, result, share * taken, variance)
    yield Passed(1.0, image, merged=True)


def passes_of(config: FillingConfig) -> int:
    """Return how many predictions of the whole image `finish` makes at the most."""
    return config.passes + 1 + config.merge


def _white_variance(noisy: Tensor, unmasked: Tensor, filled: Tensor) -> Tensor | None:
    """Return the noise variance of every pixel, or None where noise is correlated."""
    variance, images = torch.empty_like(noisy), (noisy, unmasked, filled)
    for image in range(noisy.shape[0]):
        for channel in range(noisy.shape[1]):
            one = (slice(image, image + 1), slice(channel, channel + 1))
            model = estimate_noise(*(image[one] for image in images))
            if not model.is_white:
                return None
            variance[one] = model.variance(unmasked[one])
    return variance


def _taken(
    noisy: Tensor,
    unmasked: Tensor,
    predict: Predict,
    rng: torch.Generator,
) -> Tensor:
    """Return the derivative of every prediction by the pixel's own value, noisily.

    All pixels are moved at once, up or down at random, so that what their neighbours
    cause averages out (Ramani et al. 2008, Monte-Carlo SURE).
    """
    spread = float((noisy - unmasked).square().mean().sqrt())
    step = max(_PROBE * spread, _LEAST_PROBE)
    drawn = torch.randint(2, noisy.shape, generator=rng, device=noisy.device)
    signs = drawn.to(noisy.dtype) * 2 - 1
    moved = predict(noisy + step * signs, None)
    return signs * (moved - unmasked) / step
