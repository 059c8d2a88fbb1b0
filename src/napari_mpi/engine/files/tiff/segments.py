"""Compressed pages of a TIFF file, of which only what is asked for is decoded."""

import itertools
import math
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from napari_mpi.engine.files.arrays import FileStamp, PagedArray, require_length
from napari_mpi.engine.files.tiff.complaints import complaints
from napari_mpi.engine.images.axes import Index
from napari_mpi.engine.runtime.errors import ImageFileError, first_line

Array = NDArray[np.generic]

_CACHE = 1 << 27  # bytes of decoded segments that are kept


@dataclass(frozen=True, slots=True)
class PageLayout:
    """How the pages of a series are cut into strips or tiles.

    Parameters
    ----------
    outer : tuple of int
        Lengths of the dimensions of the series that count its pages.
    inner : tuple of int
        Lengths of its other dimensions.
    page, chunk : tuple of int
        Shapes of a page and of a segment as tifffile has them: S, Z, Y, X, samples.
    dims : tuple of int
        Which of these five each inner dimension is; None for one of length 1.
    """

    outer: tuple[int, ...]
    inner: tuple[int, ...]
    page: tuple[int, ...]
    chunk: tuple[int, ...]
    dims: tuple[int | None, ...]

    @property
    def chunked(self) -> tuple[int, ...]:
        """How many segments a page has along each of its dimensions."""
        return tuple(
            math.ceil(n / size) for n, size in zip(self.page, self.chunk, strict=True)
        )


@dataclass(frozen=True, slots=True)
class _Segments:
    """Where the strips or tiles of a page are."""

    offsets: Sequence[int] = field(repr=False)
    counts: Sequence[int] = field(repr=False)
    tables: Any = None

    @classmethod
    def of(cls, page: Any, layout: PageLayout) -> "_Segments":
        jpeg = page.keyframe.compression in (6, 7, 34892, 33007)
        number = math.prod(layout.chunked)
        offsets, counts = page.dataoffsets[:number], page.databytecounts[:number]
        return cls(offsets, counts, page.jpegtables if jpeg else None)

    @property
    def end(self) -> int:
        return max(map(sum, zip(self.offsets, self.counts, strict=True)))


def page_layout(series: Any, pages: Sequence[Any]) -> PageLayout | None:
    """Return how the pages of a series are cut; None for those of a special kind.

    Parameters
    ----------
    series : tifffile.TiffPageSeries
        Of the open file.
    pages : sequence of tifffile.TiffPage
        All of its pages.
    """
    frame = series.keyframe
    if any(page is None for page in pages) or frame.jpegheader is not None:
        return None
    shape, size = series.shape, math.prod(frame.shaped)
    cut = next((n for n in range(len(shape)) if math.prod(shape[n:]) == size), None)
    if cut is None or math.prod(shape[:cut]) != len(pages):
        return None
    whole = [n for n, length in enumerate(frame.shaped) if length > 1]
    inner = [length for length in shape[cut:] if length > 1]
    if inner != [frame.shaped[n] for n in whole]:
        return None
    numbers = iter(whole)
    dims = tuple(next(numbers) if length > 1 else None for length in shape[cut:])
    samples = frame.shaped[4]
    if frame.is_tiled:
        chunk = (1, frame.tiledepth, frame.tilelength, frame.tilewidth, samples)
    else:
        rows = min(frame.rowsperstrip, frame.shaped[2])
        chunk = (1, 1, rows, frame.shaped[3], samples)
    layout = PageLayout(shape[:cut], shape[cut:], frame.shaped, chunk, dims)
    number = math.prod(layout.chunked)
    complete = all(
        min(len(page.dataoffsets), len(page.databytecounts)) >= number for page in pages
    )
    return layout if complete else None


def segmented(
    path: Path, series: Any, pages: Sequence[Any], layout: PageLayout
) -> "SegmentedArray":
    """Return compressed pages unread.

    Parameters
    ----------
    path : Path
        The file.
    series : tifffile.TiffPageSeries
        Of the open file; what is returned does not need it open.
    pages : sequence of tifffile.TiffPage
        All of its pages.
    layout : PageLayout
        How they are cut.

    Raises
    ------
    ImageFileError
        If the file is shorter than it says.
    """
    segments = [_Segments.of(page, layout) for page in pages]
    stamp = FileStamp.of(path)
    require_length(stamp, max(part.end for part in segments))
    return SegmentedArray(stamp, series, segments, layout)


