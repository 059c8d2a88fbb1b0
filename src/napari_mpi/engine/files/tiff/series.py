"""The pixels of a TIFF series, read a window at a time."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_mpi.engine.files.arrays import MappedArray, PagedArray
from napari_mpi.engine.files.tiff.segments import page_layout, segmented
from napari_mpi.engine.images.arrays import LazyArray
from napari_mpi.engine.images.axes import Index


def lazy_series(path: Path, series: Any) -> LazyArray | None:
    """Return the pixels of a series unread; None if only tifffile can put it together.

    Parameters
    ----------
    path : Path
        The file.
    series : tifffile.TiffPageSeries
        Of the open file; what is returned does not need it open.

    Raises
    ------
    ImageFileError
        If the file is shorter than it says.
    """
    if series.is_multifile or series.transform is not None or series.dtype is None:
        return None
    if series.dataoffset is not None:
        dtype = series.dtype.newbyteorder(series.parent.byteorder)
        return MappedArray(path, series.shape, dtype, series.dataoffset)
    pages = list(series)
    layout = page_layout(series, pages)
    if layout is None:
        return None
    if not all(page.is_final for page in pages):
        return segmented(path, series, pages, layout)
    dtype, plane = series.dtype.newbyteorder(series.parent.byteorder), layout.inner
    mapped = [MappedArray(path, plane, dtype, page.dataoffsets[0]) for page in pages]
    return MappedPages(mapped, layout.outer)


class MappedPages(PagedArray):
    """Pages that lie in a file without compression, but not behind each other.

    Parameters
    ----------
    pages : sequence of MappedArray
        The pages, all of one shape.
    outer : tuple of int
        Lengths of the dimensions that count them.
    """

    def __init__(self, pages: Sequence[MappedArray], outer: tuple[int, ...]) -> None:
        super().__init__(outer, pages[0].shape, pages[0].dtype)
        self._pages = pages

    def read_page(self, number: int, inside: Index) -> NDArray[np.generic]:
        """Return a part of one page."""
        return self._pages[number][inside]
