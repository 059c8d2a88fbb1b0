"""The choice of the image: the layer that is selected, until a person pins another."""

from typing import Any

from magicgui.widgets import ComboBox
from napari.layers import Image
from napari.viewer import Viewer
from qtpy.compat import isalive
from qtpy.QtWidgets import QHBoxLayout, QToolButton, QWidget

from napari_mpi.widgets.layers.roles import is_source, role


class LayerEntry(ComboBox):
    """Lists the image layers of a viewer, those that are a person's own first.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose layers; magicgui's own list is the current viewer's until docked.
    """

    def __init__(self, viewer: Viewer, **options: Any) -> None:
        self._viewer = viewer
        super().__init__(choices=self._named, nullable=True, **options)

    def _named(self, _: Any = None) -> list[tuple[str, Image]]:
        images = [layer for layer in self._viewer.layers if isinstance(layer, Image)]
        images.sort(key=lambda layer: not is_source(layer))
        return [(_label(layer), layer) for layer in images]


class ImageEntry(LayerEntry):
    """Follows the selected image layer; what a person picks from the list is pinned.

    What we have made ourselves (results, uncertainty, noise removed, previews) and
    references are never followed; they can be picked.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose layers.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._is_following = False
        self.row = QWidget()
        self.pin = QToolButton(text="pin", checkable=True)
        self.pin.setToolTip("keep this image, whichever layer is selected")
        super().__init__(viewer, name="image", label="Image")
        self.tooltip = "the selected layer; one that you pick from the list stays"
        layout = QHBoxLayout(self.row)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.native, stretch=1)
        layout.addWidget(self.pin)
        self.changed.connect(self._on_choice)
        self.pin.toggled.connect(self.follow)
        viewer.layers.selection.events.active.connect(self.follow)

    def follow(self, event: Any = None) -> None:
        """Take the selected layer, unless another is pinned."""
        if isalive(self.native) and not self.pin.isChecked():
            wanted = self._wanted()
            if wanted is not self.value:
                self._take(wanted)

    @property
    def together(self) -> list[Image]:
        """The image, or all that are selected with it, if none is pinned."""
        chosen = self._selected()
        if self.pin.isChecked() or len(chosen) < 2 or self.value not in chosen:
            return [] if self.value is None else [self.value]
        return chosen

    def _selected(self) -> list[Image]:
        layers = self._viewer.layers
        return [one for one in layers if one in layers.selection and is_source(one)]

    def reset_choices(self, *_: Any) -> None:
        """List the layers anew; one that is gone is neither kept nor pinned."""
        self._is_following = True
        before = self.value
        super().reset_choices()
        self._is_following = False
        if before is not None and before not in self._viewer.layers:
            self.pin.setChecked(False)
        self.follow()

    def _wanted(self) -> Image | None:
        layers = self._viewer.layers
        if is_source(layers.selection.active):
            return layers.selection.active
        chosen = self._selected()
        if chosen and self.value not in chosen:
            return chosen[-1]
        if self.value in layers and is_source(self.value):
            return self.value
        own = [layer for layer in reversed(layers) if is_source(layer)]
        seen = [layer for layer in own if layer.visible]
        return (seen or own or [None])[0]

    def _take(self, layer: Image | None) -> None:
        if layer is not None and layer not in self.choices:
            return  # it is being added: the list comes anew in a moment
        self._is_following = True
        self.value = layer
        self._is_following = False

    def _on_choice(self, layer: Image | None) -> None:
        if not self._is_following:
            self.pin.setChecked(layer is not None)


def _label(layer: Image) -> str:
    what = role(layer)
    return f"{layer.name} [{what}]" if what else str(layer.name)
