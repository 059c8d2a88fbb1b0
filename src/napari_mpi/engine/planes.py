"""A plane of an image: read into the network's units, window by window, and back."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_mpi.engine.axes import ImageAxes, Index
from napari_mpi.engine.intensity import IntensityMap, require_usable
from napari_mpi.engine.lazy import ArrayLike
from napari_mpi.engine.tiles import Window

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
    """

    layout: ImageAxes
    intensities: IntensityMap
    index: Index
    number: int

    def part(self, window: Window | None) -> Index:
        """Return the index of a window; of the whole plane if None."""
        return self.index if window is None else self.layout.part(self.index, window)

    def read(
        self, image: ArrayLike, channels: int, window: Window | None = None
    ) -> torch.Tensor:
        """Read the plane, or a window of it, for a network of so many channels.

        Returns
        -------
        Tensor
            Shape (N, channels, Y, X), see `as_tensor`.

        Raises
        ------
        ImageError
            If it holds values that are not finite.
        """
        raw = np.asarray(image[self.part(window)])
        require_usable(raw)
        ordered = self.layout.channels_first(raw)
        return as_tensor(self.intensities.to_network(ordered), channels)

    def restored(self, filled: NDArray[np.float32], dtype: np.dtype[Any]) -> Array:
        """Map what a network made of a window back to the image's type and order.

        Parameters
        ----------
        filled : NDArray
            Shape (N, channels, Y, X), in network units.
        dtype : numpy.dtype
            Type of the image.
        """
        count, channels = filled.shape[:2]
        colours = filled.reshape(count * channels, *filled.shape[2:])
        if not self.layout.is_colour:
            colours = colours.mean(axis=0, keepdims=True)
        plane = self.intensities.from_network(colours, dtype)
        ordered = self.layout.from_channels_first(plane)
        ordered.flags.writeable = False
        return ordered

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
        deviation = np.sqrt(squares.mean(axis=0, keepdims=True))
        units = (deviation * self.intensities.slope).astype(dtype)
        return self.layout.without_colours.from_channels_first(units)


def as_tensor(colours: NDArray[np.float32], channels: int) -> torch.Tensor:
    """Arrange (C, Y, X) in network units for a network of so many channels.

    One channel takes the colours as images of their own, (C, 1, Y, X); three take a
    grey plane three times, (1, 3, Y, X).
    """
    plane = torch.from_numpy(np.ascontiguousarray(colours))
    if channels == 1:
        return plane[:, None]
    return plane.expand(channels, -1, -1)[None].contiguous()
