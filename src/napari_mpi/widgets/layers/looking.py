"""Which plane of a selection a person looks at, told to the worker's thread."""

from typing import Any

from napari.components import ViewerModel
from napari.layers import Image

from napari_mpi.widgets.layers.selection import Selection
from napari_mpi.widgets.layers.view import shown_point


class Looking:
    """Follows the sliders on the main thread; called on any, it tells where they are.

    Every answer is a new object that nobody changes, so no lock is needed.

    Parameters
    ----------
    viewer : ViewerModel
        Whose sliders are followed, until `close`.
    layer : Image
        The layer that is denoised.
    selection : Selection
        The part of it that is denoised.
    """

    def __init__(self, viewer: ViewerModel, layer: Image, selection: Selection) -> None:
        self._viewer, self._layer, self._selection = viewer, layer, selection
        self._plane = self._shown_plane()
        viewer.dims.events.current_step.connect(self._follow)

    def __call__(self) -> dict[str, int] | None:
        """Return the number within the part for each axis outside of the planes.

        None if the sliders stand outside of the part. A single plane has no such axes,
        which gives an empty dictionary.
        """
        return self._plane

    def close(self) -> None:
        """Follow the sliders no longer; the last answer stays."""
        self._viewer.dims.events.current_step.disconnect(self._follow)

    def _follow(self, event: Any = None) -> None:
        self._plane = self._shown_plane()

    def _shown_plane(self) -> dict[str, int] | None:
        layer, part = self._layer, self._selection
        if layer not in self._viewer.layers or self._viewer.dims.ndim < layer.ndim:
            return None  # the sliders are others' now, in other units perhaps
        shown = dict(zip(part.axes, shown_point(self._viewer, layer), strict=False))
        picks = zip(part.axes, part.index, part.data.shape, strict=True)
        outside = [pick for pick in picks if pick[0] not in "YXS"]
        numbers = {axis: _numbers(pick, size) for axis, pick, size in outside}
        if any(shown[axis] not in inside for axis, inside in numbers.items()):
            return None
        return {axis: inside.index(shown[axis]) for axis, inside in numbers.items()}


def _numbers(pick: int | slice, size: int) -> range:
    """Return which pixels of a dimension a part of an index takes."""
    if isinstance(pick, slice):
        return range(*pick.indices(size))
    return range(pick, pick + 1)
