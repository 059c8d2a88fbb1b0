"""The Denoise dock widget: a noisy layer in, a layer that clears as you watch."""

from functools import partial
from typing import Any

from magicgui.widgets import ComboBox
from napari.layers import Image
from napari.qt.threading import create_worker
from napari.utils.notifications import show_error, show_info, show_warning
from napari.viewer import Viewer
from qtpy.compat import isalive
from qtpy.QtCore import QTimer
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import (
    QApplication,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_mpi.engine.config import DEFAULT_PRESET, preset
from napari_mpi.engine.errors import EngineError
from napari_mpi.engine.registry import DEFAULT_WEIGHTS, weights_names
from napari_mpi.widgets._denoise_job import Finished, Prepared, Progress, Request
from napari_mpi.widgets._denoise_run import DenoiseRun, Ending
from napari_mpi.widgets._forms import (
    Form,
    SettingsForm,
    command_line,
    effort_choices,
    noise_choices,
)
from napari_mpi.widgets._layers import (
    Selection,
    layer_problem,
    reference_problem,
    select,
    shown_step,
)
from napari_mpi.widgets._loss_curve import LossCurve

PREVIEW_INTERVAL = 200
"""Milliseconds between two previews: setting a layer's data costs the main thread."""

_SCOPES = [("this plane", False), ("whole layer, plane by plane", True)]


class DenoiseWidget(QWidget):
    """Denoises an image layer onto a new layer, and shows the work as it goes.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer that the widget belongs to.
    """

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self.run: DenoiseRun | None = None
        self._files: list[str] = []
        self._is_stack = False
        self.preview_timer = QTimer(self)
        self.preview_timer.setInterval(PREVIEW_INTERVAL)
        self.preview_timer.timeout.connect(self._show_preview)
        self._make_form()
        self._make_buttons()
        self._lay_out()
        self._connect()
        self._apply_preset()
        self._show_state()
        self._find_devices()

    # -- the form ----------------------------------------------------------------

    def _make_form(self) -> None:
        self.image = ComboBox(name="image", label="Image", choices=self._images)
        self.noise = ComboBox(name="noise", label="Noise", choices=noise_choices())
        self.effort = ComboBox(name="effort", label="Effort", choices=effort_choices())
        self.scope = ComboBox(name="scope", label="Scope", choices=_SCOPES)
        self.weights = ComboBox(
            name="weights", label="Weights", choices=self._weights_choices
        )
        self.weights.value = DEFAULT_WEIGHTS
        self.device = ComboBox(name="device", label="Device", choices=["auto"])
        self.reference = ComboBox(
            name="reference", label="Reference", choices=self._images, nullable=True
        )
        self.settings = SettingsForm(preset(DEFAULT_PRESET))
        self.form = Form(
            [
                self.image,
                self.scope,
                self.noise,
                self.effort,
                self.weights,
                self.device,
                self.reference,
            ]
        )
        self._explain()

    def _explain(self) -> None:
        self.noise.tooltip = "what the noise of one pixel tells of its neighbours'"
        self.effort.tooltip = "fast for a look, full for the paper's best"
        self.weights.tooltip = "what the network knows before it sees the image"
        self.reference.tooltip = (
            "a clean image, if there is one: PSNR and SSIM are shown"
        )

    def _make_buttons(self) -> None:
        self.start_button = QPushButton("Denoise")
        self.pause_button = QPushButton("Pause")
        self.stop_button = QPushButton("Stop and keep")
        self.cancel_button = QPushButton("Cancel")
        self.command_button = QPushButton("Copy command line")
        self.file_button = QPushButton("Weights from file…")
        self.hint = _wrapped_label()
        self.status = _wrapped_label()
        self.curve = LossCurve(self._viewer)
        self.stop_button.setToolTip("end now and keep what has been reached")
        self.cancel_button.setToolTip("end now and remove the result")
        self.command_button.setToolTip("the command that does the same in a terminal")

    def _lay_out(self) -> None:
        advanced = QCollapsible("Advanced")
        advanced.addWidget(self.settings)
        advanced.addWidget(self.file_button)
        advanced.addWidget(self.command_button)
        self.advanced = advanced
        running = QHBoxLayout()
        for button in (self.pause_button, self.stop_button, self.cancel_button):
            running.addWidget(button)
        layout = QVBoxLayout()
        for part in (self.form, advanced, self.hint, self.start_button):
            layout.addWidget(part)
        layout.addLayout(running)
        layout.addWidget(self.status)
        layout.addWidget(self.curve)
        layout.addStretch()
        layout.addWidget(_wrapped_label("For research use only, not for diagnosis."))
        self.setLayout(layout)

    def _connect(self) -> None:
        self.image.changed.connect(self._check)
        self.reference.changed.connect(self._check)
        self.scope.changed.connect(self._check)
        self.noise.changed.connect(self._apply_preset)
        self.effort.changed.connect(self._apply_preset)
        self.start_button.clicked.connect(self._start)
        self.pause_button.clicked.connect(self._pause_or_continue)
        self.stop_button.clicked.connect(partial(self._end, Ending.STOPPED))
        self.cancel_button.clicked.connect(partial(self._end, Ending.CANCELLED))
        self.command_button.clicked.connect(self.copy_command_line)
        self.file_button.clicked.connect(self._choose_file)

    def reset_choices(self, event: Any = None) -> None:
        """Refresh the lists of layers and weights; napari calls it on every change."""
        self.form.reset_choices()
        self._check()

    def _images(self, _: Any) -> list[Image]:
        # Of this viewer: magicgui's own list is the current viewer's until docked.
        return [layer for layer in self._viewer.layers if isinstance(layer, Image)]

    def _weights_choices(self, _: Any) -> list[str]:
        return [*weights_names(), *self._files]

    def _choose_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self, "Weights", filter="Weights (*.safetensors *.pth *.pt)"
        )
        if path:
            self._files.append(path)
            self.weights.reset_choices()
            self.weights.value = path

    def _find_devices(self) -> None:
        """Fill in the devices' real names; torch, which knows them, loads meanwhile."""
        worker = create_worker(_named_devices, _start_thread=False)
        worker.returned.connect(self._show_devices)
        worker.start()

    def _show_devices(self, devices: list[tuple[str, str]]) -> None:
        if isalive(self):
            self.device.choices = [(f"auto: {devices[0][0]}", "auto"), *devices]

    def _preset_name(self) -> str:
        return f"{self.noise.value}-{self.effort.value}"

    def _apply_preset(self) -> None:
        seed = self.settings["seed"].value
        self.settings.show_config(preset(self._preset_name(), seed=seed))

    def copy_command_line(self) -> str:
        """Put the command that equals the form on the clipboard, and return it."""
        layer = self.image.value
        path = None if layer is None else layer.source.path
        command = command_line(
            path,
            preset_name=self._preset_name(),
            config=self.settings.config(),
            weights=self.weights.value,
            device=self.device.value,
            axes="" if layer is None else self._selection(layer, whole=True).axes,
        )
        QApplication.clipboard().setText(command)
        whole = "" if self.scope.value else " (all planes of the file)"
        show_info(f"copied{whole if self._is_stack else ''}: {command}")
        return command

    def _selection(self, layer: Image, *, whole: bool) -> Selection:
        return select(layer, whole=whole, step=shown_step(self._viewer, layer))

    # -- what can be done now ----------------------------------------------------

    def _check(self) -> None:
        """Say before the start what cannot be denoised, and what it will be."""
        layer = self.image.value
        problem = layer_problem(layer)
        self._is_stack = not problem and self._selection(layer, whole=True).planes > 1
        self.form.show_row("scope", visible=self._is_stack)
        if problem is None:
            selection = self._selection(layer, whole=self.scope.value)
            problem = reference_problem(self.reference.value, selection)
        self.hint.setText(problem or "")
        self.hint.setVisible(bool(problem))
        self.start_button.setEnabled(not problem and not self._is_active())

    def _is_active(self) -> bool:
        return self.run is not None and self.run.ending is Ending.NOT_YET

    def _show_state(self) -> None:
        """Let the buttons follow the state of the run."""
        run, active = self.run, self._is_active()
        waiting = active and run is not None and run.asked is not Ending.NOT_YET
        can_act = active and not waiting
        self.start_button.setText(_start_text(run))
        can_go_on = run is not None and not active and run.can_continue
        paused = run is not None and run.is_paused
        self.pause_button.setText("Continue" if can_go_on or paused else "Pause")
        self.pause_button.setEnabled(can_act or can_go_on)
        self.pause_button.setToolTip(_continue_tip(run) if can_go_on else "")
        self.stop_button.setEnabled(can_act and run is not None and run.has_result)
        self.cancel_button.setEnabled(can_act)
        self.form.setEnabled(not active)
        self.settings.setEnabled(not active)
        if active:
            self.preview_timer.start()
        else:
            self.preview_timer.stop()
        self._check()

    # -- a run -------------------------------------------------------------------

    def _start(self) -> None:
        source, reference = self.image.value, self.reference.value
        try:
            whole = self.scope.value
            selection = self._selection(source, whole=whole)
            compared = reference and self._selection(reference, whole=True)
            request = Request(
                selection,
                self.settings.config(),
                self.weights.value,
                self.device.value,
                compared and Selection(compared.data, compared.axes, selection.index),
            )
        except EngineError as error:
            show_error(str(error))
            return
        self.curve.clear()
        self._begin(DenoiseRun(self._viewer, source, request))

    def _begin(self, run: DenoiseRun) -> None:
        self.run = run
        run.start(partial(self._on_yield, run), partial(self._on_end, run))
        self.status.setText("preparing…")
        self._show_state()

    def _pause_or_continue(self) -> None:
        run = self.run
        if run is None:
            return
        if self._is_active():
            run.toggle_pause()
        else:
            run.extend()
            self._begin(run)
        self._show_state()

    def _end(self, ending: Ending) -> None:
        if self.run is not None:
            self.run.ask(ending)
            self.status.setText("stopping…")
            self._show_state()

    def _on_yield(self, run: DenoiseRun, event: Prepared | Progress | Finished) -> None:
        if not isalive(self):
            run.ask(Ending.CANCELLED)
            return
        first = not run.has_result
        run.take(event)
        if isinstance(event, Prepared):
            for notice in event.notices:
                show_warning(notice)
        if first and run.has_result:
            self._show_preview()
            self._show_state()

    def _show_preview(self) -> None:
        run = self.run
        if run is None:
            return
        self.curve.extend(run.show_newest())
        if run.asked is Ending.NOT_YET and run.has_result:
            self.status.setText(run.describe())

    def _on_end(self, run: DenoiseRun, error: EngineError | None) -> None:
        losses = run.finish(error, keep_layers=isalive(self))
        if not isalive(self) or run is not self.run:
            return
        self.curve.extend(losses)
        self.status.setText(run.describe())
        if error is not None:
            show_error(str(error))
        if run.ending is Ending.CANCELLED:
            self.run = None
        self._show_state()

    def closeEvent(self, event: QCloseEvent) -> None:
        """End the run when the widget is closed; what was reached stays."""
        if self._is_active() and self.run is not None:
            self.run.ask(Ending.STOPPED)
        super().closeEvent(event)


def _start_text(run: DenoiseRun | None) -> str:
    if run is None:
        return "Denoise"
    return "Denoising…" if run.ending is Ending.NOT_YET else "Denoise again"


def _continue_tip(run: DenoiseRun | None) -> str:
    return "" if run is None else f"go on with {run.source.name!r} from where it stands"


def _wrapped_label(text: str = "") -> QLabel:
    label = QLabel(text)
    label.setWordWrap(True)
    return label


def _named_devices() -> list[tuple[str, str]]:
    """Return (real name, name) of every device; runs on a worker's thread."""
    from napari_mpi.engine.device import (
        available_devices,
        describe_device,
        resolve_device,
    )

    return [
        (describe_device(resolve_device(name)), name) for name in available_devices()
    ]
