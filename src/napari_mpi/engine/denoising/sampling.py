"""A sample of an item: its range of intensities, and windows to adapt to."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_mpi.engine.images.arrays import ArrayLike
from napari_mpi.engine.images.axes import ImageAxes, Index
from napari_mpi.engine.images.intensity import (
    IntensityMap,
    measure,
    require_usable,
    together,
)
from napari_mpi.engine.images.tiles import Window, evenly, middle, tiles

Array = NDArray[np.generic]

SAMPLED_PLANES = 32
"""Planes of an item that are read before the first is filled, at the most."""

WINDOWS = 16
"""Windows that a stack or a large plane is adapted on; see `benchmarks/stacks.py`."""

_BLOCK = 1024  # pixels along each axis that are read at once


@dataclass(frozen=True, slots=True)
class Sample:
    """What was found in an item.

    Parameters
    ----------
    intensities : IntensityMap
        The item's range of intensities.
    windows : list of NDArray
        Each of shape (C, Y, X), in the image's units, all of one size.
    """

    intensities: IntensityMap
    windows: list[Array] = field(repr=False)


def take_sample(
    image: ArrayLike,
    layout: ImageAxes,
    item: Sequence[Index],
    *,
    side: int,
    seed: int,
    thorough: bool = False,
    opponents: bool = False,
) -> Generator[float, None, Sample]:
    """Measure the intensities of an item, and cut windows out of it at random.

    Every plane is read once, in blocks, or, of an item with many, planes at even
    distances; the windows are spread evenly over what is read.

    Parameters
    ----------
    image : ArrayLike
        The image.
    layout : ImageAxes
        Its axes.
    item : sequence of tuple
        Index of every plane of the item.
    side : int
        Rows and columns of a window, less where the planes are smaller; 0 for none.
    seed : int
        Source of the randomness.
    thorough : bool
        Whether to read all planes, however many there are.
    opponents : bool
        Whether the network is to see the colours by their opponents.

    Yields
    ------
    float
        Share that has been read, 0..1.

    Raises
    ------
    ImageError
        If the image holds values that are not finite.
    """
    count = len(item) if thorough else min(SAMPLED_PLANES, len(item))
    planes = evenly(item, count)
    blocks = [tile.core for tile in tiles(layout.plane_shape, _BLOCK)]
    places = _window_places(count, blocks, side, seed)
    windows: dict[int, Array] = {}
    parts = []
    for number in range(count * len(blocks)):
        plane, block = planes[number // len(blocks)], blocks[number % len(blocks)]
        raw = np.asarray(image[layout.part(plane, block)])
        require_usable(raw)
        values = layout.channels_first(raw)
        parts.append(measure([values], opponents=opponents))
        for order, place in places.get(number, []):
            windows[order] = values[(..., *place)].copy()
        yield (number + 1) / (count * len(blocks))
    intensities = together(parts, is_sampled=count < len(item))
    return Sample(intensities, [windows[order] for order in sorted(windows)])


def require_finite(image: ArrayLike, layout: ImageAxes) -> None:
    """Raise ImageError unless all of an image is finite; reads it, if it holds reals.

    For asking before hours of work, not after.
    """
    if np.dtype(image.dtype).kind == "f":
        for plane in layout.planes():
            for tile in tiles(layout.plane_shape, _BLOCK):
                require_usable(np.asarray(image[layout.part(plane, tile.core)]))


def _window_places(
    planes: int, blocks: list[Window], side: int, seed: int
) -> dict[int, list[tuple[int, Window]]]:
    """Return windows' order and place, by the number of the block that they lie in."""
    rng = np.random.default_rng(seed)
    total = planes * len(blocks)
    sizes = [(rows.stop - rows.start, cols.stop - cols.start) for rows, cols in blocks]
    lengths = [min(side, *along) for along in zip(*sizes, strict=True)]
    found: dict[int, list[tuple[int, Window]]] = {}
    taken = set()
    for order in rng.permutation(WINDOWS if side else 0):
        number = (2 * int(order) + 1) * total // (2 * WINDOWS)
        room = sizes[number % len(blocks)]
        starts = [
            int(rng.integers(have - want + 1))
            for have, want in zip(room, lengths, strict=True)
        ]
        if (number, *starts) not in taken:  # as of planes no larger than a window
            taken.add((number, *starts))
            rows, cols = (
                slice(start, start + want)
                for start, want in zip(starts, lengths, strict=True)
            )
            found.setdefault(number, []).append((len(taken), (rows, cols)))
    return found


PLANES = 4
"""Planes of an item, at even distances, whose noise is judged, at the most."""

_SIDE, _ONLY_SIDE = 256, 512  # pixels of each along an axis; of a single one


def windows_to_judge(
    image: ArrayLike,
    layout: ImageAxes,
    planes: Sequence[Index],
    intensities: IntensityMap,
) -> Tensor:
    """Cut out what an item's noise is judged by: the middle of up to four planes.

    Parameters
    ----------
    image : ArrayLike
        The image.
    layout : ImageAxes
        Its axes.
    planes : sequence of tuple
        Index of every plane of the item.
    intensities : IntensityMap
        That of the item.

    Returns
    -------
    Tensor
        Shape (N, C, Y, X), float32, in network units.

    Raises
    ------
    ImageError
        If it holds values that are not finite.
    """
    window = middle(layout.plane_shape, _SIDE if len(planes) > 1 else _ONLY_SIDE)
    parts = []
    for index in evenly(planes, PLANES):
        raw = np.asarray(image[layout.part(index, window)])
        require_usable(raw)
        values = intensities.to_network(layout.channels_first(raw))
        parts.append(torch.from_numpy(np.ascontiguousarray(values)))
    return torch.stack(parts)
