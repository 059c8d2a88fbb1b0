"""Fills the slabs of a volume's regions by what was adapted to the whole of it."""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_mpi.engine.denoising.adapted.kept import Adapted, AdaptedChannel
from napari_mpi.engine.denoising.adapted.tile_filling import TileFilling, largest_tile
from napari_mpi.engine.denoising.neighbours.reader import AveragingReader, Reader
from napari_mpi.engine.denoising.noisy import kept_marks
from napari_mpi.engine.denoising.planes import Plane
from napari_mpi.engine.denoising.regions.grid import Region, planes_in
from napari_mpi.engine.denoising.task import Task
from napari_mpi.engine.filling.adaptation import Adaptation
from napari_mpi.engine.filling.passes import Filled
from napari_mpi.engine.images.arrays import ArrayLike
from napari_mpi.engine.images.axes import Index
from napari_mpi.engine.images.marks import Mark, counted
from napari_mpi.engine.settings.filling import FillingConfig

Array = NDArray[np.generic]


@dataclass(slots=True)
class FilledSlab:
    """Some planes of a region, as they become.

    Parameters
    ----------
    block : NDArray
        The pixels, in the order of the image; at first those of the source.
    marks : NDArray
        How many pixels have each `Mark`.
    merged : bool
        Whether the pixels' own values were merged in.
    """

    block: Array = field(repr=False)
    marks: NDArray[np.int64]
    merged: bool = True


class RegionFilling:
    """Fills slabs of an image, whichever and in whatever order.

    Parameters
    ----------
    task : Task
        What to do.
    adapted : Adapted
        What was adapted to the whole image.
    image : ArrayLike
        What to read: that of the task, or one that keeps what is needed again.
    """

    def __init__(self, task: Task, adapted: Adapted, image: ArrayLike) -> None:
        self._task, self._adapted, self._image = task, adapted, image
        self._planes = task.layout.planes()
        self._numbers = {task.layout.numbers(p): n for n, p in enumerate(self._planes)}
        self._channels: dict[int, tuple[Reader, TileFilling]] = {}

    def fill(
        self, region: Region, slab: tuple[slice, ...]
    ) -> Generator[float, None, FilledSlab]:
        """Fill a slab.

        Parameters
        ----------
        region : Region
            Its rows and columns are filled together.
        slab : tuple of slice
            One of its slabs.

        Yields
        ------
        float
            Share that is done, 0..1.
        """
        block = np.array(self._image[slab])
        filled = FilledSlab(block, np.zeros(len(Mark), np.int64))
        places = list(planes_in(slab, region.axes))
        for done, place in enumerate(places):
            number = self._numbers[place]
            for share in self._fill_plane(number, region, slab, filled):
                yield (done + share) / len(places)
        block.flags.writeable = False
        return filled

    def _fill_plane(
        self,
        number: int,
        region: Region,
        slab: tuple[slice, ...],
        filled: FilledSlab,
    ) -> Generator[float, None, None]:
        item, place = divmod(number, self._per_item)
        channel = self._adapted.channels[item]
        if not channel.is_filled:
            rows, columns = region.window
            area = (rows.stop - rows.start) * (columns.stop - columns.start)
            filled.marks[Mark.CONSTANT] += area
            return
        reader, filling = self._channel(item, channel)
        plane, config = reader.planes[place], channel.config
        parts = filling.fill(plane, reader, config, within=region.window)
        with closing(parts):
            for part in parts:
                if part.image is not None:
                    self._put(plane, part, slab, filled, config)
                yield part.share

    def _put(
        self,
        plane: Plane,
        part: Filled,
        slab: tuple[slice, ...],
        filled: FilledSlab,
        config: FillingConfig,
    ) -> None:
        """Put what a tile was filled with where it belongs."""
        assert part.image is not None
        at = _within(plane.part(part.window), slab)
        own, image = filled.block[at], part.image.to("cpu").numpy()
        marks = kept_marks(part.marks, hot=config.hot_pixels)
        filled.block[at] = plane.restored(image, own.dtype, marks, own=lambda: own)
        filled.merged = filled.merged and part.merged
        filled.marks += counted(marks, image.shape[-2:])

    def _channel(
        self, item: int, channel: AdaptedChannel
    ) -> tuple[Reader, TileFilling]:
        """Return what reads and fills the planes of a channel."""
        if item not in self._channels:
            task = self._task
            first = item * self._per_item
            indices = self._planes[first : first + self._per_item]
            planes = channel.sample.planes(task.layout, indices, first)
            self._channels[item] = self._reader(channel, planes), self._filling(channel)
        return self._channels[item]

    def _reader(self, channel: AdaptedChannel, planes: list[Plane]) -> Reader:
        task, beside = self._task, channel.neighbours
        plain = Reader(self._image, task.channels, task.device, planes)
        if beside is None or not beside.is_used or channel.models is None:
            return plain
        unadapted = self._adaptation(channel)
        return AveragingReader(
            plain,
            reach=beside.reach,
            predict=unadapted.predict,
            models=channel.models,
        )

    def _filling(self, channel: AdaptedChannel) -> TileFilling:
        adaptation = self._adaptation(channel)
        if channel.weights:
            on_device = {n: w.to(self._task.device) for n, w in channel.weights.items()}
            adaptation.restore(on_device)
        filling = TileFilling(
            adaptation.network,
            adaptation.predict,
            channel.config.factors,
            images=channel.images,
            device=self._task.device,
            largest=largest_tile(self._task.tile, channel.config, self._task.device),
        )
        filling.models = channel.models
        return filling

    def _adaptation(self, channel: AdaptedChannel) -> Adaptation:
        device = self._task.device
        network = self._task.weights.to_network(device)
        return Adaptation(network, channel.config, device, captures=False)

    @property
    def _per_item(self) -> int:
        layout = self._task.layout
        return layout.plane_count // layout.channel_count


def _within(index: Index, slab: tuple[slice, ...]) -> Index:
    """Return where a part of the image is in a slab of it."""
    return tuple(
        part - whole.start
        if isinstance(part, int)
        else slice(part.start - whole.start, part.stop - whole.start)
        for part, whole in zip(index, slab, strict=True)
    )
