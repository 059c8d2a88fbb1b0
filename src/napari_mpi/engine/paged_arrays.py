"""Arrays that are kept as pages, each of which is read by itself."""

import numpy as np
from numpy.typing import NDArray

from napari_mpi.engine.axes import Index
from napari_mpi.engine.lazy import LazyArray

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
        self._numbers = np.arange(int(np.prod(outer))).reshape(outer)

    def read(self, index: Index) -> Array:
        """Return a part, page by page."""
        cut = self._numbers.ndim
        numbers, inside = np.asarray(self._numbers[index[:cut]]), index[cut:]
        page = np.broadcast_to(np.empty((), self.dtype), self.shape[cut:])
        result = np.empty((numbers.size, *page[inside].shape), self.dtype)
        for place, number in enumerate(numbers.flat if result.size else ()):
            result[place] = self.read_page(int(number), inside)
        return result.reshape((*numbers.shape, *result.shape[1:]))

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
