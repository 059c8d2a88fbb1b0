"""What the dimensions of a layer mean: its labels, its file's axes, or a guess."""

import itertools
from contextlib import suppress
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from napari.layers import Image

from napari_mpi.engine.images.axes import LETTERS, guess_axes, told_or_guessed
from napari_mpi.engine.runtime.errors import AxesError

_STACKS = "TZC"  # in the order of the usual guess
_MOST = len(_STACKS)
_TIMES = " \N{MULTIPLICATION SIGN} "
_TIFF = (".tif", ".tiff")


def finest(layer: Image) -> Any:
    """Return a layer's pixels; level 0 of a multiscale layer; unread if lazy."""
    return layer.data[0] if layer.multiscale else layer.data


def named_axes(layer: Image) -> str | None:
    """Return the axes of a layer if its labels are letters that name them, or None."""
    labels = [str(label).upper() for label in layer.axis_labels]
    known = all(label in LETTERS and label != "S" for label in labels)
    if known and len(set(labels)) == len(labels) and {"Y", "X"} <= set(labels):
        return "".join(labels) + ("S" if layer.rgb else "")
    return None


def layer_axes(layer: Image) -> str:
    """Return the axes of a layer as its labels name them, or else the likeliest.

    Raises
    ------
    AxesError
        If it has too many dimensions to guess.
    """
    return named_axes(layer) or suggested_axes(layer)


def suggested_axes(layer: Image) -> str:
    """Return the likeliest axes of a layer without labels: the file's, or a guess.

    Raises
    ------
    AxesError
        If it has too many dimensions to guess.
    """
    if layer.ndim - 2 > _MOST:
        raise AxesError(
            f"the layer {layer.name!r} has {layer.ndim} dimensions, too many to guess:"
            " name them by its axis labels, such as P, T, Z, C, Y, X"
        )
    shape = tuple(finest(layer).shape)
    return told_axes(layer) or guess_axes(shape, colour=bool(layer.rgb))


def possible_axes(layer: Image) -> list[str]:
    """Return all axes that a layer may have, the likeliest first."""
    likeliest, shape = suggested_axes(layer), finest(layer).shape
    plane = "YXS" if layer.rgb else "YX"
    planes = [plane] if layer.rgb or shape[-1] not in (3, 4) else ["YX", "YXS", "YXC"]
    possible = [
        "".join(stack) + plane
        for plane in planes
        for stack in itertools.permutations(_STACKS, max(0, len(shape) - len(plane)))
        if len(plane) <= len(shape) and not set(stack) & set(plane)
    ]
    return [likeliest, *(axes for axes in possible if axes != likeliest)]


def in_words(axes: str, shape: tuple[int, ...]) -> str:
    """Return axes as a person says them: 'depth 30, height 512, width 400 (ZYX)'."""
    sizes = zip(axes, shape, strict=True)
    return f"{_TIMES.join(f'{LETTERS[axis]} {n}' for axis, n in sizes)} ({axes})"


_from_files: WeakKeyDictionary[Image, tuple[tuple[int, ...], str | None]] = (
    WeakKeyDictionary()
)


def told_axes(layer: Image) -> str | None:
    """Return the axes that the layer's TIFF file names, if its shape is the layer's."""
    shape = tuple(finest(layer).shape)
    known_for, axes = _from_files.get(layer, (None, None))
    if known_for != shape:
        axes = None
        # A suggestion only: whatever a damaged file provokes, there still is the guess.
        with suppress(Exception):
            axes = _read_axes(layer.source.path, shape)
        _from_files[layer] = shape, axes
    return axes if axes is None or ("S" in axes) >= layer.rgb else None


def _read_axes(path: str | None, shape: tuple[int, ...]) -> str | None:
    if path is None or not path.lower().endswith(_TIFF) or not Path(path).is_file():
        return None
    import tifffile

    with tifffile.TiffFile(path) as file:
        # Others tell nothing, and every plane's header would have to be read for it.
        if not (file.is_imagej or file.is_ome or file.is_shaped or file.is_lsm):
            return None
        series = file.series[0]
    if tuple(series.shape) != shape:
        return None
    axes, guessed = told_or_guessed(series.axes, shape)
    return None if guessed else axes
