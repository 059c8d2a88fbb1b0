"""OME-Zarr and plain Zarr arrays in; the package zarr comes as an extra."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_mpi.engine.files.blocks import rearranged
from napari_mpi.engine.files.metadata import ImageFile, Metadata
from napari_mpi.engine.files.ngff.chunks import require_inflatable
from napari_mpi.engine.files.ngff.metadata import (
    LAYOUT,
    NgffSource,
    axes_of,
    calibration_of,
)
from napari_mpi.engine.files.ngff.opening import broken, opened
from napari_mpi.engine.files.ngff.plates import fields_of, is_plate
from napari_mpi.engine.files.patience import require_memory
from napari_mpi.engine.files.remote import shown
from napari_mpi.engine.images.arrays import LazyArray
from napari_mpi.engine.images.axes import LETTERS, Index, guess_axes
from napari_mpi.engine.images.intensity import require_intensities
from napari_mpi.engine.runtime.errors import ImageFileError
from napari_mpi.engine.runtime.optional import extra

_COUNTED = 10_000  # chunks, at the most, of which it is looked up which are there
_MARKS = ("zarr.json", ".zgroup", ".zarray")


class ZarrArray(LazyArray):
    """A Zarr array whose damage is told in a sentence.

    Parameters
    ----------
    path : Path
        Where it is.
    array : zarr.Array
        The array.
    """

    def __init__(self, path: Path, array: Any) -> None:
        self.shape, self.dtype = array.shape, np.dtype(array.dtype).newbyteorder("=")
        self.chunks: tuple[int, ...] = array.chunks
        self._path, self._array = path, array
        require_memory(path, math.prod(array.chunks) * self.dtype.itemsize)

    def read(self, index: Index) -> NDArray[np.generic]:
        """Return a part.

        Raises
        ------
        ImageFileError
            If a chunk of it is damaged.
        """
        try:
            require_inflatable(self._array, index)
            return np.asarray(self._array[index], self.dtype)
        except ImageFileError:
            raise
        except Exception as error:  # codecs raise whatever damage provokes
            raise broken(self._path, error) from error


def looks_like_zarr(path: Path) -> bool:
    """Return whether a folder is of Zarr; those inside of others have no suffix.

    Parameters
    ----------
    path : Path
        The folder.
    """
    return any((path / mark).is_file() for mark in _MARKS)


def read_zarr(
    path: Path,
    *,
    lazy: bool = False,
    series: int | str | None = None,
    level: int = 0,
) -> ImageFile:
    """Read a level of an OME-Zarr image, or a plain Zarr array.

    Parameters
    ----------
    path : Path
        The folder, a .zip of one, or an address, see `url_of`.
    lazy : bool
        Whether the pixels are read when they are asked for.
    series : int or str, optional
        Which image of several, by its number; the first if None.
    level : int
        Which level, from 0, the finest.

    Raises
    ------
    ImageFileError
        If it holds no such image, or the package zarr is missing.
    """
    zarr = extra("zarr", "zarr", path)
    if is_plate(path):
        raise ImageFileError(_as_plate(path))
    node, names, number = opened(path), [""], 0
    if isinstance(node, zarr.Group):
        node, names, number = _image_group(path, node, series)
        image = _read_group(path, node, level)
    elif level:
        raise ImageFileError(f"{shown(path)} is one array: it has no level {level}")
    else:
        image = ImageFile(ZarrArray(path, node), _plain_axes(node), Metadata("zarr"))
    require_intensities(np.dtype(image.array.dtype))
    notes = [*image.notes]
    if len(names) > 1:
        notes.append(
            f"it holds {len(names)} images, of which number {number} is read: --series"
            " chooses another"
        )
    array = image.array if lazy else np.asarray(image.array)
    return replace(image, array=array, series=len(names), notes=tuple(notes))


def _as_plate(path: Path) -> str:
    fields = fields_of(path)
    if not fields:
        return f"{path} is a plate without a field that is there: check the folder"
    return (
        f"{path} is a plate with {len(fields)} field{'s' * (len(fields) != 1)}: denoise"
        f" them all by a batch, or give one of them, such as {fields[0]}"
    )


def _image_group(
    path: Path, group: Any, wanted: int | str | None
) -> tuple[Any, list[str], int]:
    """Return the group of an image, the names of all images, and its number."""
    if "multiscales" in _described(group):
        return group, [""], 0
    images = sorted(
        (name for name, _ in group.groups() if name.isdecimal()), key=int
    )  # bioformats2raw numbers its images
    if wanted is not None and str(wanted) not in images:
        raise ImageFileError(
            f"{path} has no series {str(wanted)!r}: it has {', '.join(images) or 'one'}"
        )
    number = 0 if wanted is None else images.index(str(wanted))
    if images and "multiscales" in _described(group[images[number]]):
        return group[images[number]], images, number
    raise ImageFileError(
        f"{shown(path)} holds no OME-Zarr image: give the path of an image or of an"
        " array in it"
    )


def _described(group: Any) -> Mapping[str, Any]:
    attributes = group.attrs.asdict()
    described: Mapping[str, Any] = attributes.get("ome", attributes)
    return described


def _read_group(path: Path, group: Any, level: int) -> ImageFile:
    described, others = _described(group), group.attrs.asdict()
    multiscale = described["multiscales"][0]
    datasets = multiscale["datasets"]
    if not 0 <= level < len(datasets):
        raise ImageFileError(
            f"{shown(path)} has no level {level}: it has {len(datasets)}, from 0 to"
            f" {len(datasets) - 1}"
        )
    levels = tuple(group[dataset["path"]] for dataset in datasets[level:])
    array = ZarrArray(path, levels[0])
    axes = axes_of(multiscale, array.shape)
    is_newer = others.pop("ome", None) is not None
    layout = others.get(LAYOUT, {}).get("axes", axes)
    stored = axes.replace("C", "S") if "S" in layout else axes
    known = calibration_of(described, multiscale, axes, level)
    source = NgffSource(
        "0.5" if is_newer else "0.4",
        described,
        others if is_newer else {},
        stored,
        levels,
        level,
        _beside(group, datasets),
    )
    metadata = Metadata("zarr", calibration=known, source=source)
    notes = _holes(levels[0])
    if sorted(layout) != sorted(stored):
        return ImageFile(array, axes, metadata, notes=notes)
    ordered = rearranged(array, stored, layout)
    return ImageFile(ordered, layout, metadata, notes=notes)


def _beside(group: Any, datasets: list[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return what a group holds besides levels, as far as its store can be listed."""
    if not _is_listed(group.store):
        return ()
    known = {str(dataset["path"]).partition("/")[0] for dataset in datasets}
    return tuple(sorted({name.partition("/")[0] for name in group} - known))


def _is_listed(store: Any) -> bool:
    """Whether what a store holds is quickly listed: not behind an address."""
    return bool(store.supports_listing) and not hasattr(store, "fs")


def _holes(array: Any) -> tuple[str, ...]:
    """Tell chunks that were never written, of an array that is quickly counted."""
    if not 1 < array.nchunks <= _COUNTED or not _is_listed(array.store):
        return ()
    missing = array.nchunks - array.nchunks_initialized
    if not 0 < missing < array.nchunks:
        return ()
    return (
        f"{missing} of {array.nchunks} chunks were never written: they hold"
        f" {array.fill_value}",
    )


def _plain_axes(array: Any) -> str:
    """Return axes as the dimensions are named, or else as the shape suggests."""
    names = getattr(array.metadata, "dimension_names", None)
    names = names or array.attrs.get("_ARRAY_DIMENSIONS") or []
    letters = "".join(str(name or "?").upper() for name in names)
    known = set(letters) <= set(LETTERS) and len(set(letters)) == len(array.shape)
    fits = len(letters) == len(array.shape) and {"Y", "X"} <= set(letters)
    return letters if known and fits else guess_axes(array.shape)
