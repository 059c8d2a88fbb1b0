"""What the viewer shows of a layer: which plane, and which part of it."""

from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image

from napari_mpi.widgets._axes import finest


def shows_plane(viewer: ViewerModel, layer: Image, axes: str) -> bool:
    """Whether the viewer shows a plane of Y by X of the layer, and not a volume."""
    first = viewer.dims.ndim - layer.ndim
    wanted = {first + axes.index("Y"), first + axes.index("X")}
    return viewer.dims.ndisplay == 2 and set(viewer.dims.displayed) == wanted


def shown_step(viewer: ViewerModel, layer: Image) -> tuple[int, ...]:
    """Return the pixel of the layer that is nearest to where the sliders stand."""
    inside = zip(shown_point(viewer, layer), finest(layer).shape, strict=False)
    return tuple(min(max(at, 0), size - 1) for at, size in inside)


def shown_point(viewer: ViewerModel, layer: Image) -> tuple[int, ...]:
    """Return the layer's data coordinates of the point where the sliders stand.

    They are rounded, and may lie outside of the layer.
    """
    point = viewer.dims.point[-layer.ndim :]
    world = np.multiply(point, _units_ratio(viewer, layer))
    return tuple(int(at) for at in np.rint(layer.world_to_data(world)))


def camera(viewer: ViewerModel) -> Any:
    """Return what decides on the part of the world that the canvas shows."""
    scene = getattr(viewer, "scene", None)  # before napari 0.9 there was none
    return viewer.camera if scene is None else scene.camera


def field_of_view(layer: Image, axes: str) -> dict[str, slice]:
    """Return the rows Y and columns X of the layer that the canvas shows.

    napari renews them whenever it draws; those of a coarse level are turned into the
    pixels of level 0 that they cover.
    """
    first, last = layer.corner_pixels
    factors = np.ones(layer.ndim)
    if layer.multiscale:
        factors = layer.downsample_factors[layer.data_level][: layer.ndim]
    shape = finest(layer).shape
    return {
        letter: slice(
            max(0, int(np.floor(first[at] * factors[at]))),
            min(shape[at], int(np.ceil((last[at] + 1) * factors[at]))),
        )
        for letter, at in (("Y", axes.index("Y")), ("X", axes.index("X")))
    }


def _units_ratio(viewer: ViewerModel, layer: Image) -> list[float]:
    """Return how many of the layer's units one unit of the sliders is, by axis."""
    theirs = getattr(viewer.dims, "units", None)
    if theirs is None:
        return [1.0] * layer.ndim
    pairs = zip(theirs[-layer.ndim :], layer.units, strict=True)
    return [float((1 * unit).to(own).magnitude) for unit, own in pairs]
