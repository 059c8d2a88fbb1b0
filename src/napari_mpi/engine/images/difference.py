"""What denoising has taken away: the noise, and whatever went with it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_mpi.engine.images.arrays import ArrayLike, LazyArray, full_index

Array = NDArray[np.generic]

_LIMIT = 3.0  # standard deviations that are shown to either side
_SEEN = 1024  # pixels along each axis, of the middle plane, that they are told from


class Removed(LazyArray):
    """Source minus result, computed where it is looked at.

    Parameters
    ----------
    source, result : ArrayLike
        Of equal shape; they are read a part at a time.
    colour : bool
        Whether the last dimension holds colours, over which the mean is taken.
    """

    def __init__(
        self, source: ArrayLike, result: ArrayLike, *, colour: bool = False
    ) -> None:
        self._source, self._result, self._colour = source, result, colour
        self.shape = tuple(source.shape)[: -1 if colour else None]
        # Differences of 32-bit integers are not exact in float32.
        self.dtype = np.result_type(source.dtype, np.float32)

    def read(self, index: Any) -> Array:
        """Return a part of the difference."""
        exact = (*index, slice(None)) if self._colour else index
        before, after = (
            np.asarray(image[exact]).astype(self.dtype)
            for image in (self._source, self._result)
        )
        left: Array = before - after
        return left.mean(axis=-1) if self._colour else left

    def limits(self) -> tuple[float, float]:
        """Return what to show as black and white: three standard deviations.

        They are told from the middle of the middle plane, in the source's units.
        """
        middle: list[int | slice] = [size // 2 for size in self.shape]
        for axis in (-2, -1):
            start = max(0, (self.shape[axis] - _SEEN) // 2)
            middle[axis] = slice(start, start + _SEEN)
        seen = self.read(full_index(tuple(middle), self.shape))
        spread = _LIMIT * float(np.std(seen.astype(np.float64))) or 1.0
        return -spread, spread
