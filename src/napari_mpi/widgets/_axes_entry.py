"""The choice of what a layer's dimensions mean, where it is not certain."""

from typing import Any
from weakref import WeakKeyDictionary

from magicgui.widgets import ComboBox
from napari.layers import Image

from napari_mpi.widgets._axes import (
    finest,
    in_words,
    named_axes,
    possible_axes,
    suggested_axes,
)


class AxesEntry(ComboBox):
    """Lists the axes that a layer may have, and remembers the choice for each layer."""

    def __init__(self) -> None:
        self._layer: Image | None = None
        self._offered: list[tuple[str, str]] = []
        self._chosen: WeakKeyDictionary[Image, str] = WeakKeyDictionary()
        super().__init__(name="axes", label="Axes", choices=self._worded)
        self._explain()
        self.changed.connect(self._remember)

    def offer(self, layer: Image | None) -> None:
        """List what the layer may have, unless its axes are certain.

        Raises
        ------
        AxesError
            If it has too many dimensions to guess.
        """
        self._layer = layer
        possible = [] if layer is None or named_axes(layer) else possible_axes(layer)
        shape = finest(layer).shape if possible else ()
        offered = [(in_words(axes, shape), axes) for axes in possible]
        with self.changed.blocked():
            if offered != self._offered:
                self._offered = offered
                self.native.clear()  # or new ones would come last
                self.reset_choices()
                self._widen_list()
            if layer is not None and possible:
                self.value = self.axes_of(layer)
        self._explain()

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to choose."""
        return len(self._offered) > 1

    def axes_of(self, layer: Image) -> str:
        """Return a layer's axes: as labelled, as chosen, or else the likeliest."""
        return self.stated(layer) or suggested_axes(layer)

    def stated(self, layer: Image) -> str | None:
        """Return a layer's axes if its labels or a person have named them."""
        chosen = self._chosen.get(layer)
        usable = chosen is not None and len(chosen) == len(finest(layer).shape)
        return named_axes(layer) or (chosen if usable else None)

    def _worded(self, _: Any) -> list[tuple[str, str]]:
        return self._offered

    def _remember(self, axes: str | None) -> None:
        if self._layer is not None and axes is not None:
            self._chosen[self._layer] = axes
        self._explain()

    def _explain(self) -> None:
        """Say the choice in full: a narrow dock cuts it short."""
        told = f": {self.current_choice}" if self._offered else ""
        self.tooltip = f"what each dimension of the image is{told}"

    def _widen_list(self) -> None:
        """Let the open list show whole lines, however narrow the dock is."""
        view = self.native.view()
        view.setMinimumWidth(view.sizeHintForColumn(0) + 2 * view.frameWidth())
