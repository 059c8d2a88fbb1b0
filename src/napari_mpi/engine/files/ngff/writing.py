"""OME-Zarr out: an image with its levels, written some chunks at a time."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from napari_mpi.engine.files.metadata import ImageFile, size_of
from napari_mpi.engine.files.ngff.facts import add_windows, ranges_in, widen
from napari_mpi.engine.files.ngff.files import looks_like_zarr
from napari_mpi.engine.files.ngff.framing import framed
from napari_mpi.engine.files.ngff.levels import bands, made_levels
from napari_mpi.engine.files.ngff.metadata import stored_axes
from napari_mpi.engine.files.ngff.opening import ZIPPED
from napari_mpi.engine.images.arrays import require_room
from napari_mpi.engine.runtime.errors import AxesError, ImageFileError
from napari_mpi.engine.runtime.optional import extra
from napari_mpi.engine.runtime.whole_files import whole_folder


def zarr_problem(path: Path, image: ImageFile | None = None) -> str | None:
    """Return why an OME-Zarr cannot be written here, or None.

    Parameters
    ----------
    path : Path
        The folder to write.
    image : ImageFile, optional
        What to write.
    """
    if path.name.lower().endswith(ZIPPED):
        return f"{path} is only read: write a .zarr, and pack it afterwards"
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
    """Write an OME-Zarr image, of the version and with the levels of its source.

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
    require_room(size_of(image.array), path.parent)
    frame = framed(image, provenance)
    with whole_folder(path) as target:
        group, levels = frame.create(str(target))
        add_windows(frame.attributes, _copy(frame.array, levels[0], frame.axes))
        for _ in made_levels(levels):
            pass
        group.attrs.update(frame.attributes)


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
        Words for the levels that are left out, if some are.
    """
    zarr = extra("zarr", "zarr", path)
    frame = framed(image, {})
    group, _ = frame.create(zarr.storage.MemoryStore())
    group.attrs.update(frame.attributes)
    several = "s" * (frame.left_out > 1)
    return (f"its {frame.left_out} coarsest level{several}",) if frame.left_out else ()


def _copy(array: Any, level: Any, stored: str) -> dict[int, tuple[float, float]]:
    """Write all chunks; return the range of every channel's finite values."""
    ranges: dict[int, tuple[float, float]] = {}
    for index in bands(level):
        band = np.asarray(array[index])
        level[index] = band
        widen(ranges, ranges_in(band, index, stored))
    return ranges
