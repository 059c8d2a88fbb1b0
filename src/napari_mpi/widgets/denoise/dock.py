"""The Denoise dock widget: a noisy layer in, a layer that clears as you watch."""

from typing import Any

from napari.utils.notifications import show_warning
from napari.viewer import Viewer
from qtpy.compat import isalive
from qtpy.QtWidgets import QPushButton, QVBoxLayout

from napari_mpi.widgets.denoise.form import DenoiseForm
from napari_mpi.widgets.denoise.job import Advance, Finished, Prepared
from napari_mpi.widgets.denoise.run import DenoiseRun
from napari_mpi.widgets.runs.curves import LossCurve
from napari_mpi.widgets.runs.dock import RunDock, wrapped_label
from napari_mpi.widgets.runs.run import Ending

PREVIEW_INTERVAL = 200
"""Milliseconds between two previews: setting a layer's data costs the main thread."""


class DenoiseWidget(RunDock):
    """Denoises an image layer onto a new layer, and shows the work as it goes.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer that the widget belongs to.
    """

    run: DenoiseRun | None = None

    def __init__(self, viewer: Viewer) -> None:
        super().__init__(DenoiseForm(viewer), interval=PREVIEW_INTERVAL)
        self._viewer = viewer
        self.curve = LossCurve(viewer)
        self.removed_button = QPushButton("Show noise removed")
        self._lay_out()
        self._connect()
        self._show_state()

    def reset_choices(self, event: Any = None) -> None:
        """Refresh the lists of layers and weights; napari calls it on every change."""
        self.form.reset_choices()

    # -- how it looks ------------------------------------------------------------

    def _lay_out(self) -> None:
        self.removed_button.setToolTip(
            "a layer of source minus result: structure that you see in it was lost"
        )
        self.stop_button.setToolTip("end now and keep what has been reached")
        self.cancel_button.setToolTip("end now and remove the result")
        layout = QVBoxLayout()
        for part in (self.form, self.hint, self.start_button):
            layout.addWidget(part)
        layout.addLayout(self._running_row())
        for part in (self.status, self.removed_button, self.curve):
            layout.addWidget(part)
        layout.addStretch()
        layout.addWidget(wrapped_label("For research use only, not for diagnosis."))
        self._fill(layout)

    def _connect(self) -> None:
        self.form.command_button.clicked.connect(self.copy_command_line)
        self.start_button.clicked.connect(self._start)
        self.removed_button.clicked.connect(self._show_removed)
        self._viewer.layers.events.removed.connect(self._on_layer_removed)

    def _on_layer_removed(self, event: Any = None) -> None:
        if isalive(self):
            self._check()

    def _show_removed(self) -> None:
        if self.run is not None and self.run.can_show_removed:
            self.run.result_layer.show_removed()

    def _start_text(self) -> str:
        if self.run is None:
            return "Denoise"
        return "Denoise again" if self.run.is_over else "Denoising…"

    def _check(self) -> None:
        """Say before the start what cannot be denoised."""
        problem = self.form.problem()
        self._show_problem(problem)
        self.start_button.setEnabled(not problem and not self._is_active())
        self.removed_button.setEnabled(
            self.run is not None and self.run.can_show_removed
        )

    def _show_state(self) -> None:
        super()._show_state()
        run = self.run
        tip = ""
        if run is not None and run.can_continue:
            tip = f"go on with {run.source.name!r} from where it stands"
            self.pause_button.setText("Continue")
            self.pause_button.setEnabled(True)
        self.pause_button.setToolTip(tip)

    # -- a run -------------------------------------------------------------------

    def _start(self) -> None:
        request = self._requested()
        if request is not None:
            self.curve.clear()
            self._begin(DenoiseRun(self._viewer, self.form.image.value, request))

    def _pause_or_continue(self) -> None:
        if self.run is not None and self.run.can_continue:
            self.run.extend()
            self._begin(self.run)
        else:
            super()._pause_or_continue()

    def _on_yield(self, run: DenoiseRun, event: Prepared | Advance | Finished) -> None:
        first = not run.has_result
        run.take(event)
        if isinstance(event, Prepared):
            for notice in event.notices:
                show_warning(notice)
        if first and run.has_result:
            self._refresh()
            self._show_state()

    def _refresh(self) -> None:
        if self.run is not None:
            self.run.show_newest()
            self.curve.extend(self.run.take_losses())
            self.status.setText(self.run.describe())

    def _show_ended(self) -> None:
        super()._show_ended()
        if self.run is not None and self.run.ending is Ending.CANCELLED:
            self.run = None
