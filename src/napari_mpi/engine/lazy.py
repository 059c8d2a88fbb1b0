"""Arrays that are read a part at a time: views of others, and results that grow."""

import errno
import itertools
import math
import operator
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import psutil
from numpy.typing import NDArray

from napari_mpi.engine.axes import ImageAxes, Index

Array = NDArray[np.generic]

_PIECE = 1 << 22  # elements that are copied at once


class ArrayLike(Protocol):
    """What numpy, dask and zarr arrays have in common, and all that is asked of one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of every dimension."""

    @property
    def dtype(self) -> Any:
        """Type of the elements."""

    def __getitem__(self, index: Any, /) -> Any:
        """Return a part, which `numpy.asarray` reads."""


class LazyArray:
    """Base of arrays that read only what they are asked for.

    A subclass has ``shape`` and ``dtype``, and reads parts in `read`.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def read(self, index: Index) -> Array:
        """Return a part; ``index`` has one whole number or slice per dimension.

        All are inside the shape: no number is negative, no slice has a None in it.
        """
        raise NotImplementedError

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape))

    @property
    def nbytes(self) -> int:
        """Number of bytes of all elements."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> Array:
        return self.read(full_index(index, self.shape))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """Read everything."""
        return np.asarray(self[...], dtype)


def full_index(index: Any, shape: tuple[int, ...]) -> Index:
    """Return an index with one whole number or slice for every dimension.

    Raises
    ------
    IndexError
        If it is out of range, or of another kind (booleans, lists, backward slices).
    """
    parts = index if isinstance(index, tuple) else (index,)
    if sum(part is Ellipsis for part in parts) == 0:
        parts = (*parts, Ellipsis)
    at = next(place for place, part in enumerate(parts) if part is Ellipsis)
    missing = len(shape) - (len(parts) - 1)
    parts = (*parts[:at], *(slice(None),) * missing, *parts[at + 1 :])
    if missing < 0 or any(part is Ellipsis for part in parts):
        raise IndexError(f"{index!r} has too many parts for {len(shape)} dimensions")
    return tuple(_inside(part, size) for part, size in zip(parts, shape, strict=True))


def length(part: int | slice, size: int) -> int:
    """Return how many elements of a dimension a part of an index takes; 1 for a number.

    Parameters
    ----------
    part : int or slice
        Of an index.
    size : int
        Length of the dimension.
    """
    return len(range(*part.indices(size))) if isinstance(part, slice) else 1


def is_small(image: ArrayLike) -> bool:
    """Whether a copy of an image takes at most a quarter of the machine's memory."""
    size = int(np.prod(image.shape)) * np.dtype(image.dtype).itemsize
    return bool(size <= psutil.virtual_memory().total // 4)


class View(LazyArray):
    """A part of another array, read when it is asked for.

    Parameters
    ----------
    source : ArrayLike
        The other array.
    index : tuple
        Whole numbers, which take their dimension away, and slices.
    """

    def __init__(self, source: ArrayLike, index: Any) -> None:
        self._source = source
        self._ranges = [
            range(*part.indices(size)) if isinstance(part, slice) else part
            for part, size in zip(
                full_index(index, source.shape), source.shape, strict=True
            )
        ]
        self.shape = tuple(len(r) for r in self._ranges if isinstance(r, range))
        self.dtype = np.dtype(source.dtype)

    def read(self, index: Index) -> Array:
        """Return a part of the part."""
        wanted = iter(index)
        parts = [r if isinstance(r, int) else r[next(wanted)] for r in self._ranges]
        exact = [_as_slice(part) if isinstance(part, range) else part for part in parts]
        return np.asarray(self._source[tuple(exact)])


def part_of(source: Any, index: Index) -> Any:
    """Return a part of an array, unread if the array is lazy.

    Parameters
    ----------
    source : array-like
        A numpy array gives a view of its own kind, anything else a `View`.
    index : tuple
        Whole numbers and slices.
    """
    return source[index] if isinstance(source, np.ndarray) else View(source, index)


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


def require_room(size: int, folder: Path) -> None:
    """Raise OSError if a disk has no room for so many bytes."""
    free = shutil.disk_usage(folder).free
    if size > free:
        room = f"{free / 1e9:.1f} GB free of the {size / 1e9:.1f} GB that it takes"
        raise OSError(errno.ENOSPC, f"no room on the disk, {room}", str(folder))


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


def _inside(part: Any, size: int) -> int | slice:
    """Return a number or slice of an index with all its values written out."""
    if isinstance(part, slice):
        whole = range(*part.indices(size))
        if whole.step < 1:
            raise IndexError("backward slices are not read")
        return slice(whole.start, max(whole.start, whole.stop), whole.step)
    at = operator.index(part)
    if not -size <= at < size:
        raise IndexError(f"{at} is outside a dimension of length {size}")
    return at % size


def _numbers(part: int | slice) -> range:
    """Return the numbers that a part of a full index stands for."""
    if isinstance(part, slice):
        return range(part.start, part.stop, part.step)
    return range(part, part + 1)


def _as_slice(numbers: range) -> slice:
    return slice(numbers.start, numbers.stop, numbers.step)
