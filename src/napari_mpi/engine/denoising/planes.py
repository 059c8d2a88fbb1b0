"""A plane of an image: read into the network's units, window by window, and back."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_mpi.engine.denoising.noisy import Noisy, as_noisy
from napari_mpi.engine.images.arrays import ArrayLike
from napari_mpi.engine.images.axes import ImageAxes, Index
from napari_mpi.engine.images.intensity import IntensityMap, require_exact
from napari_mpi.engine.images.marks import MarkRule, Marks, is_kept
from napari_mpi.engine.images.tiles import Window

Array = NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class Plane:
    """Where one plane lies in an image, and how its intensities are mapped.

    Parameters
    ----------
    layout : ImageAxes
        Axes of the image.
    intensities : IntensityMap
        That of the plane's item.
    index : tuple
        The plane's index.
    number : int
        Its number, from 0, in the order of `ImageAxes.planes`.
    rule : MarkRule
        Which of its pixels hold a measurement.
    is_usual : bool
        Whether it has the range of its item's other planes.
    """

    layout: ImageAxes
    intensities: IntensityMap
    index: Index
    number: int
    rule: MarkRule = field(default_factory=MarkRule)
    is_usual: bool = True

    def part(self, window: Window | None) -> Index:
        """Return the index of a window; of the whole plane if None."""
        return self.index if window is None else self.layout.part(self.index, window)

    def read(
        self, image: ArrayLike, channels: int, window: Window | None = None
    ) -> Noisy:
        """Read the plane, or a window of it, for a network of so many channels.

        Raises
        ------
        ImageError
            If it holds whole numbers that cannot be computed with.
        """
        raw = np.asarray(image[self.part(window)])
        require_exact(raw)
        values = self.layout.channels_first(raw)
        at = (0, 0) if window is None else (window[0].start, window[1].start)
        return as_noisy(values, self.intensities, self.rule, channels, at=at)

    def restored(
        self,
        filled: NDArray[np.float32],
        dtype: np.dtype[Any],
        marks: Marks | None = None,
        own: Callable[[], Array] | None = None,
    ) -> Array:
        """Map what a network made of a window back to the image's type and order.

        Parameters
        ----------
        filled : NDArray
            Shape (N, channels, Y, X), in network units.
        dtype : numpy.dtype
            Type of the image.
        marks : NDArray, optional
            Shape (Y, X): what its pixels are; None if all are measured.
        own : callable, optional
            Returns the window as it was, in the image's order; some pixels of one with
            marks are left so.
        """
        count, channels = filled.shape[:2]
        colours = filled.reshape(count * channels, *filled.shape[2:])
        if not self.layout.is_colour:
            colours = colours.mean(axis=0, keepdims=True)
        plane = self.intensities.from_network(colours, dtype)
        ordered = self.layout.from_channels_first(plane)
        if marks is not None and own is not None:
            # Where nothing is denoised, the result has its source.
            ordered = np.where(self._spread_out(is_kept(marks)), own(), ordered)
        ordered.flags.writeable = False
        return ordered

    def _spread_out(self, kept: NDArray[np.bool_]) -> NDArray[np.generic]:
        """Return a mask (Y, X) as one of the plane's own order, colours included."""
        colours = 3 if self.layout.is_colour else 1
        return self.layout.from_channels_first(
            np.broadcast_to(kept, (colours, *kept.shape))
        )

    def deviations(self, spread: NDArray[np.float32], dtype: np.dtype[Any]) -> Array:
        """Map standard deviations of a window to the image's units and order.

        Parameters
        ----------
        spread : NDArray
            Shape (N, channels, Y, X), in network units.
        dtype : numpy.dtype
            Type of those that are returned, the root of the mean square over colours.
        """
        squares = np.square(spread.reshape(-1, *spread.shape[2:]), dtype=np.float64)
        if self.intensities.colours is not None:
            squares = self.intensities.colours.variances(squares)
        deviation = np.sqrt(squares.mean(axis=0, keepdims=True))
        units = (deviation * self.intensities.slope).astype(dtype)
        return self.layout.without_colours.from_channels_first(units)


_FAR = 1_000_000  # another channel is farther than any plane of the same one


class PlaneOrder:
    """Planes that are still to be filled.

    Parameters
    ----------
    layout : ImageAxes
        Axes of the image.
    waiting : iterable of int
        Numbers of the planes, in the order of `ImageAxes.planes`.
    """

    def __init__(self, layout: ImageAxes, waiting: Iterable[int]) -> None:
        planes = layout.planes()
        self._numbers = np.fromiter(waiting, dtype=np.int64)
        letters = self._letters = layout.stack_letters
        places = [layout.numbers(planes[number]) for number in self._numbers]
        # A plane without further dimensions stands nowhere, which is a place as well.
        self._places = np.array(places, dtype=np.int64).reshape(
            len(places), len(letters)
        )
        self._weights = np.array([_FAR if letter == "C" else 1 for letter in letters])
        self._waits = np.ones(len(self._numbers), dtype=bool)

    def next(self, looked_at: Mapping[str, int] | None) -> int | None:
        """Take the plane that comes next; None when all are taken.

        Parameters
        ----------
        looked_at : mapping, optional
            Where a person looks: a number for each letter of `ImageAxes.stack_letters`;
            without it, the first in order comes next.
        """
        left = np.flatnonzero(self._waits)
        if not len(left):
            return None
        chosen = left[0]
        if looked_at is not None:
            here = [looked_at.get(letter, 0) for letter in self._letters]
            away = np.abs(self._places[left] - np.array(here, dtype=np.int64))
            chosen = left[int((away * self._weights).sum(axis=1).argmin())]
        self._waits[chosen] = False
        return int(self._numbers[chosen])
