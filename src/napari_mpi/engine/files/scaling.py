"""What stored values stand for: a slope and an intercept, kept or applied."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_mpi.engine.files.arrays import PagedArray
from napari_mpi.engine.files.metadata import ImageFile, Scaling
from napari_mpi.engine.images.arrays import ArrayLike, LazyArray
from napari_mpi.engine.images.axes import Index

_INTEGERS = ("u1", "i1", "u2", "i2", "u4", "i4", "i8")


class ScaledArray(LazyArray):
    """True values of another array's stored ones, computed when they are read.

    Parameters
    ----------
    source : ArrayLike
        The stored values.
    scaling : Scaling
        Slope and intercept.
    dtype : numpy.dtype
        Of the true values; one that holds them.
    """

    def __init__(self, source: ArrayLike, scaling: Scaling, dtype: Any) -> None:
        self._source, self._scaling = source, scaling
        self.shape, self.dtype = tuple(source.shape), np.dtype(dtype)

    def read(self, index: Index) -> NDArray[np.generic]:
        """Return a part."""
        stored = np.asarray(self._source[index])
        if self.dtype.kind != "f":
            whole = stored.astype(np.int64) + int(self._scaling.intercept)
            return whole.astype(self.dtype)
        # In double precision: a slope times a large number, less another large one.
        true = stored * self._scaling.slope + self._scaling.intercept
        return np.asarray(true, self.dtype)


class ScaledPlanes(PagedArray):
    """True values of planes that have slopes of their own.

    Parameters
    ----------
    source : ArrayLike
        The stored values, whose last dimensions are those of a plane.
    planes : sequence of (float, float)
        Slope and intercept of every plane.
    dtype : numpy.dtype
        Of the true values.
    """

    def __init__(
        self, source: ArrayLike, planes: Sequence[tuple[float, float]], dtype: Any
    ) -> None:
        shape = tuple(source.shape)
        cut = next(
            n for n in range(len(shape) + 1) if math.prod(shape[:n]) == len(planes)
        )
        super().__init__(shape[:cut], shape[cut:], np.dtype(dtype))
        self._source, self._planes, self._outer = source, planes, shape[:cut]

    def read_page(self, number: int, inside: Index) -> NDArray[np.generic]:
        """Return a part of one plane."""
        place = tuple(int(n) for n in np.unravel_index(number, self._outer))
        stored: Any = np.asarray(self._source[(*place, *inside)])
        slope, intercept = self._planes[number]
        return np.asarray(stored * slope + intercept, self.dtype)


def with_true_values(image: ImageFile) -> ImageFile:
    """Return an image with the values that its stored ones stand for.

    Whole numbers that are only moved stay so, in the smallest type that holds them;
    others become reals.

    Parameters
    ----------
    image : ImageFile
        It comes back as it is where its values need no scaling.
    """
    scaling = image.metadata.scaling
    if scaling.is_none:
        return image
    dtype = _dtype_of(np.dtype(image.array.dtype), scaling)
    array: LazyArray = ScaledArray(image.array, scaling, dtype)
    if scaling.planes:
        array = ScaledPlanes(image.array, scaling.planes, dtype)
    nodata = tuple(
        (
            low * scaling.slope + scaling.intercept,
            high * scaling.slope + scaling.intercept,
        )
        for low, high in image.metadata.nodata
    )
    metadata = replace(image.metadata, scaling=Scaling(), nodata=nodata)
    return replace(image, array=array, metadata=metadata)


def _dtype_of(stored: np.dtype[Any], scaling: Scaling) -> np.dtype[Any]:
    """Return a type that holds the true values of stored ones."""
    if stored.kind == "f":
        return stored
    if _only_moves(scaling):
        limits = np.iinfo(stored)
        low, high = (int(end + scaling.intercept) for end in (limits.min, limits.max))
        for word in _INTEGERS:
            held = np.iinfo(word)
            if held.min <= low and high <= held.max:
                return np.dtype(word)
    return np.dtype(np.float64 if stored.itemsize > 2 else np.float32)


def _only_moves(scaling: Scaling) -> bool:
    """Whether whole numbers stay whole."""
    whole = scaling.intercept == math.floor(scaling.intercept)
    return scaling.slope == 1 and whole and not scaling.planes


def in_words(scaling: Scaling) -> str:
    """Return a scaling as it is written in a note."""
    if scaling.planes:
        return "each slice by its own slope"
    moved = f" + {scaling.intercept:g}" if scaling.intercept else ""
    return f"{scaling.slope:g} x stored{moved}"
