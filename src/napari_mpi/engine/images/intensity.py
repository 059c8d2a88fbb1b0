"""Intensities: from an image's own units to the network's range, and exactly back."""

import functools
import operator
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_mpi.engine.images.colours import Colours, colours_of
from napari_mpi.engine.runtime.errors import ImageError

Array = NDArray[np.generic]
Void = NDArray[np.bool_]

ALL_UNKNOWN = "all values of the image are NaN or infinite: nothing can be denoised"
"""What is said of an image without one value to compute with."""

NETWORK_MARGIN = 0.02
"""Share of the network's range 0..1 that stays free at either end.

Its sigmoid reaches 0 and 1 only in the limit. In `benchmarks/compare.py margin` the
mean of the brightest disc was 0.40 and 0.47 % off without a margin, 0.32 and 0.28 %
with this one; larger margins raised the error."""

_HOT_RATIO = 4.0  # a spot of one Gaussian sigma 0.6 pixels, sharper than optics give
_MOST = 2**53  # of 64-bit floats, up to which each whole number has its own
_SMALLEST, _LARGEST = 1e-30, 1e30  # ranges that float32 can be scaled by
_HOT_PIXELS, _HOT_SHARE = 4, 1e-4  # more of them than this are taken for structure


@dataclass(frozen=True, slots=True)
class IntensityMap:
    """An affine map between an item's intensities and the network's range.

    Parameters
    ----------
    low, high : float
        The intensities that become ``margin`` and ``1 - margin``; others follow in a
        straight line, but for hot and dead pixels, which end at 0 and 1: far out of
        the network's range they would spoil the whole image.
    is_sampled : bool
        Whether only a part of the item was measured, so that what is brighter or darker
        may be structure: then only what is hot where it lies ends at the range's end.
    colours : Colours, optional
        The item's colours, where the network is to see their opponents.
    """

    low: float
    high: float
    is_sampled: bool = False
    colours: Colours | None = None

    @property
    def is_flat(self) -> bool:
        """Whether the item is constant: there is nothing to denoise."""
        varies = self.colours is None or bool(self.colours.distinct)
        return not (self.high > self.low and varies)

    @property
    def is_doubtful(self) -> bool:
        """Whether more than a sample must be read to leave out what seems constant."""
        reduced = self.colours is not None and self.colours.is_reduced
        return self.is_sampled and (self.is_flat or reduced)

    @property
    def slope(self) -> float:
        """What a step of 1 in the network's range is in the item's intensities."""
        return (self.high - self.low) / (1 - 2 * NETWORK_MARGIN)

    @property
    def noise_slope(self) -> float:
        """What noise of 1 in the network's range is in the item's intensities."""
        return self.slope * (1.0 if self.colours is None else self.colours.gain)

    def to_network(self, image: Array) -> NDArray[np.float32]:
        """Map intensities to the network's range, as float32.

        Parameters
        ----------
        image : NDArray
            Shape (C, Y, X).

        Returns
        -------
        NDArray
            Shape (K, Y, X): the C channels, or the opponents of their colours.
        """
        scale = (1 - 2 * NETWORK_MARGIN) / (self.high - self.low)
        values = image.astype(self._exact(image.dtype)) - self.low
        inside: NDArray[np.floating] = NETWORK_MARGIN + values * scale
        darkest, brightest = 0.0, 1.0
        if self.is_sampled:
            here = measure([image])
            darkest = min(darkest, (here.low - self.low) * scale)
            brightest = max(brightest, (here.high - self.low) * scale)
        inside = inside.clip(darkest, brightest)
        if self.colours is not None:
            inside = self.colours.to_opponents(inside)
        return inside.astype("f4")

    def _exact(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        """Return a float type that resolves the item's intensities."""
        usual = _SMALLEST <= self.high - self.low <= _LARGEST
        return exact_float(dtype) if usual else np.dtype(np.float64)

    def from_network(self, image: Array, dtype: np.dtype[np.generic]) -> Array:
        """Map back; integers are rounded, and clipped to what their type can hold."""
        exact = image.astype(self._exact(dtype))
        if self.colours is not None:
            exact = self.colours.from_opponents(exact)
        values = _as_dtype(self.low + (exact - NETWORK_MARGIN) * self.slope, dtype)
        return values if self.colours is None else self.colours.with_constants(values)


def measure(
    planes: Iterable[Array], *, opponents: bool = False, void: Void | None = None
) -> IntensityMap:
    """Find the range of intensities over all planes of an item.

    A few hot or dead pixels that dwarf all others don't count: where such a pixel
    stands out of its surroundings more than four times as far as the next brightest
    (or darkest) of its neighbours, the neighbour's value is taken. Structure that the
    optics has blurred over more than one pixel keeps its full height.

    Parameters
    ----------
    planes : iterable of NDArray
        Each of shape (C, Y, X), finite.
    opponents : bool
        Whether the network is to see the channels, which are colours, by their
        opponents.
    void : NDArray, optional
        Shape (Y, X), bool: pixels of each plane that hold no measurement; one at least
        does.
    """
    known = planes if void is None else (without(plane, void) for plane in planes)
    return together(
        IntensityMap(
            *_range_without_hot_pixels(plane),
            colours=colours_of(plane) if opponents else None,
        )
        for plane in known
    )


def without(plane: Array, void: Void) -> Array:
    """Return a plane (C, Y, X) with one of its usual values for what is no measurement.

    Parameters
    ----------
    plane : NDArray
        Shape (C, Y, X).
    void : NDArray
        Shape (Y, X), bool, not all True.
    """
    known = plane[:, ~void]
    middle = known.shape[1] // 2
    usual = np.partition(known, middle, axis=1)[:, middle]
    return np.where(void, usual[:, None, None], plane)


def together(
    parts: Iterable[IntensityMap], *, is_sampled: bool = False
) -> IntensityMap:
    """Return the map of an item whose parts were measured.

    Parameters
    ----------
    parts : iterable of IntensityMap
        At least one.
    is_sampled : bool
        Whether there are parts that were not.
    """
    every = list(parts)
    colours = [part.colours for part in every if part.colours is not None]
    return IntensityMap(
        min(part.low for part in every),
        max(part.high for part in every),
        is_sampled,
        functools.reduce(operator.and_, colours) if colours else None,
    )


def require_intensities(dtype: np.dtype[Any]) -> None:
    """Raise ImageError unless images of a type hold real numbers."""
    if dtype.kind == "f" and dtype.itemsize > 8:
        raise ImageError(f"the image has type {dtype}: give float64 at the most")
    if dtype.kind not in "uif":
        kind = {"b": "yes/no values (a mask)", "c": "complex numbers"}.get(
            dtype.kind, "no numbers"
        )
        raise ImageError(
            f"the image holds {kind}, type {dtype}: give integers or real numbers"
        )


def require_finite(image: Array) -> None:
    """Raise ImageError unless the image holds finite real numbers only."""
    require_usable(image)
    unusable = int(image.size - np.isfinite(image).sum())
    if unusable:
        raise ImageError(
            f"the image has {unusable} values that are NaN or infinite: replace or crop"
            " them first"
        )


def require_usable(image: Array) -> None:
    """Raise ImageError unless the image holds real numbers that can be computed with.

    Single values may be NaN or infinite, but not all.
    """
    if isinstance(image, np.ma.MaskedArray):
        raise ImageError("the image is a masked array: fill its masked values first")
    require_intensities(image.dtype)
    if image.size and image.dtype.kind == "f" and not np.isfinite(image).any():
        raise ImageError(ALL_UNKNOWN)
    require_exact(image)


def require_exact(part: Array) -> None:
    """Raise ImageError for whole numbers that 64-bit floats do not tell apart."""
    if part.size and part.dtype.kind in "iu" and part.dtype.itemsize == 8:
        least = int(part.min()) if part.dtype.kind == "i" else 0
        most = max(int(part.max()), -least)
        if most > _MOST:
            raise ImageError(
                f"the image holds whole numbers up to {most}, and those beyond 2**53"
                " cannot be computed with exactly: subtract an offset, or convert them"
                " to float64"
            )


def exact_float(dtype: np.dtype[np.generic]) -> np.dtype[np.floating[Any]]:
    """Return the smallest float type, from float32 on, that holds the type exactly."""
    return np.result_type(dtype, np.float32)


def _as_dtype(image: Array, dtype: np.dtype[np.generic]) -> Array:
    """Convert to a type; integers are rounded and clipped, never wrapped."""
    limits: Any = (np.finfo if dtype.kind == "f" else np.iinfo)(dtype)
    low, high = image.dtype.type(limits.min), image.dtype.type(limits.max)
    if int(high) > limits.max:  # as of 64-bit integers, which floats round up
        high = np.nextafter(high, low)
    values = image if dtype.kind == "f" else np.rint(image)
    return np.clip(values, low, high).astype(dtype)


def _range_without_hot_pixels(plane: Array) -> tuple[float, float]:
    values = plane.astype(np.float64)
    few = min(max(_HOT_PIXELS, int(values.size * _HOT_SHARE)), (values.size - 1) // 2)
    ordered = np.partition(values, (few, -few - 1), axis=None)
    low, high = ordered[few], ordered[-few - 1]  # few pixels lie outside
    highest = _highest(values, high, high - low)
    return -_highest(-values, -low, high - low), highest


def _highest(values: NDArray[np.float64], common: float, span: float) -> float:
    """Return the highest value, or its next brightest neighbour's if it is hot."""
    if values.max() - common <= span:
        return float(values.max())  # no few pixels that dwarf all others
    settled = [_settled(channel, common) for channel in values]
    return float(np.concatenate([[common], *settled]).max())


def _settled(channel: NDArray[np.float64], common: float) -> NDArray[np.float64]:
    """Return the pixels above a value; of hot ones, the next brightest neighbour."""
    rows, columns = np.nonzero(channel > common)
    if not len(rows):  # a colour that is darker than the others everywhere
        return np.empty(0)
    padded = np.pad(channel, 2, mode="reflect")
    around = np.lib.stride_tricks.sliding_window_view(padded, (5, 5))[rows, columns]
    # Wider than a blurred spot, whose own pixels would be the median of 3 x 3.
    middle = np.median(around, axis=(1, 2))
    nearest = around[:, 1:4, 1:4].reshape(len(rows), 9)
    second = np.partition(nearest, -2, axis=1)[:, -2]
    pixels = channel[rows, columns]
    hot = pixels - middle > _HOT_RATIO * (second - middle)
    return np.where(hot, second, pixels)
