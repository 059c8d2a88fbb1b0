"""Arrays larger than the memory, a block at a time: cut, rearranged, written out."""

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from napari_mpi.engine.images.arrays import ArrayLike, LazyArray
from napari_mpi.engine.images.axes import Index

BLOCK = 1 << 23
"""Bytes of pixels that are held at once while an image is copied."""


class Rearranged(LazyArray):
    """Another array with its dimensions in another order, read when it is asked for.

    Parameters
    ----------
    source : ArrayLike
        The other array.
    order : sequence of int
        Which dimension of the source comes first, second and so on.
    """

    def __init__(self, source: ArrayLike, order: Sequence[int]) -> None:
        self._source, self._order = source, tuple(order)
        self.shape = tuple(source.shape[n] for n in self._order)
        self.dtype = np.dtype(source.dtype)

    def read(self, index: Index) -> NDArray[np.generic]:
        """Return a part."""
        of_source = dict(zip(self._order, index, strict=True))
        found = np.asarray(self._source[tuple(of_source[n] for n in sorted(of_source))])
        left = [n for n in sorted(of_source) if isinstance(of_source[n], slice)]
        wanted = [n for n in self._order if n in left]
        return found.transpose([left.index(n) for n in wanted])


def rearranged(array: Any, axes: str, wanted: str) -> Any:
    """Return an array with its axes in another order, unread if it is lazy.

    Parameters
    ----------
    array : array-like
        A numpy array gives a view.
    axes, wanted : str
        The same letters, as they are and as they shall be.
    """
    order = [axes.index(letter) for letter in wanted]
    if order == list(range(len(order))):
        return array
    if isinstance(array, np.ndarray):
        return array.transpose(order)
    return Rearranged(array, order)


def blocks(
    shape: tuple[int, ...], itemsize: int, most: int = BLOCK
) -> Iterator[tuple[int | slice, ...]]:
    """Yield indices that cut an array into runs of elements that follow each other.

    Parameters
    ----------
    shape : tuple of int
        Of the array, whose last dimension runs fastest.
    itemsize : int
        Bytes of an element.
    most : int
        Bytes that a block shall not exceed.
    """
    cut, inside = 0, itemsize
    for n in range(len(shape) - 1, 0, -1):
        if inside * shape[n] > most:
            cut = n
            break
        inside *= shape[n]
    inside = itemsize * math.prod(shape[cut + 1 :])
    step, rest = max(1, most // inside), (slice(None),) * (len(shape) - cut - 1)
    for place in itertools.product(*map(range, shape[:cut])):
        for first in range(0, shape[cut], step):
            yield (*place, slice(first, min(first + step, shape[cut])), *rest)


def write_blocks(file: BinaryIO, array: ArrayLike, dtype: np.dtype[Any]) -> None:
    """Write all elements to a file from where it stands, the last dimension fastest.

    Written and not mapped: of a disk that fills up, a mapping tells nobody.

    Parameters
    ----------
    file : binary file
        Open for writing.
    array : ArrayLike
        It is read a block at a time.
    dtype : numpy.dtype
        Type in the file, with its byte order.
    """
    for index in blocks(array.shape, np.dtype(array.dtype).itemsize):
        file.write(np.ascontiguousarray(array[index], dtype).data)
