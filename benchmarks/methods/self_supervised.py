"""Two networks that learn from the one noisy image alone, as small baselines.

Each yields ``(iterations, image, seconds)`` at fixed iterations, as long as the next
would be reached within a time; the result is what a user would have, who cannot choose
the best iteration by the clean image. The reading is not timed.
"""

import time
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_mpi.engine.networks.skip import SkipScale

Image = np.ndarray
Reading = tuple[int, Image, float]
RANGE = 255.0
DIP_AT = (50, 100, 150, 200, 400, 800, 1600)
DIP_WIDTH, DIP_PUBLISHED_WIDTH, DIP_ITERATIONS = 32, 128, 3000
ZS_AT = (50, 100, 250, 500, 1000, 2000)
_DEPTH, _SCALES = 32, 5  # channels of the noise that goes in; resolutions
_JITTER = 1 / 30  # of that noise, drawn anew in every iteration
_AVERAGE = 0.95  # the authors' 0.99 is slow for the few iterations a CPU can run


def deep_image_prior(noisy: Image, limit: float, seed: int = 0) -> Iterator[Reading]:
    """Fit a network to the image from noise (Ulyanov et al., CVPR 2018).

    Adam with 1e-2, noise of 32 channels and its jitter are the authors' settings. The
    network is that of `SkipScale`, with 32 features instead of their 128, and the
    outputs are averaged over fewer iterations.
    """
    torch.manual_seed(seed)
    target = _tensor(noisy)
    images = prior_steps(target, DIP_WIDTH)
    yield from _read(images, DIP_AT, limit, noisy.shape)


def seconds_of_published_prior(noisy: Image) -> float:
    """Return how long the authors' 3000 iterations with 128 features would take."""
    images = prior_steps(_tensor(noisy), DIP_PUBLISHED_WIDTH)
    next(images)  # the first one is slower
    begun = time.perf_counter()
    next(images)
    return (time.perf_counter() - begun) * DIP_ITERATIONS


def prior_steps(target: Tensor, width: int) -> Iterator[Tensor]:
    """Yield the average of the outputs after every iteration."""
    network = nn.Sequential(
        SkipScale(_DEPTH, width, _SCALES),
        nn.Conv2d(width, target.shape[1], 1),
        nn.Sigmoid(),
    ).to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    start = torch.rand(1, _DEPTH, *target.shape[-2:]) / 10
    average, decay = torch.zeros_like(target), 1.0
    while True:
        made = network(start + _JITTER * torch.randn_like(start))
        _step(optimiser, F.mse_loss(made, target))
        average, decay = average.lerp(made.detach(), 1 - _AVERAGE), decay * _AVERAGE
        yield average / (1 - decay)  # without what it started from


def zero_shot_noise2noise(
    noisy: Image, limit: float, seed: int = 0
) -> Iterator[Reading]:
    """Learn one half of the pixels from the other (Mansour and Heckel, CVPR 2023)."""
    torch.manual_seed(seed)
    images = zero_shot_steps(_tensor(noisy))
    yield from _read(images, ZS_AT, limit, noisy.shape)


def zero_shot_steps(noisy: Tensor) -> Iterator[Tensor]:
    """Yield the denoised image as it was before every step.

    Three convolutions tell the noise; the rate is halved every 1000 iterations.
    """
    channels = noisy.shape[1]
    network = nn.Sequential(
        nn.Conv2d(channels, 48, 3, padding=1),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(48, 48, 3, padding=1),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(48, channels, 1),
    ).to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, step_size=1000, gamma=0.5)
    pair = halves(noisy)
    while True:
        clean = noisy - network(noisy)
        _step(optimiser, zero_shot_loss(network, pair, halves(clean)))
        schedule.step()
        yield clean.detach()


def zero_shot_loss(
    network: nn.Module, pair: tuple[Tensor, Tensor], clean: tuple[Tensor, Tensor]
) -> Tensor:
    """Return how far each half is from the other denoised, and from the whole's."""
    first, second = (half - network(half) for half in pair)
    residual = F.mse_loss(first, pair[1]) + F.mse_loss(second, pair[0])
    consistency = F.mse_loss(first, clean[0]) + F.mse_loss(second, clean[1])
    return (residual + consistency) / 2


def halves(image: Tensor) -> tuple[Tensor, Tensor]:
    """Return the means of either diagonal of every 2 x 2 pixels."""
    upper, lower = image[..., ::2, :], image[..., 1::2, :]
    rows = min(upper.shape[-2], lower.shape[-2])
    columns = image.shape[-1] // 2 * 2
    upper, lower = upper[..., :rows, :columns], lower[..., :rows, :columns]
    return (
        (upper[..., 1::2] + lower[..., ::2]) / 2,
        (upper[..., ::2] + lower[..., 1::2]) / 2,
    )


def _step(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def _read(
    images: Iterator[Tensor], marks: Iterable[int], limit: float, shape: tuple[int, ...]
) -> Iterator[Reading]:
    """Yield the images at the marks that will be reached within the limit."""
    seconds, done = 0.0, 0
    for mark in marks:
        if done and seconds / done * mark > limit:
            return
        begun = time.perf_counter()
        for _ in range(mark - done):
            image = next(images)
        seconds, done = seconds + time.perf_counter() - begun, mark
        planes = image[0].permute(1, 2, 0).numpy().reshape(shape)
        yield mark, planes.clip(0, 1) * RANGE, seconds


def _tensor(noisy: Image) -> Tensor:
    planes = np.moveaxis(np.atleast_3d(noisy.astype(np.float32)), -1, 0) / RANGE
    return torch.from_numpy(np.ascontiguousarray(planes))[None]
