"""What the value of a pixel is: measured, cut off, or none, which comes back as is."""

import enum
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, convolve, maximum_filter, minimum_filter

Array = NDArray[np.generic]
Marks = NDArray[np.uint8]
"""One `Mark` per pixel of a plane or a part of one, shape (Y, X)."""
Value = tuple[float, ...]
"""One number per channel."""


class Mark(enum.IntEnum):
    """What the value of a pixel is."""

    MEASURED = 0
    CUT_OFF = 1
    SATURATED = 2
    CONSTANT = 3
    NO_DATA = 4
    NOT_FINITE = 5
    FAR_OUT = 6
    HOT = 7  # far out, alone


WORDS = {
    Mark.SATURATED: "are saturated",
    Mark.CONSTANT: "lie in areas of one exact value",
    Mark.NO_DATA: "are marked as no data",
    Mark.NOT_FINITE: "are NaN or infinite",
    Mark.FAR_OUT: "lie far beyond all others",
    Mark.HOT: "are hot or dead",
}
"""What is said of pixels that come back as they were."""

SIDE = 7
"""Rows and columns of the least area whose one exact value says that it has no noise.

White noise that is rounded to whole numbers leaves one such square in 10**9 by chance
if two thirds of its pixels have the usual value."""

_ALONE = 2  # pixels of 3 x 3 around a hot one, itself among them, that are far out
_TENDRILS = 4  # pixels that an area goes on, where it is narrower than `SIDE`


@dataclass(frozen=True, slots=True)
class MarkRule:
    """How the pixels of an item are told apart, the same in all of its planes.

    Parameters
    ----------
    no_data : tuple of (float, float)
        Ranges of values, ends included, that stand for no measurement.
    constants : tuple of Value
        Values of the areas that have one exact value.
    below, above : float
        Values lower, or higher, are far out.
    lowest, highest : float
        Ends of the range at which much of the noise is cut off; infinite where it is
        not.
    has_hot : bool
        Whether single pixels that are far out are hot or dead: not where they are many,
        as of a value that stands for no measurement.
    """

    no_data: tuple[tuple[float, float], ...] = ()
    constants: tuple[Value, ...] = ()
    below: float = -math.inf
    above: float = math.inf
    lowest: float = -math.inf
    highest: float = math.inf
    has_hot: bool = True

    def marks(self, part: Array) -> Marks | None:
        """Mark the pixels of a part of a plane; None where all are measured.

        Parameters
        ----------
        part : NDArray
            Shape (C, Y, X), in the image's units. A pixel is marked if one of its
            channels holds no measurement, or if all are constant or cut off.
        """
        marks = np.zeros(part.shape[1:], np.uint8)
        numbers: Any = part
        with np.errstate(invalid="ignore"):
            if self.lowest > -math.inf:
                marks[(numbers <= self.lowest).all(axis=0)] = Mark.CUT_OFF
            if self.highest < math.inf:
                marks[(numbers >= self.highest).all(axis=0)] = Mark.SATURATED
            for value in self.constants:
                marks[area_of(part, value)] = Mark.CONSTANT
            far = (numbers <= self.below) | (numbers >= self.above)
            for low, high in self.no_data:
                within = (numbers >= low) & (numbers <= high)
                marks[within.any(axis=0)] = Mark.NO_DATA
        if self.below > -math.inf or self.above < math.inf:
            _mark_far_out(marks, far.any(axis=0), hot=self.has_hot)
        if part.dtype.kind == "f":
            marks[~np.isfinite(part).all(axis=0)] = Mark.NOT_FINITE
        if not is_void(marks).any() and is_constant(part):
            marks[:] = Mark.CONSTANT
        return marks if marks.any() else None


def _mark_far_out(marks: Marks, far: NDArray[np.bool_], *, hot: bool) -> None:
    """Mark what is far out; what has at most one neighbour that is so too is hot."""
    far = far & (marks < Mark.NO_DATA)
    marks[far] = Mark.FAR_OUT
    if hot:
        near = convolve(far.view(np.uint8), np.ones((3, 3), int), mode="constant")
        marks[far & (near <= _ALONE)] = Mark.HOT


def counted(marks: Marks | None, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Return how many pixels have each `Mark`.

    Parameters
    ----------
    marks : NDArray, optional
        Shape (Y, X); None where all are measured.
    shape : tuple of int
        Rows and columns.
    """
    if marks is not None:
        return np.bincount(marks.ravel(), minlength=len(Mark))
    counts = np.zeros(len(Mark), np.int64)
    counts[Mark.MEASURED] = math.prod(shape)
    return counts


def is_void(marks: Marks) -> NDArray[np.bool_]:
    """Tell which pixels say nothing, neither of structure nor of noise."""
    return np.asarray(marks >= Mark.CONSTANT)


def is_kept(marks: Marks) -> NDArray[np.bool_]:
    """Tell which pixels come back exactly as they were."""
    return np.asarray(marks >= Mark.SATURATED)


def is_constant(part: Array) -> bool:
    """Whether every channel of a part (C, Y, X) has one exact value."""
    first = part[:, :1, :1]
    return bool((part[:, 0] == first[:, 0]).all() and (part == first).all())


def area_of(part: Array, value: Value) -> NDArray[np.bool_]:
    """Return where a part (C, Y, X) has one exact value over `SIDE` pixels and more."""
    same = same_as(part, value)
    if not same.any():
        return same
    square = np.ones((3, 3))
    grown = binary_dilation(opened(same), square, iterations=_TENDRILS, mask=same)
    return np.asarray(grown, bool)


def same_as(part: Array, value: Value) -> NDArray[np.bool_]:
    """Return where all channels of a part (C, Y, X) have a value."""
    found = [channel == one for channel, one in zip(part, value, strict=True)]
    return np.asarray(np.logical_and.reduce(found))


def opened(same: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return what of a plane's pixels fits into squares of `SIDE` of them."""
    whole = minimum_filter(same.view(np.uint8), SIDE)
    return np.asarray(maximum_filter(whole, SIDE).view(bool))
