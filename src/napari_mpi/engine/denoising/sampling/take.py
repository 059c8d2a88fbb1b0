"""A sample of an item: its range of intensities, and windows to adapt to."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from napari_mpi.engine.denoising.noisy import Noisy, as_noisy
from napari_mpi.engine.denoising.planes import Plane
from napari_mpi.engine.denoising.sampling.ranges import NoData, Ranges
from napari_mpi.engine.denoising.sampling.windows import Cut, Windows
from napari_mpi.engine.images.arrays import ArrayLike
from napari_mpi.engine.images.axes import ImageAxes, Index
from napari_mpi.engine.images.intensity import ALL_UNKNOWN, IntensityMap, require_exact
from napari_mpi.engine.images.marks import MarkRule
from napari_mpi.engine.images.tiles import evenly, tiles
from napari_mpi.engine.runtime.errors import ImageError

Array = NDArray[np.generic]

SAMPLED_PLANES = 32
"""Planes of an item that are read before the first is filled, at the most."""

_BLOCK = 1024  # pixels along each axis that are read at once
_BLOCKS, _THOROUGH = 512, 8192  # that are read of an item, at the most


@dataclass(frozen=True, slots=True)
class Sample:
    """What was found in an item.

    Parameters
    ----------
    intensities : IntensityMap
        The item's range of intensities.
    rule : MarkRule
        Which of its pixels hold a measurement.
    windows : list of Cut
        All of one size, mostly of pixels that hold a measurement; their planes by
        number within the item.
    flashes : dict
        Ranges of planes that are far brighter than the others, by their number within
        the item.
    """

    intensities: IntensityMap
    rule: MarkRule
    windows: list[Cut] = field(repr=False)
    flashes: dict[int, IntensityMap] = field(default_factory=dict, repr=False)

    @property
    def is_flat(self) -> bool:
        """Whether there is nothing to denoise."""
        return self.intensities.is_flat

    @property
    def is_doubtful(self) -> bool:
        """Whether more must be read to leave out what seems to have no noise."""
        return self.intensities.is_doubtful

    def plane(self, layout: ImageAxes, index: Index, number: int, place: int) -> Plane:
        """Return a plane of the item, with its range and its rule.

        Parameters
        ----------
        layout : ImageAxes
            Axes of the image.
        index : tuple
            The plane's index.
        number, place : int
            Its number in the image, and within the item.
        """
        if place not in self.flashes:
            return Plane(layout, self.intensities, index, number, self.rule)
        rule = MarkRule(self.rule.no_data, self.rule.constants)
        own = self.flashes[place]
        return Plane(layout, own, index, number, rule, is_usual=False)

    def planes(
        self, layout: ImageAxes, indices: Sequence[Index], first: int
    ) -> list[Plane]:
        """Return all planes of the item.

        Parameters
        ----------
        layout : ImageAxes
            Axes of the image.
        indices : sequence of tuple
            Index of every plane of the item.
        first : int
            Number of the first of them in the image.
        """
        return [
            self.plane(layout, index, first + place, place)
            for place, index in enumerate(indices)
        ]

    def noisy(self, windows: Sequence[Cut], channels: int) -> list[Noisy]:
        """Return windows of the item as a network of so many channels takes them."""
        return [
            as_noisy(cut.values, self.intensities, self.rule, channels)
            for cut in windows
        ]


def take_sample(
    image: ArrayLike,
    layout: ImageAxes,
    item: Sequence[Index],
    *,
    side: int,
    seed: int,
    thorough: bool = False,
    opponents: bool = False,
    no_data: NoData = (),
) -> Generator[float, None, Sample]:
    """Measure the intensities of an item, and cut windows out of it at random.

    Every plane is read once, in blocks, or, of an item with many, planes at even
    distances, and of huge planes blocks at even distances; the windows are spread
    evenly over what is read.

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
        Whether to read all planes, however many there are, but for 8,192 blocks of
        1024 x 1024 at the most.
    opponents : bool
        Whether the network is to see the colours by their opponents.
    no_data : tuple of (float, float)
        Ranges of values that stand for no measurement.

    Yields
    ------
    float
        Share that has been read, 0..1.

    Raises
    ------
    ImageError
        If the image holds whole numbers that cannot be computed with.
    """
    most = _THOROUGH if thorough else _BLOCKS
    count = min(len(item), most if thorough else SAMPLED_PLANES)
    planes = evenly(range(len(item)), count)
    every = [tile.core for tile in tiles(layout.plane_shape, _BLOCK)]
    blocks = evenly(every, max(1, most // count))
    windows = Windows(count, blocks, side, seed)
    ranges = Ranges(no_data, opponents=opponents)
    for number in range(count * len(blocks)):
        plane, block = planes[number // len(blocks)], blocks[number % len(blocks)]
        raw = np.asarray(image[layout.part(item[plane], block)])
        require_exact(raw)
        values = layout.channels_first(raw)
        marks = ranges.add(plane, values)
        windows.cut(number, values, marks)
        yield (number + 1) / (count * len(blocks))
    is_sampled = count < len(item) or len(blocks) < len(every)
    intensities, rule, flashes = ranges.together(is_sampled=is_sampled)
    skipped = {n for n, plane in enumerate(planes) if plane in flashes}
    cuts = [replace(cut, plane=planes[cut.plane]) for cut in windows.chosen(skipped)]
    return Sample(intensities, rule, cuts, flashes)


def require_measured(image: ArrayLike, layout: ImageAxes) -> None:
    """Raise ImageError if an image of reals has no finite value; reads up to the first.

    For asking before hours of work, not after.
    """
    if np.dtype(image.dtype).kind != "f":
        return
    blocks = [tile.core for tile in tiles(layout.plane_shape, _BLOCK)]
    for plane in layout.planes():
        for block in blocks:
            if np.isfinite(np.asarray(image[layout.part(plane, block)])).any():
                return
    raise ImageError(ALL_UNKNOWN)
