"""OME-Zarr out: an image of one level, written some chunks at a time."""

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from napari_mpi.engine.files.blocks import rearranged
from napari_mpi.engine.files.metadata import ImageFile, size_of
from napari_mpi.engine.files.ngff.files import looks_like_zarr
from napari_mpi.engine.files.ngff.metadata import (
    add_windows,
    group_attributes,
    stored_axes,
)
from napari_mpi.engine.images.arrays import require_room
from napari_mpi.engine.runtime.errors import AxesError, ImageFileError
from napari_mpi.engine.runtime.optional import extra
from napari_mpi.engine.runtime.whole_files import whole_folder

_CHUNK = 1024  # pixels along Y and X
_BAND = 1 << 25  # bytes of chunks that are written at once


def zarr_problem(path: Path, image: ImageFile | None = None) -> str | None:
    """Return why an OME-Zarr cannot be written here, or None.

    Parameters
    ----------
    path : Path
        The folder to write.
    image : ImageFile, optional
        What to write.
    """
    if path.is_dir() and not looks_like_zarr(path):
        return f"{path} is a folder that holds no Zarr: give another name"
    try:
        extra("zarr", "zarr", path)
        if image is not None:
            stored_axes(image.axes)
    except (ImageFileError, AxesError) as error:
        return str(error)
    return None


def write_zarr(path: Path, image: ImageFile, provenance: Mapping[str, Any]) -> None:
    """Write an OME-Zarr image of one level, of the version that the source has.

    Parameters
    ----------
    path : Path
        A Zarr of that name is replaced.
    image : ImageFile
        Pixels, axes and metadata. The pixels are read some chunks at a time.
    provenance : mapping
        JSON values, kept under 'napari-mpi'.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    zarr = extra("zarr", "zarr", path)
    require_room(size_of(image.array), path.parent)
    stored = stored_axes(image.axes)
    array = rearranged(image.array, image.axes, stored)
    version, attributes = group_attributes(image, stored, provenance)
    with whole_folder(path) as target:
        group, level = _framed(zarr, str(target), array, version, attributes)
        add_windows(attributes, _copy(array, level, stored))
        group.attrs.update(attributes)


def zarr_frame(path: Path, image: ImageFile) -> tuple[str, ...]:
    """Write an image without its pixels, to nowhere.

    Parameters
    ----------
    path : Path
        The folder to write.
    image : ImageFile
        What to write.

    Returns
    -------
    tuple of str
        Empty: all or nothing can be written.
    """
    zarr = extra("zarr", "zarr", path)
    stored = stored_axes(image.axes)
    array = rearranged(image.array, image.axes, stored)
    version, attributes = group_attributes(image, stored, {})
    store = zarr.storage.MemoryStore()
    group, _ = _framed(zarr, store, array, version, attributes)
    group.attrs.update(attributes)
    return ()


def _framed(
    zarr: Any, store: Any, array: Any, version: str, attributes: Mapping[str, Any]
) -> tuple[Any, Any]:
    """Create a group and its level 0, without attributes and pixels."""
    format_ = 2 if version == "0.4" else 3
    group = zarr.open_group(store, mode="w", zarr_format=format_)
    return group, _level(group, array, attributes, format_)


def _copy(array: Any, level: Any, stored: str) -> dict[int, tuple[float, float]]:
    """Write all chunks; return the range of every channel's finite values."""
    channel = next((n for n, letter in enumerate(stored) if letter in "CS"), None)
    ranges: dict[int, tuple[float, float]] = {}
    for index in _bands(level.shape, level.chunks, array.dtype.itemsize):
        band = np.asarray(array[index])
        level[index] = band
        values = band[np.isfinite(band)] if band.dtype.kind in "uif" else band[:0]
        if values.size:
            number = 0 if channel is None else index[channel].start
            low, high = ranges.get(number, (np.inf, -np.inf))
            ends = values.min().item(), values.max().item()
            ranges[number] = min(low, ends[0]), max(high, ends[1])
    return ranges


def _level(group: Any, array: Any, attributes: Mapping[str, Any], format_: int) -> Any:
    """Create the array of level 0, in chunks of one plane."""
    sides = [min(_CHUNK, length) for length in array.shape[-2:]]
    options: dict[str, Any] = {"chunk_key_encoding": {"name": "v2", "separator": "/"}}
    if format_ == 3:
        axes = attributes["ome"]["multiscales"][0]["axes"]
        options = {"dimension_names": [axis["name"] for axis in axes]}
    return group.create_array(
        "0",
        shape=array.shape,
        dtype=array.dtype.newbyteorder("="),
        chunks=(*[1] * (len(array.shape) - 2), *sides),
        **options,
    )


def _bands(
    shape: tuple[int, ...], chunks: tuple[int, ...], itemsize: int
) -> Iterator[tuple[slice, ...]]:
    """Yield indices of whole chunks beside each other."""
    steps = list(chunks)
    beside = _BAND // (itemsize * chunks[-2] * chunks[-1])
    steps[-1] *= max(1, beside)
    starts = [range(0, n, step) for n, step in zip(shape, steps, strict=True)]
    for corner in itertools.product(*starts):
        yield tuple(
            slice(first, min(first + step, n))
            for first, step, n in zip(corner, steps, shape, strict=True)
        )
