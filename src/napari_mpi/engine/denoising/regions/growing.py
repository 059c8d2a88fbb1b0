"""A volume's result while it is made: what is done of it, and its source elsewhere."""

import numpy as np
from numpy.typing import NDArray

from napari_mpi.engine.denoising.regions.layout import in_store
from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.files.metadata import ImageFile
from napari_mpi.engine.files.ngff.unfinished import Unfinished
from napari_mpi.engine.images.arrays import LazyArray
from napari_mpi.engine.images.axes import Index


class GrowingVolume(LazyArray):
    """Reads what is done from the unfinished result, and the rest from the source.

    Parameters
    ----------
    image : ImageFile
        The source.
    unfinished : Unfinished
        The result.
    """

    def __init__(self, image: ImageFile, unfinished: Unfinished) -> None:
        self.shape = tuple(image.array.shape)
        self.dtype = np.dtype(image.array.dtype)
        self._image, self._unfinished = image, unfinished
        self._done: dict[tuple[int, ...], tuple[slice, ...]] = {}

    def add(self, slab: tuple[slice, ...]) -> None:
        """Note that a slab is done; any thread may be reading meanwhile."""
        self._done[tuple(part.start for part in slab)] = slab

    def read(self, index: Index) -> NDArray[np.generic]:
        """Return a part."""
        wanted = [
            part if isinstance(part, slice) else slice(part, part + 1, 1)
            for part in index
        ]
        result = np.array(self._image.array[tuple(wanted)])
        for slab in list(self._done.values()):
            found = [
                _overlap(part, own) for part, own in zip(wanted, slab, strict=True)
            ]
            if all(len(numbers) for numbers, _ in found):
                place = tuple(
                    slice(numbers[0], numbers[-1] + 1) for numbers, _ in found
                )
                at = np.ix_(*(at for _, at in found))
                whole = self._of_result(place)
                result[at] = whole[
                    np.ix_(*(numbers - numbers[0] for numbers, _ in found))
                ]
        return result[tuple(0 if isinstance(p, int) else slice(None) for p in index)]

    def _of_result(self, place: tuple[slice, ...]) -> NDArray[np.generic]:
        """Read a part of the result, wherever it is by now."""
        stored, _, axes = in_store(self._image, place, np.empty((0,) * len(place)))
        block = self._unfinished.read(stored)
        if block is None:  # it has its name by now
            array = read_image(self._unfinished.output, lazy=True).array
            return np.asarray(array[place])
        return block.transpose([axes.index(letter) for letter in self._image.axes])


def _overlap(part: slice, slab: slice) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which numbers of a part lie in a slab, and where they are in the part."""
    numbers = np.arange(part.start, part.stop, part.step or 1)
    inside = np.flatnonzero((numbers >= slab.start) & (numbers < slab.stop))
    return numbers[inside], inside
