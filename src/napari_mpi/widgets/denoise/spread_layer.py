"""The layer of the spread of the fills, beside the result of a run."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from napari.layers import Image
from napari.viewer import Viewer

from napari_mpi.engine.images.axes import ImageAxes, Index
from napari_mpi.widgets.denoise.result_layer import ResultLayer, copied, finished
from napari_mpi.widgets.layers.selection import Selection

_BRIGHTEST = 0.995  # quantile of the spread that is shown as the brightest colour
_SEEN = 1024  # pixels along each axis, that it is told from


class SpreadLayer(ResultLayer):
    """A layer that is made once a plane is done, and filled plane by plane.

    It is hidden at first, since it would cover the result.
    """

    def __init__(self, viewer: Viewer, source: Image, selection: Selection) -> None:
        super().__init__(viewer, source, selection)
        self._layout = ImageAxes(selection.axes, selection.shape)
        self._limits = (0.0, 1.0)

    def update(
        self, spread: Any, indices: Sequence[Index], made: Mapping[str, Any]
    ) -> None:
        """Bring some planes up to date, while the work goes on.

        Parameters
        ----------
        spread : NDArray or LazyArray
            All of it so far.
        indices : sequence of tuple
            Where the result has changed.
        made : mapping
            Provenance, for a layer that is not there yet.
        """
        if self.layer is None:
            self._add_spread(spread, copied(spread), indices[-1], made)
            return
        in_memory = isinstance(spread, np.ndarray)
        own = [self._layout.index_without_colours(index) for index in indices]
        parts = [(index, spread[index]) for index in own if in_memory]
        self.preview(spread, parts, made)

    def show_all(self, spread: Any, index: Index, made: Mapping[str, Any]) -> None:
        """Show all of it at the end, unless a person has deleted it.

        Parameters
        ----------
        spread : NDArray or LazyArray
            All of it.
        index : tuple
            Where the result has changed last.
        made : mapping
            Provenance.
        """
        if self.is_there:
            self.show(spread, _told(made))
            self._set_limits(spread, index)
        elif self.layer is None:
            self._add_spread(spread, finished(spread), index, made)

    def _add_spread(
        self, spread: Any, shown: Any, index: Index, made: Mapping[str, Any]
    ) -> None:
        """Add the layer, if anything is known of the spread."""
        found = self._found_limits(spread, index)
        if found is None:
            return
        self._limits = found
        selected = set(self._viewer.layers.selection)  # which a new layer would be
        self.layer = self._add_beside(
            shown,
            _told(made),
            what=self._worded("uncertainty"),
            contrast_limits=found,
            colormap="magma",
            visible=False,
        )
        self._viewer.layers.selection = selected

    def _set_limits(self, spread: Any, index: Index) -> None:
        """Fit the contrast to all planes, unless a person has chosen it."""
        assert self.layer is not None
        found = self._found_limits(spread, index)
        if found is not None and tuple(self.layer.contrast_limits) == self._limits:
            self._limits = self.layer.contrast_limits = found

    def _found_limits(self, spread: Any, index: Index) -> tuple[float, float] | None:
        """Tell limits from all of it, or from where it has changed if it is on disk."""
        if isinstance(spread, np.ndarray):
            return _limits(spread)
        own = self._layout.index_without_colours(index)
        return _limits(spread[_middle(own, spread.shape)])


def _told(made: Mapping[str, Any]) -> dict[str, Any]:
    # Loaded by now: the spread came from it.
    from napari_mpi.engine.filling.spread import SHOWS

    return {**made, "shows": SHOWS}


def _limits(known: Any) -> tuple[float, float] | None:
    """Return from where to where to show it; None if nothing is known of it."""
    values = np.asarray(known).ravel()
    values = values[:: max(1, values.size // _SEEN**2)]
    values = values[np.isfinite(values)]
    return (0.0, float(np.quantile(values, _BRIGHTEST)) or 1.0) if values.size else None


def _middle(index: Index, shape: tuple[int, ...]) -> Index:
    """Return the middle of a part, as much as is quick to read."""
    return tuple(_of_slice(at, n) for at, n in zip(index, shape, strict=True))


def _of_slice(part: int | slice, size: int) -> int | slice:
    if isinstance(part, int):
        return part
    start, stop, _ = part.indices(size)
    first = max(start, (start + stop - _SEEN) // 2)
    return slice(first, min(stop, first + _SEEN))