class SegmentedArray(PagedArray):
    """Pages of strips or tiles, of which only those that a part touches are decoded.

    The file is open only while it is read, and any thread may read.

    Parameters
    ----------
    stamp : FileStamp
        The file.
    series : tifffile.TiffPageSeries
        What the file says of the pages.
    pages : sequence
        Where the segments of every page are.
    layout : PageLayout
        How each page is cut into segments.
    """

    def __init__(
        self,
        stamp: FileStamp,
        series: Any,
        pages: Sequence[_Segments],
        layout: PageLayout,
    ) -> None:
        super().__init__(layout.outer, layout.inner, series.dtype.newbyteorder("="))
        self._stamp, self._pages, self._layout = stamp, pages, layout
        self._decode, self._empty = series.keyframe.decode, series.keyframe.nodata
        self._cache: OrderedDict[tuple[int, int], Array] = OrderedDict()
        self._cached = 0
        self._lock = threading.Lock()

    def read_page(self, number: int, inside: Index) -> Array:
        """Return a part of one page.

        Raises
        ------
        ImageFileError
            If the file has changed, or a segment of it is damaged.
        """
        box = [(0, 1)] * 5
        for dim, part in zip(self._layout.dims, inside, strict=True):
            if dim is not None:
                box[dim] = _ends(part)
        self._stamp.require_unchanged()
        with self._lock, self._stamp.path.open("rb") as file:
            window = self._window(file, number, box)
        spans = [stop - start for start, stop in map(_ends, inside)]
        steps = (
            slice(None, None, p.step) if isinstance(p, slice) else 0 for p in inside
        )
        return window.reshape(spans)[tuple(steps)]

    def _window(self, file: BinaryIO, number: int, box: list[tuple[int, int]]) -> Array:
        """Return the pixels of a page from start to stop along its five dimensions."""
        window = np.full([stop - start for start, stop in box], self._empty, self.dtype)
        chunk = self._layout.chunk
        touched = (
            range(start // size, -(-stop // size))
            for (start, stop), size in zip(box, chunk, strict=True)
        )
        for place in itertools.product(*touched):
            corner = [n * size for n, size in zip(place, chunk, strict=True)]
            segment = self._segment(file, number, place)
            if segment is not None:
                _paste(segment, corner, window, [start for start, _ in box])
        return window

    def _segment(
        self, file: BinaryIO, number: int, place: tuple[int, ...]
    ) -> Array | None:
        """Return a decoded segment; None if the file has left it out."""
        at = int(np.ravel_multi_index(place, self._layout.chunked))
        if (number, at) in self._cache:
            self._cache.move_to_end((number, at))
            return self._cache[number, at]
        page = self._pages[number]
        if not (page.offsets[at] and page.counts[at]):
            return None
        file.seek(page.offsets[at])
        segment = self._decoded(file.read(page.counts[at]), number, at)
        self._cache[number, at] = segment
        self._cached += segment.nbytes
        while self._cached > _CACHE and len(self._cache) > 1:
            self._cached -= self._cache.popitem(last=False)[1].nbytes
        return segment

    def _decoded(self, content: bytes, number: int, at: int) -> Array:
        path, tables = self._stamp.path, self._pages[number].tables
        options = {} if tables is None else {"jpegtables": tables}
        try:
            with complaints(path):
                segment, _, _ = self._decode(content, at, **options)
        except ImageFileError:
            raise
        except Exception as error:  # decoders raise whatever damage provokes
            reason = first_line(error)
            raise ImageFileError(
                f"{path} is damaged in page {number + 1}: {reason}; copy it again"
            ) from error
        found: Array = segment.reshape((1, *segment.shape))
        return found


def _ends(part: int | slice) -> tuple[int, int]:
    return (part.start, part.stop) if isinstance(part, slice) else (part, part + 1)


def _paste(segment: Array, corner: list[int], window: Array, start: list[int]) -> None:
    """Copy what a segment and a window, each with its first corner, have in common."""
    pairs = list(zip(corner, segment.shape, start, window.shape, strict=True))
    first = [max(c, s) for c, _, s, _ in pairs]
    last = [min(c + n, s + m) for c, n, s, m in pairs]
    target = tuple(
        slice(f - s, n - s) for f, n, s in zip(first, last, start, strict=True)
    )
    origin = tuple(
        slice(f - c, n - c) for f, n, c in zip(first, last, corner, strict=True)
    )
    window[target] = segment[origin]
