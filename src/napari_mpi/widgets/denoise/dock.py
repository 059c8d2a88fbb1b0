"""The Denoise dock widget: a noisy layer in, a layer that clears as you watch."""

from functools import partial
from typing import Any

from napari.utils.notifications import show_error, show_info, show_warning
from napari.viewer import Viewer
from qtpy.compat import isalive
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
)

from napari_mpi.engine.runtime.errors import EngineError
from napari_mpi.widgets.denoise.form import DenoiseForm
from napari_mpi.widgets.denoise.job import Advance, Finished, Prepared
from napari_mpi.widgets.denoise.run import DenoiseRun
from napari_mpi.widgets.runs.curves import LossCurve
from napari_mpi.widgets.runs.dock import RunWidget, wrapped_label
from napari_mpi.widgets.runs.run import Ending

PREVIEW_INTERVAL = 200
"""Milliseconds between two previews: setting a layer's data costs the main thread."""


class DenoiseWidget(RunWidget):
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
        self.preview_timer = QTimer(self)
        self.preview_timer.setInterval(PREVIEW_INTERVAL)
        self.preview_timer.timeout.connect(self._show_preview)
        self.form = DenoiseForm(viewer)
        self.curve = LossCurve(viewer)
        self._make_buttons()
        self._lay_out()
        self._connect()
        self._show_state()

    def reset_choices(self, event: Any = None) -> None:
        """Refresh the lists of layers and weights; napari calls it on every change."""
        self.form.reset_choices()

    def copy_command_line(self) -> None:
        """Put the command that equals the form on the clipboard."""
        try:
            command = self.form.command()
        except EngineError as error:
            show_error(str(error))
            return
        QApplication.clipboard().setText(command)
        meant = self.form.meant
        note = f" (for the whole file, not only {meant})" if meant else ""
        show_info(f"copied{note}: {command}")

    # -- how it looks ------------------------------------------------------------

    def _make_buttons(self) -> None:
        self.start_button = QPushButton("Denoise")
        self.pause_button = QPushButton("Pause")
        self.stop_button = QPushButton("Stop and keep")
        self.cancel_button = QPushButton("Cancel")
        self.removed_button = QPushButton("Show noise removed")
        self.hint = wrapped_label()
        self.status = wrapped_label()
        self.removed_button.setToolTip(
            "a layer of source minus result: structure that you see in it was lost"
        )
        self.stop_button.setToolTip("end now and keep what has been reached")
        self.cancel_button.setToolTip("end now and remove the result")

    def _lay_out(self) -> None:
        running = QHBoxLayout()
        for button in (self.pause_button, self.stop_button, self.cancel_button):
            running.addWidget(button)
        layout = QVBoxLayout()
        for part in (self.form, self.hint, self.start_button):
            layout.addWidget(part)
        layout.addLayout(running)
        layout.addWidget(self.status)
        layout.addWidget(self.removed_button)
        layout.addWidget(self.curve)
        layout.addStretch()
        layout.addWidget(wrapped_label("For research use only, not for diagnosis."))
        self.setLayout(layout)

    def _connect(self) -> None:
        self.form.changed.connect(self._check)
        self.form.command_button.clicked.connect(self.copy_command_line)
        self.start_button.clicked.connect(self._start)
        self.pause_button.clicked.connect(self._pause_or_continue)
        self.stop_button.clicked.connect(partial(self._end, Ending.STOPPED))
        self.cancel_button.clicked.connect(partial(self._end, Ending.CANCELLED))
        self.removed_button.clicked.connect(self._show_removed)
        self._viewer.layers.events.removed.connect(self._on_layer_removed)

    def _on_layer_removed(self, event: Any = None) -> None:
        if isalive(self):
            self._check()

    def _show_removed(self) -> None:
        if self.run is not None and self.run.can_show_removed:
            self.run.show_removed()

    def _check(self) -> None:
        """Say before the start what cannot be denoised."""
        problem = self.form.problem()
        self.hint.setText(problem or "")
        self.hint.setVisible(bool(problem))
        self.start_button.setEnabled(not problem and not self._is_active())
        self.removed_button.setEnabled(
            self.run is not None and self.run.can_show_removed
        )

    def _show_state(self) -> None:
        """Let the buttons follow the state of the run."""
        run, active = self.run, self._is_active()
        can_act = active and run is not None and run.asked is Ending.NOT_YET
        can_go_on = run is not None and not active and run.can_continue
        paused = run is not None and run.is_paused
        self.start_button.setText(_start_text(run))
        self.pause_button.setText("Continue" if can_go_on or paused else "Pause")
        self.pause_button.setEnabled(can_act or can_go_on)
        self.pause_button.setToolTip(_continue_tip(run) if can_go_on else "")
        self.stop_button.setEnabled(can_act and run is not None and run.has_result)
        self.cancel_button.setEnabled(can_act)
        self.form.setEnabled(not active)
        if active:
            self.preview_timer.start()
        else:
            self.preview_timer.stop()
        self._check()

    # -- a run -------------------------------------------------------------------

    def _start(self) -> None:
        try:
            request = self.form.request()
        except EngineError as error:
            show_error(str(error))
            return
        self.curve.clear()
        self._begin(DenoiseRun(self._viewer, self.form.image.value, request))

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

    def _on_yield(self, run: DenoiseRun, event: Prepared | Advance | Finished) -> None:
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


def _start_text(run: DenoiseRun | None) -> str:
    if run is None:
        return "Denoise"
    return "Denoising…" if run.ending is Ending.NOT_YET else "Denoise again"


def _continue_tip(run: DenoiseRun | None) -> str:
    return "" if run is None else f"go on with {run.source.name!r} from where it stands"
