"""The entries that say which part of a layer is meant, and what its axes are."""

from typing import Any

from magicgui.widgets import ComboBox
from napari.components import ViewerModel
from napari.layers import Image

from napari_mpi.engine.errors import EngineError
from napari_mpi.widgets._axes import finest
from napari_mpi.widgets._axes_entry import AxesEntry
from napari_mpi.widgets._layers import Scope, Selection, layer_problem, scopes, select
from napari_mpi.widgets._view import field_of_view, shown_step, shows_plane

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

    def selection(self, layer: Image) -> Selection:
        """Return the part that is meant, as the viewer shows it now.

        Raises
        ------
        EngineError
            If the part cannot be denoised.
        """
        axes = self.axes.axes_of(layer)
        scope, view = self.scope.value, self._view(layer)
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
