"""Chunks of a Zarr array that would unpack to far more than they can hold."""

import itertools
import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from napari_mpi.engine.images.axes import Index
from napari_mpi.engine.runtime.errors import ImageFileError

_DENSEST = 1032  # bytes that gzip packs into one, at the most
_HARMLESS = 1 << 26  # bytes that any chunk may unpack to
_EITHER = zlib.MAX_WBITS | 32  # gzip or zlib, by their marks


def require_inflatable(array: Any, index: Index) -> None:
    """Raise ImageFileError if a chunk packed by gzip or zlib holds more than pixels.

    zarr (3.1) unpacks a chunk in one go, however much there is in it. Only such are
    looked through that are large enough; those in shards are not.

    Parameters
    ----------
    array : zarr.Array
        The array, in a folder.
    index : tuple of int and slice
        What is read of it.
    """
    root = getattr(array.store_path.store, "root", None)
    if root is None or array.shards or not _is_inflated(array):
        return
    most = max(_HARMLESS, 2 * math.prod(array.chunks) * array.dtype.itemsize)
    for place in _places(array, index):
        key = array.metadata.encode_chunk_key(place)
        file = Path(root) / array.store_path.path / key
        if file.is_file() and file.stat().st_size * _DENSEST > most:
            _require_at_most(file, most)


def _is_inflated(array: Any) -> bool:
    names = [getattr(c, "codec_id", type(c).__name__) for c in array.compressors]
    return any(name.lower() in ("gzip", "zlib", "gzipcodec") for name in names)


def _places(array: Any, index: Index) -> Iterator[tuple[int, ...]]:
    """Yield the numbers of the chunks that a part of an array lies in."""
    ranges = []
    for part, chunk in zip(index, array.chunks, strict=True):
        first, last = (
            (part, part)
            if isinstance(part, int)
            else (part.start, max(part.start, part.stop - 1))
        )
        ranges.append(range(first // chunk, last // chunk + 1))
    return itertools.product(*ranges)


def _require_at_most(file: Path, most: int) -> None:
    inflater, unpacked = zlib.decompressobj(_EITHER), 0
    with file.open("rb") as opened:
        while packed := inflater.unconsumed_tail or opened.read(1 << 20):
            unpacked += len(inflater.decompress(packed, 1 << 24))
            if unpacked > most:
                raise ImageFileError(
                    f"{file} is damaged: it unpacks to far more than the pixels of a"
                    " chunk; copy it again"
                )
