"""Pixels in files: mapped a window at a time, or read page by page."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_mpi.engine.files.patience import within_patience
from napari_mpi.engine.images.arrays import LazyArray, length
from napari_mpi.engine.images.axes import Index
from napari_mpi.engine.runtime.errors import EngineError, ImageFileError, first_line

_WINDOW = 1 << 26  # bytes that are mapped at once


@dataclass(frozen=True, slots=True)
class FileStamp:
    """A file at the moment it was opened.

    Parameters
    ----------
    path : Path
        The file.
    size : int
        Bytes.
    changed : int
        Time of the last change, in nanoseconds.
    """

    path: Path
    size: int
    changed: int

    @classmethod
    def of(cls, path: Path) -> "FileStamp":
        """Take the stamp of a file as it is now."""
        found = path.stat()
        return cls(path, found.st_size, found.st_mtime_ns)

    def require_unchanged(self) -> None:
        """Raise ImageFileError if the file is another one now, or gone."""
        try:
            same = FileStamp.of(self.path) == self
        except OSError:
            same = False
        if not same:
            raise ImageFileError(
                f"{self.path} was changed or removed since it was opened: open it again"
            )


class GuardedArray(LazyArray):
    """An array of a file, whose damage is told in a sentence.

    Parameters
    ----------
    path : Path
        The file.
    array : LazyArray
        Its pixels, which may raise whatever damage provokes.
    """

    def __init__(self, path: Path, array: LazyArray) -> None:
        self.shape, self.dtype = array.shape, array.dtype
        self._path, self.inside = path, array

    def read(self, index: Index) -> NDArray[np.generic]:
        """Return a part.

        Raises
        ------
        ImageFileError
            If it is damaged.
        """
        try:
            return within_patience(self._path, lambda: self.inside.read(index))
        except (EngineError, MemoryError):
            raise
        except Exception as error:
            raise ImageFileError(
                f"{self._path} is damaged: {first_line(error)}; copy it again"
            ) from error


class MappedArray(LazyArray):
    """An array that lies in a file without compression.

    A read maps the window that it needs, copies it and lets it go, so that the file
    counts little in the memory of the program. Any thread may read.

    Parameters
    ----------
    path : Path
        The file.
    shape : tuple of int
        Shape.
    dtype : numpy.dtype
        Type in the file, with its byte order; what is read has that of the machine.
    offset : int
        Bytes before the first element.
    order : {'C', 'F'}
        Whether the last dimension runs fastest, or the first.

    Raises
    ------
    ImageFileError
        If the file is too short, or (when reading) is no longer what it was.
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, ...],
        dtype: Any,
        offset: int,
        order: Literal["C", "F"] = "C",
    ) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype).newbyteorder("=")
        self._stored, self._offset, self._order = np.dtype(dtype), offset, order
        self._stamp = FileStamp.of(path)
        require_length(self._stamp, offset + self.nbytes)

    def read(self, index: Index) -> NDArray[np.generic]:
        """Return a copy of a part."""
        self._stamp.require_unchanged()
        slices = [
            part if isinstance(part, slice) else slice(part, part + 1, 1)
            for part in index
        ]
        sizes = [length(part, n) for part, n in zip(slices, self.shape, strict=True)]
        result = np.empty(sizes, self.dtype)
        for window in self._windows(tuple(slices)):
            place = tuple(
                slice((w.start - s.start) // s.step, -(-(w.stop - s.start) // s.step))
                for w, s in zip(window, slices, strict=True)
            )
            result[place] = self._mapped()[window]
        return result[tuple(0 if isinstance(p, int) else slice(None) for p in index)]

    def _mapped(self) -> Any:
        return np.memmap(
            self._stamp.path, self._stored, "r", self._offset, self.shape, self._order
        )

    def _windows(self, slices: tuple[slice, ...]) -> Iterator[tuple[slice, ...]]:
        """Cut a part where it spans more of the file than is mapped at once."""
        strides = self._strides()
        widest = sorted(range(self.ndim), key=lambda n: -strides[n])
        long = [n for n in widest if length(slices[n], self.shape[n]) > 1]
        if (
            not long
            or strides[long[0]] * (slices[long[0]].stop - slices[long[0]].start)
            <= _WINDOW
        ):
            yield slices
            return
        n = long[0]
        part = slices[n]
        step = max(1, _WINDOW // (strides[n] * part.step)) * part.step
        for first in range(part.start, part.stop, step):
            piece = slice(first, min(first + step, part.stop), part.step)
            yield from self._windows((*slices[:n], piece, *slices[n + 1 :]))

    def _strides(self) -> list[int]:
        """Return the bytes between neighbours along every dimension."""
        size = self.dtype.itemsize
        inside = (
            [self.shape[n + 1 :] for n in range(self.ndim)]
            if self._order == "C"
            else [self.shape[:n] for n in range(self.ndim)]
        )
        return [size * math.prod(lengths) for lengths in inside]


def require_length(stamp: FileStamp, needed: int) -> None:
    """Raise ImageFileError unless a file has so many bytes."""
    if stamp.size < needed:
        raise ImageFileError(
            f"{stamp.path} is damaged: it has {stamp.size} bytes of the {needed} that"
            " its pixels need; copy it again"
        )


Array = NDArray[np.generic]


class PagedArray(LazyArray):
    """Base of arrays whose first dimensions count pages.

    A subclass reads parts of a page in `read_page`.

    Parameters
    ----------
    outer : tuple of int
        Lengths of the dimensions that count the pages.
    page : tuple of int
        Shape of a page.
    dtype : numpy.dtype
        Type.
    """

    def __init__(
        self, outer: tuple[int, ...], page: tuple[int, ...], dtype: np.dtype[np.generic]
    ) -> None:
        self.shape, self.dtype = (*outer, *page), dtype
        self._outer = outer

    def read(self, index: Index) -> Array:
        """Return a part, page by page."""
        cut = len(self._outer)
        numbers, inside = self._numbers(index[:cut]), index[cut:]
        page = np.broadcast_to(np.empty((), self.dtype), self.shape[cut:])
        result = np.empty((numbers.size, *page[inside].shape), self.dtype)
        for place, number in enumerate(numbers.flat if result.size else ()):
            result[place] = self.read_page(int(number), inside)
        return result.reshape((*numbers.shape, *result.shape[1:]))

    def _numbers(self, outer: Index) -> NDArray[np.int64]:
        """Return the numbers of the pages in a part of the outer dimensions.

        Not cut out of all numbers: a file may say that it has a thousand million pages.
        """
        numbers = np.zeros((), np.int64)
        for part, length_ in zip(outer, self._outer, strict=True):
            if isinstance(part, int):
                numbers = numbers * length_ + part
            else:
                here = np.array(range(length_)[part], np.int64)
                numbers = numbers[..., None] * length_ + here
        return numbers

    def read_page(self, number: int, inside: Index) -> Array:
        """Return a part of one page.

        Parameters
        ----------
        number : int
            Of the page.
        inside : tuple of int and slice
            One for every dimension of a page.
        """
        raise NotImplementedError
