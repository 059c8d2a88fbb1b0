"""What the viewer shows of a layer: which plane, and which part of it."""

import itertools
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image
from numpy.typing import NDArray

from napari_mpi.widgets.layers.axes import finest


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


def grid(viewer: ViewerModel) -> Any:
    """Return what decides on whether the layers are shown side by side."""
    canvas = getattr(viewer, "canvas", None)  # before napari 0.9 there was none
    return viewer.grid if canvas is None else canvas.grid


def field_of_view(viewer: ViewerModel, layer: Image, axes: str) -> dict[str, slice]:
    """Return the rows Y and columns X of the layer that the canvas shows.

    They are those that napari has found when it last drew; of a multiscale layer, at
    level 0. A slice is empty where nothing of the layer is in view.
    """
    first, last = (corner.astype(float) for corner in layer.corner_pixels)
    if layer.multiscale:
        factors = layer.downsample_factors[layer.data_level][: layer.ndim]
        first, last = first * factors, (last + 1) * factors - 1
        # What napari has loaded, which may be more by far than what is shown of it.
        shown = _canvas_corners(viewer, layer)
        if shown is not None:
            first = np.maximum(first, np.floor(shown.min(axis=0)))
            last = np.minimum(last, np.ceil(shown.max(axis=0)))
    shape = finest(layer).shape
    places = {letter: axes.index(letter) for letter in "YX"}
    return {
        letter: _inside(first[at], last[at] + 1, shape[at])
        for letter, at in places.items()
    }


def _inside(start: float, stop: float, size: int) -> slice:
    """Return the pixels of a dimension that a range covers."""
    first = min(max(0, int(np.floor(start))), size)
    return slice(first, max(first, min(size, int(np.ceil(stop)))))


def _canvas_corners(viewer: ViewerModel, layer: Image) -> NDArray[np.float64] | None:
    """Return the canvas's four corners in data coordinates, if its size is known."""
    canvas, shown = getattr(viewer, "canvas", None), viewer.dims.displayed[-2:]
    if canvas is None:
        return None
    half = np.divide(canvas.viewbox_size(viewer.layers), 2 * camera(viewer).zoom)
    corners = []
    for signs in itertools.product((-1, 1), repeat=2):
        point = np.array(viewer.dims.point)
        point[list(shown)] = camera(viewer).center[-2:] + half * signs
        world = point[-layer.ndim :] * _units_ratio(viewer, layer)
        corners.append(layer.world_to_data(world))
    return np.array(corners)


def _units_ratio(viewer: ViewerModel, layer: Image) -> list[float]:
    """Return how many of the layer's units one unit of the sliders is, by axis."""
    theirs = getattr(viewer.dims, "units", None)
    if theirs is None:
        return [1.0] * layer.ndim
    pairs = zip(theirs[-layer.ndim :], layer.units, strict=True)
    return [float((1 * unit).to(own).magnitude) for unit, own in pairs]
