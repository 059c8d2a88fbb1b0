"""Batches of random crops, prepared in the background in an order that is fixed."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_mpi.engine.pretraining.images import TrainingImage
from napari_mpi.engine.pretraining.views import PLAIN, Views


@dataclass(frozen=True, slots=True)
class CropBatch:
    """Crops as they were cut, and what the device is left to do with them.

    Threads that cut share one interpreter, so they only copy.

    Parameters
    ----------
    pixels : NDArray
        Shape (N, C, Y, X), float32, in the units of the files; Y = X.
    low, high : NDArray
        Shape (N,), float32: the values that become 0 and 1.
    turned : NDArray
        Shape (N, 3), bool: whether a crop is mirrored along X, along Y, and has its
        axes exchanged; so that each of the eight ways to lay a square comes up.
    """

    pixels: NDArray[np.float32] = field(repr=False)
    low: NDArray[np.float32] = field(repr=False)
    high: NDArray[np.float32] = field(repr=False)
    turned: NDArray[np.bool_] = field(repr=False)

    def to(self, device: torch.device | str) -> Tensor:
        """Return the crops on a device: (N, C, Y, X), float32, 0..1, turned."""
        crops = torch.from_numpy(self.pixels).to(device)
        low, high = (
            torch.from_numpy(limit).to(device).reshape(-1, 1, 1, 1)
            for limit in (self.low, self.high)
        )
        crops = (crops - low) / (high - low)
        turned = torch.from_numpy(self.turned).to(device).reshape(-1, 3, 1, 1, 1)
        for number, turn in enumerate(_TURNS):
            crops = torch.where(turned[:, number], turn(crops), crops)
        return crops


_TURNS: tuple[Callable[[Tensor], Tensor], ...] = (
    lambda crops: crops.flip(-1),
    lambda crops: crops.flip(-2),
    lambda crops: crops.transpose(-1, -2),
)


def crop_batch(
    images: Sequence[TrainingImage],
    *,
    count: int,
    size: int,
    channels: int,
    rng: np.random.Generator,
    views: Views = PLAIN,
) -> CropBatch:
    """Cut squares out of randomly chosen images, to be mirrored and turned at random.

    Parameters
    ----------
    images : sequence of TrainingImage
        Where to cut, each as likely as the others.
    count, size, channels : int
        Number, side and channels of the squares.
    rng : numpy.random.Generator
        Source of the randomness.
    views : Views
        How each crop looks at its image.
    """
    chosen = [images[n] for n in rng.integers(len(images), size=count)]
    corners = rng.random((count, 2))
    turned = rng.integers(2, size=(count, 3)).astype(bool)
    pixels = np.empty((count, channels, size, size), np.float32)
    for square, image, (down, right) in zip(pixels, chosen, corners, strict=True):
        view = views.draw(image.shape, size=size, channels=channels, rng=rng)
        height, width = (side - size * view.step + 1 for side in image.shape[1:])
        top, left = int(down * height), int(right * width)
        square[:] = image.cut(top, left, size, channels, view)
    low = np.array([image.low for image in chosen], np.float32)
    high = np.array([image.high for image in chosen], np.float32)
    return CropBatch(pixels, low, high, turned)


def batch_generator(seed: int, step: int, rank: int = 0) -> np.random.Generator:
    """Return the source of all randomness of one step of one process.

    Every step has its own, so that a run that is resumed draws what it would have
    drawn, and no state of a generator needs to be kept.
    """
    return np.random.default_rng([seed, step, rank])


def batches(
    images: Sequence[TrainingImage],
    *,
    count: int,
    size: int,
    channels: int,
    seed: int,
    first: int,
    views: Views = PLAIN,
    rank: int = 0,
    workers: int = 4,
    ahead: int = 8,
) -> Iterator[tuple[CropBatch, int]]:
    """Yield the crops of step ``first``, ``first + 1``, ... and a seed for the rest.

    Threads prepare up to ``ahead`` batches while the network is busy. Closing the
    iterator stops them.

    Yields
    ------
    tuple of CropBatch and int
        As of `crop_batch`, and the seed of noise and masks of this step.
    """

    def prepare(step: int) -> tuple[CropBatch, int]:
        rng = batch_generator(seed, step, rank)
        crops = crop_batch(
            images, count=count, size=size, channels=channels, rng=rng, views=views
        )
        return crops, int(rng.integers(2**62))

    pool = ThreadPoolExecutor(workers, thread_name_prefix="crops")
    waiting: deque[Future[tuple[CropBatch, int]]] = deque()
    step = first
    try:
        while True:
            while len(waiting) < ahead:
                waiting.append(pool.submit(prepare, step))
                step += 1
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
