"""Batches of random crops, prepared in the background in an order that is fixed."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_mpi.engine.pretraining.images import TrainingImage
from napari_mpi.engine.pretraining.views import PLAIN, View, Views

_SPARSE = 0.3  # share of the crops whose neighbours are every second plane


@dataclass(frozen=True, slots=True)
class CropPlan:
    """Where a batch of square crops is, and how they look at their images.

    Parameters
    ----------
    images : NDArray
        Shape (N,), int: the number of each crop's image.
    corners : NDArray
        Shape (N, 2), int: its first row and column.
    views : tuple of View
        How it looks at its image.
    turned : NDArray
        Shape (N, 3), bool: whether a crop is mirrored along X, along Y, and has its
        axes exchanged; so that each of the eight ways to lay a square comes up.
    size, channels : int
        Side and channels of the crops.
    """

    images: NDArray[np.int64] = field(repr=False)
    corners: NDArray[np.int64] = field(repr=False)
    views: tuple[View, ...] = field(repr=False)
    turned: NDArray[np.bool_] = field(repr=False)
    size: int
    channels: int


class Crops(Protocol):
    """Crops that can be had on a device."""

    def to(self, device: torch.device | str) -> Tensor:
        """Return them: (N, C, Y, X), float32, 0..1, turned."""


Cut = Callable[[CropPlan], Crops]


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
        As of `CropPlan`.
    """

    pixels: NDArray[np.float32] = field(repr=False)
    low: NDArray[np.float32] = field(repr=False)
    high: NDArray[np.float32] = field(repr=False)
    turned: NDArray[np.bool_] = field(repr=False)

    def to(self, device: torch.device | str) -> Tensor:
        """Return the crops on a device: (N, C, Y, X), float32, 0..1, turned."""
        crops = sent(self.pixels, device)
        low, high = (
            sent(limit, device).reshape(-1, 1, 1, 1) for limit in (self.low, self.high)
        )
        return turn((crops - low) / (high - low), sent(self.turned, device))


def sent(array: NDArray[Any], device: torch.device | str) -> Tensor:
    """Return an array on a device; a GPU at work is not waited for."""
    tensor = torch.from_numpy(array)
    if torch.device(device).type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def turn(crops: Tensor, turned: Tensor) -> Tensor:
    """Mirror and turn square crops, each as its row of ``turned`` says, (N, 3)."""
    turned = turned.reshape(-1, 3, 1, 1, 1)
    for number, turning in enumerate(_TURNS):
        crops = torch.where(turned[:, number], turning(crops), crops)
    return crops


_TURNS: tuple[Callable[[Tensor], Tensor], ...] = (
    lambda crops: crops.flip(-1),
    lambda crops: crops.flip(-2),
    lambda crops: crops.transpose(-1, -2),
)


def plan_crops(
    images: Sequence[TrainingImage],
    *,
    count: int,
    size: int,
    channels: int,
    rng: np.random.Generator,
    views: Views = PLAIN,
    neighbours: int = 0,
) -> CropPlan:
    """Choose squares of randomly chosen images, to be mirrored and turned at random.

    With neighbours each square comes ``2 * neighbours + 1`` times in a row: from the
    planes of a stack around the one chosen, or of that one alone if it has not as many.

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
    neighbours : int
        Planes on either side.
    """
    chosen = rng.integers(len(images), size=count)
    places = rng.random((count, 2))
    turned = rng.integers(2, size=(count, 3)).astype(bool)
    shapes = [images[number].shape for number in chosen]
    drawn = tuple(
        views.draw(shape, size=size, channels=channels, rng=rng) for shape in shapes
    )
    free = [
        [side - size * view.step + 1 for side in shape[1:]]
        for shape, view in zip(shapes, drawn, strict=True)
    ]
    corners = (places * np.array(free)).astype(np.int64)
    plan = CropPlan(chosen, corners, drawn, turned, size, channels)
    return _with_neighbours(plan, images, neighbours, rng) if neighbours else plan


