"""Chunks of an array that are read once, and kept while there is room."""

import itertools
import math
from collections import OrderedDict
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from napari_mpi.engine.images.arrays import ArrayLike, LazyArray
from napari_mpi.engine.images.axes import Index

Array = NDArray[np.generic]


class CachedChunks(LazyArray):
    """Another array, whose chunks are kept since their neighbours need them too.

    Parameters
    ----------
    source : ArrayLike
        The other array.
    chunks : tuple of int
        What of it is read at once, along every dimension.
    room : int
        Bytes that may be kept; one chunk is kept at least.
    """

    def __init__(self, source: ArrayLike, chunks: tuple[int, ...], room: int) -> None:
        self.shape, self.dtype = tuple(source.shape), np.dtype(source.dtype)
        self._source, self._chunks, self._room = source, chunks, room
        self._kept: OrderedDict[tuple[int, ...], Array] = OrderedDict()
        self._taken = 0

    def read(self, index: Index) -> Array:
        """Return a copy of a part."""
        parts = [p if isinstance(p, slice) else slice(p, p + 1, 1) for p in index]
        result = np.empty([len(_numbers(p)) for p in parts], self.dtype)
        for place in self._places(parts):
            first = [n * c for n, c in zip(place, self._chunks, strict=True)]
            inside, at = zip(
                *(
                    _overlap(part, start, chunk)
                    for part, start, chunk in zip(
                        parts, first, self._chunks, strict=True
                    )
                ),
                strict=True,
            )
            result[at] = self._chunk(place)[inside]
        return result[tuple(0 if isinstance(p, int) else slice(None) for p in index)]

    def _places(self, parts: list[slice]) -> Iterator[tuple[int, ...]]:
        """Yield the numbers of the chunks that a part lies in."""
        ranges = [
            range(part.start // chunk, -(-part.stop // chunk))
            for part, chunk in zip(parts, self._chunks, strict=True)
        ]
        return itertools.product(*ranges)

    def _chunk(self, place: tuple[int, ...]) -> Array:
        if place not in self._kept:
            index = tuple(
                slice(n * chunk, min((n + 1) * chunk, length))
                for n, chunk, length in zip(
                    place, self._chunks, self.shape, strict=True
                )
            )
            size = self.dtype.itemsize * math.prod(s.stop - s.start for s in index)
            while self._kept and self._taken + size > self._room:
                self._taken -= self._kept.popitem(last=False)[1].nbytes
            self._kept[place] = np.asarray(self._source[index])
            self._taken += size
        self._kept.move_to_end(place)
        return self._kept[place]


def _numbers(part: slice) -> range:
    return range(part.start, part.stop, part.step or 1)


def _overlap(part: slice, start: int, chunk: int) -> tuple[slice, slice]:
    """Return what of a chunk a part takes, and where that goes in the part."""
    step = part.step or 1
    skipped = max(0, -(-(start - part.start) // step))
    first = part.start + skipped * step
    count = len(range(first, min(part.stop, start + chunk), step))
    stop = first - start + max(0, (count - 1) * step + 1)
    return slice(first - start, stop if count else first - start, step), slice(
        skipped, skipped + count
    )
