"""Results that grow on the disk, and show their source until they do."""

import errno
import itertools
import math
import os
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_mpi.engine.images.arrays import (
    ArrayLike,
    LazyArray,
    full_index,
    length,
    require_room,
)
from napari_mpi.engine.images.axes import ImageAxes, Index
from napari_mpi.engine.images.intensity import exact_float
from napari_mpi.engine.runtime.errors import DiskError
from napari_mpi.engine.runtime.memory import total_memory

Array = NDArray[np.generic]

_PIECE = 1 << 22  # elements that are copied at once


def is_small(image: ArrayLike) -> bool:
    """Whether a copy of an image takes at most a quarter of the memory."""
    size = int(np.prod(image.shape)) * np.dtype(image.dtype).itemsize
    return bool(size <= total_memory() // 4)


class DiskArray(LazyArray):
    """An array of zeros in a file without a name, gone with the program.

    Pages of it are mapped only while it is read or written, so that it counts little in
    the memory of the program.

    Parameters
    ----------
    shape : tuple of int
        Shape.
    dtype : numpy.dtype
        Type.
    folder : Path, optional
        On whose disk; that of temporary files if None.

    Raises
    ------
    OSError
        If the disk has no room for it.
    """

    def __init__(
        self, shape: tuple[int, ...], dtype: Any, folder: Path | None = None
    ) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        weakref.finalize(self, self._file.close)
        require_room(self.nbytes, Path(folder or tempfile.gettempdir()))
        _reserve(self._file.fileno(), max(self.nbytes, 1))

    def read(self, index: Index) -> Array:
        """Return a copy of a part."""
        return np.array(self._mapped("r")[index])

    def __setitem__(self, index: Any, values: Any) -> None:
        self._mapped("r+")[index] = values

    def _mapped(self, mode: Any) -> Any:
        return np.memmap(self._file, self.dtype, mode, shape=self.shape)


class GrowingResult(LazyArray):
    """A result on disk that shows its source wherever nothing was written yet.

    Parameters
    ----------
    source : ArrayLike
        What the result is made from; it is read plane by plane, when asked for.
    layout : ImageAxes
        Its axes.
    folder : Path, optional
        On whose disk the result grows; that of temporary files if None.
    """

    def __init__(
        self, source: ArrayLike, layout: ImageAxes, folder: Path | None = None
    ) -> None:
        self.shape, self.dtype = layout.shape, np.dtype(source.dtype)
        self._source = source
        self._made = DiskArray(self.shape, self.dtype, folder)
        self._inside = [letter in "YXS" for letter in layout.letters]
        self._begun: set[tuple[int, ...]] = set()

    def read(self, index: Index) -> Array:
        """Return a part: what was written, the source elsewhere."""
        kept = [length(part, n) for part, n in zip(index, self.shape, strict=True)]
        result = np.empty(kept, self.dtype)
        for place, plane, at in self._planes(index):
            source = self._made if plane in self._begun else self._source
            part = np.asarray(source[place])
            result[at] = part.reshape(result[at].shape)
        numbers = tuple(0 if isinstance(part, int) else slice(None) for part in index)
        return result[numbers]

    def __setitem__(self, index: Any, values: Any) -> None:
        parts = full_index(index, self.shape)
        new = {plane for _, plane, _ in self._planes(parts)} - self._begun
        for plane in () if self._covers(parts) else new:
            self._begin(plane)
        self._made[parts] = values
        self._begun |= new  # last: somebody may be reading on another thread

    def _begin(self, plane: tuple[int, ...]) -> None:
        """Start a plane with what the source has there, some rows at a time."""
        numbers = iter(plane)
        place = [slice(None) if i else next(numbers) for i in self._inside]
        rows = next(n for n, inside in enumerate(self._inside) if inside)
        sides = [n for n, i in zip(self.shape, self._inside, strict=True) if i]
        step = max(1, _PIECE * self.shape[rows] // math.prod(sides))
        for first in range(0, self.shape[rows], step):
            place[rows] = slice(first, min(first + step, self.shape[rows]))
            self._made[tuple(place)] = np.asarray(self._source[tuple(place)])

    def _covers(self, parts: Index) -> bool:
        """Whether a part holds its planes as a whole."""
        return all(
            not inside or length(part, size) == size
            for part, size, inside in zip(parts, self.shape, self._inside, strict=True)
        )

    def _planes(
        self, index: Index
    ) -> Iterator[tuple[Index, tuple[int, ...], tuple[int | slice, ...]]]:
        """Yield index, number and place within the part of every plane in a part."""
        choices = [
            [(0, part)] if inside else list(enumerate(_numbers(part)))
            for part, inside in zip(index, self._inside, strict=True)
        ]
        for chosen in itertools.product(*choices):
            place = tuple(part for _, part in chosen)  # numbers outside of planes
            at = tuple(
                slice(None) if inside else n
                for (n, _), inside in zip(chosen, self._inside, strict=True)
            )
            plane = tuple(
                part
                for part, inside in zip(place, self._inside, strict=True)
                if isinstance(part, int) and not inside
            )
            yield place, plane, at


def _reserve(file: int, size: int) -> None:
    """Make a file so large, all of it on the disk where the system can do that.

    A mapped page for which there is no room later would end the program.
    """
    os.truncate(file, size)
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file, 0, size)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                raise


def _numbers(part: int | slice) -> range:
    """Return the numbers that a part of a full index stands for."""
    if isinstance(part, slice):
        return range(part.start, part.stop, part.step)
    return range(part, part + 1)


def result_for(image: ArrayLike, layout: ImageAxes, scratch: Path | None = None) -> Any:
    """Return what a result starts from: an array that holds its source.

    Parameters
    ----------
    image : ArrayLike
        The source.
    layout : ImageAxes
        Its axes.
    scratch : Path, optional
        Folder on whose disk a `GrowingResult` is; that of temporary files if None.

    Returns
    -------
    NDArray or GrowingResult
        A copy in memory of a numpy array that takes at most a quarter of it; for all
        others an array on disk, for which nothing is read yet.

    Raises
    ------
    DiskError
        If there is no room for it.
    """
    if isinstance(image, np.ndarray) and is_small(image):
        return np.array(image)
    try:
        return GrowingResult(image, layout, scratch)
    except OSError as error:
        raise DiskError(
            f"the result does not fit on the disk of {error.filename}"
            f" ({error.strerror}): make room, or denoise a smaller part"
        ) from error


def spread_for(image: ArrayLike, layout: ImageAxes, scratch: Path | None = None) -> Any:
    """Return what the spread starts from: not a number anywhere.

    Parameters
    ----------
    image : ArrayLike
        The source.
    layout : ImageAxes
        Its axes.
    scratch : Path, optional
        As for `result_for`.

    Returns
    -------
    NDArray or GrowingResult
        Of the source's shape without colours S; float32, float64 for a source that
        float32 cannot hold.
    """
    own = layout.without_colours
    unknown = np.array(np.nan, exact_float(np.dtype(image.dtype)))
    return result_for(np.broadcast_to(unknown, own.shape), own, scratch)
