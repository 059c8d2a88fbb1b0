"""What a person chooses in the Denoise widget, and the request that comes of it."""

from pathlib import Path
from typing import Any

from magicgui.widgets import CheckBox, FileEdit
from napari.layers import Image
from napari.utils.notifications import show_error
from napari.viewer import Viewer
from qtpy.compat import isalive
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_mpi.engine.runtime.errors import EngineError, ImageError
from napari_mpi.engine.settings.presets import DEFAULT_PRESET
from napari_mpi.widgets.denoise.image_entry import ImageEntry, LayerEntry
from napari_mpi.widgets.denoise.jobs.asked import Request
from napari_mpi.widgets.denoise.jobs.source import source_of
from napari_mpi.widgets.denoise.part import PartEntries
from napari_mpi.widgets.forms.command_line import command_line
from napari_mpi.widgets.forms.method_form import MethodForm
from napari_mpi.widgets.layers.roles import KEY
from napari_mpi.widgets.layers.selection import Scope, reference_problem, same_part
from napari_mpi.widgets.layers.view import camera

_DRAWN_AFTER = 200  # milliseconds after the camera has moved


class DenoiseForm(QWidget):
    """The layer and the part of it that is meant, and how to denoise it.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer whose layers there are to choose from.
    """

    changed = Signal()

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        # Only once the canvas is drawn does napari know which part of a layer it shows.
        self._looked_away = QTimer(self, singleShot=True, interval=_DRAWN_AFTER)
        self._looked_away.timeout.connect(self._on_change)
        self._make_entries()
        self._lay_out()
        self.method.recall("denoise")
        self.method.again_button.clicked.connect(self._use_again)
        entries = (self.image, self.axes, self.scope, self.reference)
        for entry in (*entries, self.uncertainty, self.output):
            entry.changed.connect(self._on_change)
        viewer.dims.events.order.connect(self._on_change)
        viewer.dims.events.ndisplay.connect(self._on_change)
        viewer.dims.events.axis_labels.connect(self._on_change)
        camera(viewer).events.connect(self._on_camera)

    # -- what comes of it --------------------------------------------------------

    def problem(self) -> str | None:
        """Return why it cannot be denoised, in a sentence, or None."""
        return self._problem_of(self.image.value)

    def _problem_of(self, layer: Image | None) -> str | None:
        problem = self.part.problem(layer)
        if problem is not None or layer is None:
            return problem
        problem = reference_problem(self.reference.value, self.part.whole(layer))
        return problem or self._file_problem()

    @property
    def can_be_tried(self) -> bool:
        """Whether the canvas shows a part of the image that could be denoised alone."""
        return self.part.can_be_tried(self.image.value)

    def request(
        self, *, only_seen: bool = False, layer: Image | None = None
    ) -> Request:
        """Return what was chosen.

        Parameters
        ----------
        layer : Image, optional
            Another image than the one that is chosen, of the same scope.
        only_seen : bool
            Whether only what the canvas shows is meant, whatever the scope is.

        Raises
        ------
        EngineError
            If a layer or a setting cannot be used.
        """
        # Of several images only the first has been looked at by now.
        problem = None if layer in (None, self.image.value) else self._problem_of(layer)
        if problem is not None:
            raise ImageError(f"{layer} is left out: {problem}")
        scope = Scope.VIEW if only_seen else None
        selection = self.part.selection(layer or self.image.value, scope)
        clean = self.reference.value
        reference = None if clean is None else same_part(clean, selection)
        preset = self.method.preset_name
        output = None if only_seen else self._file
        return Request(
            selection,
            self.method.chosen(),
            reference,
            wants_uncertainty=self.uncertainty.value,
            how="" if preset == DEFAULT_PRESET else preset,
            output=output,
            source=source_of(layer or self.image.value, selection.axes),
        )

    @property
    def _file(self) -> Path | None:
        """The file that the result is to grow in, if one was chosen."""
        chosen = str(self.output.value or "").strip()
        return Path(chosen) if chosen not in ("", ".") else None

    def _file_problem(self) -> str | None:
        """Return why a result cannot grow in the file that was chosen, or None."""
        if self._file is None:
            return None
        if not self.scope.value.is_everything:
            return "only a whole layer is written to a file: empty 'Write to'"
        if len(self.image.together) > 1:
            return "'Write to' names one file, for one image: empty it, or select one"
        if self.uncertainty.value:
            return "a file keeps no uncertainty: untick it, or empty 'Write to'"
        if self._file.suffix.lower() != ".zarr":
            return f"{self._file.name} does not end in .zarr: give such a name"
        return None

    def command(self) -> str:
        """Return the command line that does the same with the layer's file.

        Raises
        ------
        EngineError
            If a layer or a setting cannot be used.
        """
        layer = self.image.value
        if layer is None:
            raise ImageError("there is no image: open one, or pick a layer")
        how = self.method.chosen(self.axes.stated(layer))
        return command_line(
            layer.source.path,
            self.method.preset_name,
            how,
            uncertainty=self.uncertainty.value,
            output=str(self._file or ""),
        )

    @property
    def meant(self) -> str | None:
        """What is meant, in words, where the command line would do more."""
        return self.part.meant

    def _use_again(self) -> None:
        active = self._viewer.layers.selection.active
        made = getattr(active, "metadata", {}).get(KEY)
        try:
            self.method.use_again(made if isinstance(made, dict) else {})
        except EngineError as error:
            show_error(str(error))

    # -- what there is to choose -------------------------------------------------

    def reset_choices(self) -> None:
        """Refresh the lists of layers and weights."""
        self.method.reset_choices()
        self._on_change()

    # -- how it hangs together ---------------------------------------------------

    def _make_entries(self) -> None:
        self.image = ImageEntry(self._viewer)
        self.part = PartEntries(self._viewer)
        self.axes, self.scope = self.part.axes, self.part.scope
        self.reference = LayerEntry(self._viewer, name="reference", label="Reference")
        self.reference.tooltip = "a clean image, if any: PSNR and SSIM are shown"
        self.uncertainty = CheckBox(name="uncertainty", text="Uncertainty")
        self.uncertainty.label = ""
        self.uncertainty.tooltip = (
            "add a hidden layer of how far the fills of every pixel lie apart: where it"
            " is bright, errors are likelier, but it is no confidence interval"
        )
        self.output = FileEdit(
            name="output", label="Write to", mode="w", filter="OME-Zarr (*.zarr)",
            nullable=True, value=None,
        )  # fmt: skip
        self.output.tooltip = (
            "an OME-Zarr that the result of the whole layer grows in; a run that was"
            " stopped, or killed, goes on from there"
        )
        self.method = how = MethodForm(
            above=(self.image, self.axes, self.scope),
            below=(self.reference, self.uncertainty, self.output),
        )
        self.noise, self.effort, self.weights = how.noise, how.effort, how.weights
        self.device, self.settings = how.device, how.settings
        self.command_button = how.command_button

    def _lay_out(self) -> None:
        layout = QVBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.method)
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
        self.method.rows.show_row("axes", visible=self.axes.is_needed)
        self.method.rows.show_row("scope", visible=len(self.scope.choices) > 1)