def _with_neighbours(
    plan: CropPlan,
    images: Sequence[TrainingImage],
    neighbours: int,
    rng: np.random.Generator,
) -> CropPlan:
    """Repeat every crop for the planes around it."""
    times = np.arange(-neighbours, neighbours + 1)
    strides = 1 + (rng.random(len(plan.images)) < _SPARSE)
    rows = [
        _around(images, int(number), stride * times)
        for number, stride in zip(plan.images, strides, strict=True)
    ]
    frames = len(times)
    return CropPlan(
        np.concatenate(rows),
        plan.corners.repeat(frames, axis=0),
        tuple(view for view in plan.views for _ in times),
        plan.turned.repeat(frames, axis=0),
        plan.size,
        plan.channels,
    )


def _around(
    images: Sequence[TrainingImage], number: int, steps: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the numbers of the planes around one, or its own if one is missing."""
    around = number + steps
    if around[0] < 0 or around[-1] >= len(images):
        return np.full(len(steps), number)
    middle = images[number]
    are_there = all(
        images[n].is_beside(middle, int(step))
        for n, step in zip(around, steps, strict=True)
    )
    return around if are_there else np.full(len(steps), number)


def cut_from(images: Sequence[TrainingImage]) -> Cut:
    """Return what cuts crops out of images in memory."""

    def cut(plan: CropPlan) -> CropBatch:
        shape = (len(plan.views), plan.channels, plan.size, plan.size)
        pixels = np.empty(shape, np.float32)
        chosen = [images[number] for number in plan.images]
        for square, image, (top, left), view in zip(
            pixels, chosen, plan.corners, plan.views, strict=True
        ):
            square[:] = image.cut(top, left, plan.size, plan.channels, view)
        low = np.array([image.low for image in chosen], np.float32)
        high = np.array([image.high for image in chosen], np.float32)
        return CropBatch(pixels, low, high, plan.turned)

    return cut


def batch_generator(seed: int, step: int, rank: int = 0) -> np.random.Generator:
    """Return the source of all randomness of one step of one process.

    Every step has its own, so that a run that is resumed draws what it would have
    drawn, and no state of a generator needs to be kept.
    """
    return np.random.default_rng([seed, step, rank])


def batches(
    images: Sequence[TrainingImage],
    cut: Cut,
    *,
    count: int,
    size: int,
    channels: int,
    seed: int,
    first: int,
    views: Views = PLAIN,
    neighbours: int = 0,
    rank: int = 0,
    workers: int = 4,
    ahead: int = 8,
) -> Iterator[tuple[Crops, int]]:
    """Yield the crops of step ``first``, ``first + 1``, ... and a seed for the rest.

    Threads prepare up to ``ahead`` batches while the network is busy. Closing the
    iterator stops them.

    Parameters
    ----------
    images : sequence of TrainingImage
        Where to cut.
    cut : callable
        What cuts: `cut_from`, or the ``cut`` of `on_device.ImagesOnDevice`.
    count, size, channels, views, neighbours
        As of `plan_crops`.
    seed, first, rank : int
        Of the randomness, see `batch_generator`.
    workers, ahead : int
        Threads, and batches that they prepare in advance.

    Yields
    ------
    tuple of Crops and int
        The crops, and the seed of noise and masks of this step.
    """

    def prepare(step: int) -> tuple[Crops, int]:
        rng = batch_generator(seed, step, rank)
        plan = plan_crops(
            images,
            count=count,
            size=size,
            channels=channels,
            rng=rng,
            views=views,
            neighbours=neighbours,
        )
        return cut(plan), int(rng.integers(2**62))

    pool = ThreadPoolExecutor(workers, thread_name_prefix="crops")
    waiting: deque[Future[tuple[Crops, int]]] = deque()
    step = first
    try:
        while True:
            while len(waiting) < ahead:
                waiting.append(pool.submit(prepare, step))
                step += 1
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
