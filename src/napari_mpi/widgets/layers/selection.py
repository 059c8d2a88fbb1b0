"""Image layers: what of them is denoised, and results that overlay them exactly."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from napari.layers import Image
from numpy.typing import NDArray

from napari_mpi.engine.images.arrays import length, part_of
from napari_mpi.engine.images.axes import LETTERS, ImageAxes, Index
from napari_mpi.engine.runtime.errors import EngineError, ImageError
from napari_mpi.widgets.layers.axes import finest, layer_axes

Array = NDArray[np.generic]

LEAST_SIDE = 16
"""Pixels that a field of view has at least, of every side that is not shorter."""


class Scope(Enum):
    """How much of a layer is meant."""

    PLANE = "this plane"
    CHANNEL = "this channel"
    LAYER = "whole layer"
    IMAGE = "whole image"  # the same where the layer is a single plane
    VIEW = "field of view"

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return self in (Scope.LAYER, Scope.IMAGE)

    @property
    def is_shown(self) -> bool:
        """Whether it depends on the plane that the viewer shows."""
        return self in (Scope.PLANE, Scope.VIEW)


@dataclass(frozen=True, slots=True)
class Selection:
    """What of a layer is to be denoised; read only when the work starts.

    Parameters
    ----------
    data : array-like
        The layer's pixels (level 0 of a multiscale layer); may be lazy.
    axes : str
        One letter per dimension.
    index : tuple
        The part that is meant; its one-plane axes keep their dimension.
    """

    data: Any
    axes: str
    index: Index

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the part."""
        picks = zip(self.index, self.data.shape, strict=True)
        return tuple(length(pick, size) for pick, size in picks)

    @property
    def planes(self) -> int:
        """How many planes the part has."""
        layout = ImageAxes(self.axes, self.shape)
        sizes = zip(self.axes, self.shape, strict=True)
        return math.prod(n for axis, n in sizes if axis not in layout.plane_letters)

    @property
    def where(self) -> str:
        """Which part it is, in words such as 'Z 4, part'; nothing for everything."""
        sizes = zip(self.axes, self.index, self.data.shape, self.shape, strict=True)
        told = []
        for axis, pick, whole, kept in sizes:
            if axis in "YX" and kept < whole and "part" not in told:
                told.append("part")
            elif axis not in "YXS" and kept == 1 < whole:
                told.append(f"{axis} {pick.start if isinstance(pick, slice) else pick}")
        return ", ".join(told)

    def lazy(self) -> Any:
        """Return the part unread, of the kind that `part_of` gives."""
        return part_of(self.data, self.index)


def scopes(axes: str, shape: tuple[int, ...]) -> list[Scope]:
    """Return how much of a layer can be meant, the usual first.

    Parameters
    ----------
    axes : str
        One letter per dimension.
    shape : tuple of int
        The layer's shape.
    """
    planes = Selection(np.broadcast_to(0, shape), axes, (slice(None),) * len(axes))
    if planes.planes == 1:
        return [Scope.IMAGE, Scope.VIEW]
    channels = dict(zip(axes, shape, strict=True)).get("C", 1)
    single = [] if channels == planes.planes else [Scope.PLANE]
    several = [Scope.CHANNEL] if channels > 1 else []
    return [Scope.LAYER, *single, *several, Scope.VIEW]


def select(
    layer: Image,
    scope: Scope = Scope.LAYER,
    *,
    axes: str | None = None,
    step: tuple[int, ...] = (),
    view: Mapping[str, slice] | None = None,
) -> Selection:
    """Select a part of a layer; nothing of it is read.

    Parameters
    ----------
    layer : Image
        The source.
    scope : Scope
        How much of it.
    axes : str, optional
        One letter per dimension; the likeliest if None.
    step : tuple of int
        The layer's own data coordinates of the plane or channel, one number per
        dimension; not needed for the whole.
    view : mapping, optional
        Rows Y and columns X, for a field of view.

    Raises
    ------
    ImageError, AxesError
        If the part cannot be denoised, with the reason.
    """
    data = finest(layer)
    _require_numbers(layer.name, np.dtype(data.dtype))
    axes = axes or layer_axes(layer)
    ImageAxes(axes, tuple(data.shape))
    kept = _kept_whole(scope)
    index = tuple(
        slice(None) if letter in kept else slice(at, at + 1)
        for letter, at in zip(axes, (*step, *(0,) * len(axes)), strict=False)
    )
    if scope is Scope.VIEW and view is not None:
        _require_in_view(layer.name, view, dict(zip(axes, data.shape, strict=True)))
        pairs = zip(axes, index, strict=True)
        index = tuple(view.get(letter, pick) for letter, pick in pairs)
    return Selection(data, axes, index)


def same_part(layer: Image, selection: Selection) -> Selection:
    """Select the part of a layer that is selected of another of the same shape.

    Raises
    ------
    ImageError
        If the layer holds no numbers.
    """
    data = finest(layer)
    _require_numbers(layer.name, np.dtype(data.dtype))
    return Selection(data, selection.axes, selection.index)


def reference_problem(reference: Image | None, selection: Selection) -> str | None:
    """Return why a layer is no reference for a selection, or None."""
    if reference is None:
        return None
    data = finest(reference)
    if tuple(data.shape) != tuple(selection.data.shape):
        return (
            f"the reference {reference.name!r} has shape {tuple(data.shape)} but the"
            f" image {tuple(selection.data.shape)}: choose one of equal shape"
        )
    return None


def layer_problem(layer: Image | None) -> str | None:
    """Return why a layer cannot be denoised, in a sentence, or None."""
    if layer is None:
        return "open an image first: labels, points and shapes cannot be denoised"
    try:
        select(layer)
    except EngineError as error:
        return str(error)
    return None


def _require_numbers(name: str, dtype: np.dtype[Any]) -> None:
    kinds = {"b": "yes/no values, a mask", "c": "complex numbers"}
    if dtype.kind not in "uif":
        held = kinds.get(dtype.kind, f"values of type {dtype}")
        raise ImageError(
            f"the layer {name!r} holds {held}: choose one of integers or real numbers"
        )


def _kept_whole(scope: Scope) -> str:
    """Return the letters of the axes of which nothing is left out."""
    kept = {Scope.PLANE: "YXS", Scope.VIEW: "YXS"}
    kept[Scope.CHANNEL] = "".join(letter for letter in LETTERS if letter != "C")
    return kept.get(scope, "".join(LETTERS))


def _require_in_view(
    name: str, view: Mapping[str, slice], sizes: Mapping[str, int]
) -> None:
    for letter, part in view.items():
        if length(part, sizes[letter]) < min(LEAST_SIDE, sizes[letter]):
            raise ImageError(
                f"the canvas shows fewer than {LEAST_SIDE} x {LEAST_SIDE} pixels of the"
                f" layer {name!r}: zoom out, move it into view, or choose another scope"
            )
