"""Batches of random crops, prepared in the background in an order that is fixed."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from napari_mpi.engine.pretraining.images import TrainingImage
from napari_mpi.engine.pretraining.views import PLAIN, Views

Crops = NDArray[np.float32]


def crop_batch(
    images: Sequence[TrainingImage],
    *,
    count: int,
    size: int,
    channels: int,
    rng: np.random.Generator,
    views: Views = PLAIN,
) -> Crops:
    """Cut squares out of randomly chosen images, mirrored and turned at random.

    Returns
    -------
    NDArray
        Shape (count, channels, size, size), float32, 0..1.
    """
    batch = np.empty((count, channels, size, size), np.float32)
    for crop in batch:
        image = images[int(rng.integers(len(images)))]
        view = views.draw(image.shape, size=size, channels=channels, rng=rng)
        reach = size * view.step
        top, left = (rng.integers(side - reach + 1) for side in image.shape[1:])
        part = image.crop(int(top), int(left), size, channels, view)
        mirrored, turns = rng.integers(2), int(rng.integers(4))
        part = part[:, :, ::-1] if mirrored else part
        crop[:] = np.rot90(part, turns, axes=(1, 2))
    return batch


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
) -> Iterator[tuple[Crops, int]]:
    """Yield the crops of step ``first``, ``first + 1``, ... and a seed for the rest.

    Threads prepare up to ``ahead`` batches while the network is busy. Closing the
    iterator stops them.

    Yields
    ------
    tuple of NDArray and int
        Crops as of `crop_batch`, and the seed of noise and masks of this step.
    """

    def prepare(step: int) -> tuple[Crops, int]:
        rng = batch_generator(seed, step, rank)
        crops = crop_batch(
            images, count=count, size=size, channels=channels, rng=rng, views=views
        )
        return crops, int(rng.integers(2**62))

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
