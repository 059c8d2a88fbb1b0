"""The entries that say which part of a layer is meant, and what its axes are."""

from typing import Any
from weakref import WeakKeyDictionary

from magicgui.widgets import ComboBox
from napari.components import ViewerModel
from napari.layers import Image

from napari_mpi.engine.runtime.errors import EngineError
from napari_mpi.widgets.layers.axes import (
    finest,
    in_words,
    named_axes,
    possible_axes,
    suggested_axes,
    told_axes,
)
from napari_mpi.widgets.layers.selection import (
    Scope,
    Selection,
    layer_problem,
    scopes,
    select,
)
from napari_mpi.widgets.layers.view import field_of_view, shown_step, shows_plane

_NO_PLANE = (
    "the viewer shows no plane of Y by X: go back to 2D and the usual order of"
    " dimensions, or choose the whole"
)


class ScopeEntry(ComboBox):
    """Lists how much of a layer can be meant."""

    def __init__(self) -> None:
        self._offered: list[tuple[str, Scope]] = []
        super().__init__(name="scope", label="Scope", choices=self._worded)
        self.tooltip = "how much of the image to denoise"

    def offer(self, scopes: list[Scope]) -> None:
        """List these; keep the choice if it is among them."""
        offered = [(scope.value, scope) for scope in scopes]
        if offered == self._offered:
            return
        kept = [scope for scope in scopes if scope is self._chosen()]
        self._offered = offered
        with self.changed.blocked():
            self.native.clear()  # or new ones would come last
            self.reset_choices()
            if scopes:
                self.value = (kept or scopes)[0]

    def _chosen(self) -> Any:
        return self.value

    def _worded(self, _: Any) -> list[tuple[str, Scope]]:
        return self._offered


class PartEntries:
    """Axes and scope of a layer, and the selection that they lead to.

    Parameters
    ----------
    viewer : ViewerModel
        Its sliders and canvas say which plane and which part of it.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self.axes = AxesEntry()
        self.scope = ScopeEntry()

    def offer(self, layer: Image | None) -> None:
        """List what there is to choose for a layer, nothing if it is unusable."""
        usable = layer if layer_problem(layer) is None else None
        self.axes.offer(usable)
        offered: list[Scope] = []
        if usable is not None:
            offered = scopes(self.axes.axes_of(usable), tuple(finest(usable).shape))
        self.scope.offer(offered)

    def problem(self, layer: Image | None) -> str | None:
        """Return why the part cannot be denoised, in a sentence, or None."""
        problem = layer_problem(layer)
        if problem is not None or layer is None:
            return problem
        axes, scope = self.axes.axes_of(layer), self.scope.value
        if scope.is_shown and not shows_plane(self._viewer, layer, axes):
            return _NO_PLANE
        try:
            select(layer, scope, axes=axes, view=self._view(layer))
        except EngineError as error:
            return str(error)
        return None

    def whole(self, layer: Image) -> Selection:
        """Return all of a layer.

        Raises
        ------
        EngineError
            If the layer cannot be denoised.
        """
        return select(layer, axes=self.axes.axes_of(layer))

    def can_be_tried(self, layer: Image | None) -> bool:
        """Whether the viewer shows a part of a layer that can be denoised alone."""
        if layer is None or layer_problem(layer) is not None:
            return False
        axes = self.axes.axes_of(layer)
        if not shows_plane(self._viewer, layer, axes):
            return False
        view = field_of_view(self._viewer, layer, axes)
        try:
            select(layer, Scope.VIEW, axes=axes, view=view)
        except EngineError:
            return False
        return True

    def selection(self, layer: Image, scope: Scope | None = None) -> Selection:
        """Return the part that is meant, as the viewer shows it now.

        Parameters
        ----------
        layer : Image
            The image.
        scope : Scope, optional
            How much of it; what is chosen if None.

        Raises
        ------
        EngineError
            If the part cannot be denoised.
        """
        axes = self.axes.axes_of(layer)
        scope = scope or self.scope.value
        view = field_of_view(self._viewer, layer, axes) if scope is Scope.VIEW else None
        # The sliders are asked only where they matter: while layers come and go, the
        # viewer's dimensions are for a moment not those of its layers.
        step = () if scope.is_everything else shown_step(self._viewer, layer)
        return select(layer, scope, axes=axes, step=step, view=view)

    @property
    def meant(self) -> str | None:
        """Return what is meant, in words, where it is not the whole layer."""
        scope = self.scope.value
        return None if scope is None or scope.is_everything else str(scope.value)

    def _view(self, layer: Image) -> dict[str, slice] | None:
        if self.scope.value is not Scope.VIEW:
            return None
        return field_of_view(self._viewer, layer, self.axes.axes_of(layer))


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
        """Whether there is anything to choose: not where the file says it."""
        return len(self._offered) > 1 and not (self._layer and told_axes(self._layer))

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
