"""What a person chooses in the Denoise widget, and the request that comes of it."""

from typing import Any

from magicgui.widgets import ComboBox
from napari.layers import Image
from napari.viewer import Viewer
from qtpy.compat import isalive
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QFileDialog, QPushButton, QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_mpi.engine.presets import DEFAULT_PRESET, preset
from napari_mpi.engine.registry import (
    DEFAULT_WEIGHTS,
    suggested_preset,
    weights_names,
)
from napari_mpi.widgets._denoise_job import Request
from napari_mpi.widgets._devices import DeviceEntry
from napari_mpi.widgets._forms import (
    Form,
    SettingsForm,
    command_line,
    effort_choices,
    noise_choices,
)
from napari_mpi.widgets._layers import Scope, reference_problem, same_part
from napari_mpi.widgets._news import news
from napari_mpi.widgets._part_entries import PartEntries
from napari_mpi.widgets._view import camera

_DRAWN_AFTER = 200  # milliseconds after the camera has moved


class DenoiseForm(QWidget):
    """Layer, kind of noise, weights, device; and an advanced fold with all settings.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer whose layers there are to choose from.
    """

    changed = Signal()

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._files: list[str] = []
        # Only once the canvas is drawn does napari know which part of a layer it shows.
        self._looked_away = QTimer(self, singleShot=True, interval=_DRAWN_AFTER)
        self._looked_away.timeout.connect(self._on_change)
        self._make_entries()
        self._lay_out()
        for entry in (self.image, self.axes, self.scope, self.reference):
            entry.changed.connect(self._on_change)
        self.noise.changed.connect(self._offer_efforts)
        self.effort.changed.connect(self._apply_preset)
        self.weights.changed.connect(self._suggest_noise)
        self.file_button.clicked.connect(self._choose_file)
        viewer.dims.events.order.connect(self._on_change)
        viewer.dims.events.ndisplay.connect(self._on_change)
        viewer.dims.events.axis_labels.connect(self._on_change)
        camera(viewer).events.connect(self._on_camera)
        news.weights_changed.connect(self._refresh_weights)

    # -- what comes of it --------------------------------------------------------

    def problem(self) -> str | None:
        """Return why it cannot be denoised, in a sentence, or None."""
        layer = self.image.value
        problem = self.part.problem(layer)
        if problem is not None:
            return problem
        return reference_problem(self.reference.value, self.part.whole(layer))

    def request(self) -> Request:
        """Return what was chosen.

        Raises
        ------
        EngineError
            If a layer or a setting cannot be used.
        """
        selection = self.part.selection(self.image.value)
        clean = self.reference.value
        reference = None if clean is None else same_part(clean, selection)
        config, weights = self.settings.config(), self.weights.value
        return Request(selection, config, weights, self.device.value, reference)

    def command(self) -> str:
        """Return the command line that does the same with the layer's file.

        Raises
        ------
        EngineError
            If a layer or a setting cannot be used.
        """
        layer = self.image.value
        return command_line(
            layer.source.path,
            preset_name=self._preset_name(),
            config=self.settings.config(),
            weights=self.weights.value,
            device=self.device.value,
            axes=self.axes.stated(layer),
        )

    @property
    def meant(self) -> str | None:
        """What is meant, in words, where the command line would do more."""
        return self.part.meant

    # -- what there is to choose -------------------------------------------------

    def reset_choices(self) -> None:
        """Refresh the lists of layers and weights."""
        self._choices.reset_choices()
        self._on_change()

    def _images(self, _: Any) -> list[Image]:
        # Of this viewer: magicgui's own list is the current viewer's until docked.
        return [layer for layer in self._viewer.layers if isinstance(layer, Image)]

    def _weights(self, _: Any) -> list[str]:
        return [*weights_names(), *self._files]

    def add_weights_file(self, path: str) -> None:
        """Offer a weights file beside the named weights, and choose it."""
        self._files.append(path)
        self.weights.reset_choices()
        self.weights.value = path

    def _refresh_weights(self) -> None:
        if isalive(self):
            self.weights.reset_choices()

    def _choose_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self, "Weights", filter="Weights (*.safetensors *.pth *.pt)"
        )
        if path:
            self.add_weights_file(path)

    # -- how it hangs together ---------------------------------------------------

    def _make_entries(self) -> None:
        self.image = ComboBox(name="image", label="Image", choices=self._images)
        self.part = PartEntries(self._viewer)
        self.axes, self.scope = self.part.axes, self.part.scope
        self.noise = ComboBox(name="noise", label="Noise", choices=noise_choices())
        self.effort = ComboBox(name="effort", label="Effort", choices=self._efforts)
        self.weights = ComboBox(name="weights", label="Weights", choices=self._weights)
        self.weights.value = DEFAULT_WEIGHTS
        self.device = DeviceEntry(self)
        self.reference = ComboBox(
            name="reference", label="Reference", choices=self._images, nullable=True
        )
        self.settings = SettingsForm(preset(DEFAULT_PRESET))
        self.file_button = QPushButton("Weights from file…")
        self.command_button = QPushButton("Copy command line")
        self._explain()

    def _explain(self) -> None:
        self.noise.tooltip = "what the noise of one pixel tells of its neighbours'"
        self.effort.tooltip = "how long to adapt the network to your image"
        self.weights.tooltip = "what the network knows before it sees the image"
        self.reference.tooltip = "a clean image, if any: PSNR and SSIM are shown"
        self.command_button.setToolTip("the command that does the same in a terminal")

    def _lay_out(self) -> None:
        entries = [self.image, self.axes, self.scope, self.noise]
        entries += [self.effort, self.weights, self.device, self.reference]
        self._choices = Form(entries)
        self.advanced = QCollapsible("Advanced")
        for part in (self.settings, self.file_button, self.command_button):
            self.advanced.addWidget(part)
        layout = QVBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._choices)
        layout.addWidget(self.advanced)
        self.setLayout(layout)
        self._offer_parts()

    def _on_change(self, event: Any = None) -> None:
        if not isalive(self):
            return
        self._offer_parts()
        self.changed.emit()

    def _on_camera(self, event: Any = None) -> None:
        if isalive(self) and self.scope.value is Scope.VIEW:
            self._looked_away.start()

    def _offer_parts(self) -> None:
        self.part.offer(self.image.value)
        self._choices.show_row("axes", visible=self.axes.is_needed)
        self._choices.show_row("scope", visible=len(self.scope.choices) > 1)

    def _efforts(self, _: Any) -> list[tuple[str, str]]:
        return effort_choices(self.noise.value)

    def _offer_efforts(self) -> None:
        """Offer what there is for the kind of noise; keep the effort if it is there."""
        efforts = [value for _, value in effort_choices(self.noise.value)]
        chosen = self.effort.value if self.effort.value in efforts else efforts[0]
        with self.effort.changed.blocked():
            self.effort.native.clear()  # or new ones would come last
            self.effort.reset_choices()
            self.effort.value = chosen
        self._apply_preset()

    def _apply_preset(self) -> None:
        seed = self.settings["seed"].value
        self.settings.show_config(preset(self._preset_name(), seed=seed))

    def _suggest_noise(self) -> None:
        """Choose the kind of noise that the weights are meant for, and its effort."""
        if self.weights.value is None:
            return
        noise, _, effort = suggested_preset(self.weights.value).partition("-")
        if noise != self.noise.value:
            self.noise.value, self.effort.value = noise, effort

    def _preset_name(self) -> str:
        return f"{self.noise.value}-{self.effort.value}"
