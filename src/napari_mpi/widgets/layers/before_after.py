"""A result and its source, to compare by eye: one after the other, or side by side.

napari cuts no two-dimensional image along a line by public means, so there is none.
"""

from typing import Any

from napari.components import ViewerModel
from napari.layers import Image

from napari_mpi.widgets.layers.view import grid


class BeforeAfter:
    """Shows the source in place of the result, or next to it.

    Parameters
    ----------
    viewer : ViewerModel
        Whose layers; what is hidden meanwhile is shown again.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._before: list[tuple[Any, bool]] = []
        self._grid: tuple[bool, int, tuple[int, int]] | None = None

    @property
    def is_side_by_side(self) -> bool:
        """Whether the two are next to each other."""
        return self._grid is not None

    def show_source(self, source: Image) -> None:
        """Show the source where the result was, until `back`."""
        if not self._before and not self.is_side_by_side:
            self._show_only([source])

    def back(self) -> None:
        """Show again what was shown before."""
        before, self._before = self._before, []
        for layer, visible in before:
            if layer in self._viewer.layers:
                layer.visible = visible

    def side_by_side(self, source: Image, result: Image) -> None:
        """Show the two in one row, moved and zoomed together, until `together`."""
        if self.is_side_by_side:
            return
        self.back()
        self._show_only([source, result])
        shown = grid(self._viewer)
        self._grid = shown.enabled, shown.stride, shown.shape
        # So many layers share a place that the result comes to be in the second.
        places = sorted(self._viewer.layers.index(one) for one in (source, result))
        shown.stride, shown.shape = max(1, places[1]), (1, -1)
        shown.enabled = True
        self._viewer.reset_view()

    def together(self) -> None:
        """Lay the layers over each other again."""
        if self._grid is None:
            return
        shown, (enabled, stride, shape) = grid(self._viewer), self._grid
        self._grid = None
        shown.enabled, shown.stride, shown.shape = enabled, stride, shape
        self.back()
        self._viewer.reset_view()

    def _show_only(self, wanted: list[Image]) -> None:
        self._before = [(layer, layer.visible) for layer in self._viewer.layers]
        for layer in self._viewer.layers:
            layer.visible = layer in wanted
