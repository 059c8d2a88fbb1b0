"""How a volume is cut into regions, and where these lie in a file."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_mpi.engine.denoising.adapted.kept import Adapted
from napari_mpi.engine.denoising.adapted.tile_filling import halo_of
from napari_mpi.engine.denoising.regions.cached import CachedChunks
from napari_mpi.engine.denoising.regions.grid import Extents, Grid, grid_of, needed
from napari_mpi.engine.denoising.task import Task
from napari_mpi.engine.files.metadata import ImageFile
from napari_mpi.engine.files.ngff.framing import framed
from napari_mpi.engine.files.ngff.metadata import NgffSource, stored_axes
from napari_mpi.engine.images.arrays import ArrayLike
from napari_mpi.engine.runtime.memory import free_memory

_ENOUGH = 1 << 30  # bytes of chunks that are kept while it is adapted
_SHARE = 0.25  # of the free memory, for chunks that are needed again


def grid_for(image: ImageFile, task: Task, adapted: Adapted) -> Grid:
    """Cut a volume into regions of whole chunks of its result.

    Parameters
    ----------
    image : ImageFile
        What the file says.
    task : Task
        What to do with its pixels.
    adapted : Adapted
        By which follows how far is looked beyond a region.
    """
    frame = framed(image, {})
    units = dict(zip(frame.axes, frame.unit, strict=True))
    return grid_of(
        Extents(
            axes=image.axes,
            shape=tuple(image.array.shape),
            unit=tuple(units[letter] for letter in image.axes),
            chunk=_chunks(image) or (1,) * len(image.axes),
            halo=_halo(task, adapted),
            itemsize=np.dtype(image.array.dtype).itemsize,
        )
    )


def _halo(task: Task, adapted: Adapted) -> dict[str, int]:
    network, found = task.weights.to_network(), {"Y": 0, "X": 0}
    for channel in adapted.channels.values():
        if not channel.is_filled:
            continue
        seen = halo_of(network, channel.config.factors)
        reach = {} if channel.neighbours is None else channel.neighbours.reach
        for letter, far in {"Y": seen, "X": seen, **reach}.items():
            found[letter] = max(found.get(letter, 0), far)
    return found


def _chunks(image: ImageFile) -> tuple[int, ...] | None:
    """Return what of an image is read at once; None where that is no matter."""
    source = image.metadata.source
    if not isinstance(source, NgffSource) or not source.levels:
        return None
    read = dict(zip(source.axes, source.levels[0].chunks, strict=True))
    return tuple(read[letter] for letter in image.axes)


def cached(image: ImageFile, task: Task, grid: Grid | None = None) -> ArrayLike:
    """Return the pixels of a volume; of one in chunks, what is needed again is kept.

    Parameters
    ----------
    image : ImageFile
        What the file says.
    task : Task
        What to do with its pixels.
    grid : Grid, optional
        Its regions, by which follows how much is kept.
    """
    chunks = _chunks(image)
    if chunks is None:
        return task.image
    room = int(_SHARE * free_memory())
    enough = _ENOUGH if grid is None else 2 * needed(grid.extents, list(grid.steps))
    return CachedChunks(task.image, chunks, min(room, enough))


def in_store(
    image: ImageFile, index: tuple[slice, ...], block: NDArray[np.generic]
) -> tuple[tuple[slice, ...], NDArray[np.generic], str]:
    """Return where a part is stored, its pixels in that order, and the axes.

    Parameters
    ----------
    image : ImageFile
        Its axes count.
    index : tuple of slice
        Where it is in the image.
    block : NDArray
        Its pixels.
    """
    axes = stored_axes(image.axes)
    order = [image.axes.index(letter) for letter in axes]
    return tuple(index[n] for n in order), block.transpose(order), axes


def told(grid: Grid) -> dict[str, Any]:
    """Return a grid as JSON values."""
    known = grid.extents
    names = ("axes", "shape", "unit", "chunk", "halo", "itemsize")
    return {name: getattr(known, name) for name in names} | {"steps": grid.steps}


def grid_from(said: Mapping[str, Any]) -> Grid:
    """Return the grid that `told` tells of."""
    extents = Extents(
        axes=said["axes"],
        shape=tuple(said["shape"]),
        unit=tuple(said["unit"]),
        chunk=tuple(said["chunk"]),
        halo=dict(said["halo"]),
        itemsize=said["itemsize"],
    )
    return Grid(extents, tuple(said["steps"]))
