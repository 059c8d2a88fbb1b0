"""Arrays that are read a part at a time, and views of parts of them."""

import errno
import operator
import shutil
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_mpi.engine.images.axes import Index

Array = NDArray[np.generic]


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

    def __deepcopy__(self, memo: Any) -> "LazyArray":
        """Return itself: a copy would be of the same file."""
        return self

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


def require_room(size: int, folder: Path) -> None:
    """Raise OSError if a disk has no room for so many bytes."""
    free = shutil.disk_usage(folder).free
    if size > free:
        room = f"{free / 1e9:.1f} GB free of the {size / 1e9:.1f} GB that it takes"
        raise OSError(errno.ENOSPC, f"no room on the disk, {room}", str(folder))


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


def _as_slice(numbers: range) -> slice:
    return slice(numbers.start, numbers.stop, numbers.step)
