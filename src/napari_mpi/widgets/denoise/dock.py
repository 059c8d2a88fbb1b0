"""The Denoise dock widget: a noisy layer in, a layer that clears as you watch."""

from typing import Any

from napari.layers import Image
from napari.viewer import Viewer
from qtpy.compat import isalive
from qtpy.QtWidgets import QPushButton, QVBoxLayout

from napari_mpi.engine.runtime.errors import EngineError
from napari_mpi.widgets.denoise.comparing import Comparing
from napari_mpi.widgets.denoise.form import DenoiseForm
from napari_mpi.widgets.denoise.jobs.asked import Advance, Finished, Prepared
from napari_mpi.widgets.denoise.run import DenoiseRun
from napari_mpi.widgets.runs.curves import QualityCurve
from napari_mpi.widgets.runs.dock import RunDock, row, wrapped_label
from napari_mpi.widgets.runs.fold import Fold
from napari_mpi.widgets.runs.run import Ending

PREVIEW_INTERVAL = 200
"""Milliseconds between two previews: setting a layer's data costs the main thread."""

_LONGEST_NAME = 24  # letters of a layer's name, on the button
_STATUS_LINES = 2


class DenoiseWidget(RunDock):
    """Denoises an image layer onto a new layer, and shows the work as it goes.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer that the widget belongs to.
    """

    run: DenoiseRun | None = None
    doing = "Denoising…"

    def __init__(self, viewer: Viewer) -> None:
        super().__init__(DenoiseForm(viewer), interval=PREVIEW_INTERVAL)
        self._viewer = viewer
        self._kept: DenoiseRun | None = None
        self._waiting: list[Image] = []
        self._failed: list[str] = []
        self._are_several = False
        self.curve = QualityCurve(viewer)
        self.comparing = Comparing(viewer)
        self._lay_out()
        self._connect()
        self._show_state()

    def reset_choices(self, event: Any = None) -> None:
        """Refresh the lists of layers and weights; napari calls it on every change."""
        self.form.reset_choices()

    # -- how it looks ------------------------------------------------------------

    def _lay_out(self) -> None:
        self.try_button = QPushButton("Try on what I see")
        self.try_button.setToolTip("only the part of the plane that the canvas shows")
        self.details = wrapped_label()
        self.more = Fold("Details")
        self.more.addWidget(self.details)
        self.more.addWidget(self.curve)
        # What is told changes all the time: what is below must not jump.
        height = _STATUS_LINES * self.status.fontMetrics().lineSpacing()
        self.status.setMinimumHeight(height)
        self.stop_button.setToolTip("end now and keep what has been reached")
        self.cancel_button.setToolTip("end now and remove the result")
        layout = QVBoxLayout()
        for part in (self.form, self.hint, self.start_button, self.try_button):
            layout.addWidget(part)
        layout.addLayout(self._running_row())
        layout.addWidget(self.status)
        layout.addWidget(self.error)
        layout.addLayout(row(*self.comparing.buttons))
        layout.addWidget(self.more)
        layout.addStretch()
        layout.addWidget(wrapped_label("For research use only, not for diagnosis."))
        self._fill(layout)

    def _connect(self) -> None:
        self.form.command_button.clicked.connect(self.copy_command_line)
        self.start_button.clicked.connect(self._start)
        self.try_button.clicked.connect(self._try)
        self._viewer.layers.events.removed.connect(self._on_layer_removed)
        self._viewer.layers.selection.events.changed.connect(self._on_selection)
        self.add_shortcut("Ctrl+Alt+D", self.start_button)
        self.add_shortcut("Ctrl+Alt+S", self.stop_button)
        self.add_shortcut("Ctrl+Alt+B", self.comparing.before)

    def _on_layer_removed(self, event: Any = None) -> None:
        """Forget a run whose result is gone; end one that is at work on it."""
        if not isalive(self):
            return
        if self._kept is not None and not self._kept.is_shown:
            self._kept = None
        run = self.run
        if run is not None and run.result_layer.is_deleted:
            if run.is_over:
                self._forget()
            else:
                run.ask(Ending.CANCELLED)
        self._show_state()

    def _on_selection(self, event: Any = None) -> None:
        if isalive(self):
            self._check()

    def _forget(self) -> None:
        """Let go of the run, and of what was told of it."""
        self.run = self._kept
        self.curve.clear()
        self.status.setText("" if self.run is None else self.run.describe())
        self.details.setText("" if self.run is None else self.run.details())

    def _check(self) -> None:
        """Say before the start what cannot be denoised."""
        problem, layer = self.form.problem(), self.form.image.value
        self._show_problem(problem)
        several = len(self.form.image.together)
        what = f"{several} images" if several > 1 else _shortened(layer)
        self._show_start(f"Denoise {what}", problem)
        self.try_button.setEnabled(
            self.start_button.isEnabled() and self.form.can_be_tried
        )
        self.comparing.about(self.run)

    def _show_state(self) -> None:
        super()._show_state()
        run = self.run
        goes_on = run is not None and run.can_continue
        name = "" if run is None else run.source.name
        tip = f"go on with {name!r} from where it stands" if goes_on else ""
        self.pause_button.setToolTip(tip)

    # -- a run -------------------------------------------------------------------

    def _start(self) -> None:
        self._waiting, self._failed = self.form.image.together, []
        self._are_several = len(self._waiting) > 1
        self._next()

    def _try(self) -> None:
        self._waiting, self._failed, self._are_several = [], [], False
        self._denoise(self.form.image.value, only_seen=True)

    def _next(self) -> None:
        """Go on with the images that were selected together, one after another."""
        while self._waiting and not self._is_active():
            layer = self._waiting.pop(0)
            if layer in self._viewer.layers:
                self._denoise(layer)

    def _denoise(self, layer: Image, *, only_seen: bool = False) -> None:
        request = self._requested(layer=layer, only_seen=only_seen)
        if request is not None:
            self.form.method.keep("denoise")
            self.curve.clear()
            self.comparing.end()
            self._begin(DenoiseRun(self._viewer, layer, request))

    def _on_end(self, run: DenoiseRun, error: EngineError | None) -> None:
        super()._on_end(run, error)
        if not isalive(self):
            return
        if run.ending in (Ending.CANCELLED, Ending.STOPPED):
            self._waiting = []
        if error is not None:
            name = f"{run.source.name}: " if self._are_several else ""
            self._failed.append(f"{name}{error}")
        self._next()
        # The errors of those before stand while the next one is denoised.
        self._show_error("\n".join(self._failed))

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
            self.tell_once(event.notices)
        if first and run.has_result:
            self._refresh()
            self._show_state()

    def _refresh(self) -> None:
        if self.run is not None:
            # Drawing a volume anew takes seconds: previews wait for the plane view.
            is_flat = self._viewer.dims.ndisplay == 2
            self.run.show_newest(layers=is_flat or not self._is_active())
            self.run.draw(self.curve)
            left = len(self._waiting)
            more = f"; {left} more image{'s' * (left > 1)} after it" if left else ""
            self.status.setText(self.run.describe() + more + self._advice())
            self.details.setText(self.run.details())
            self.comparing.about(self.run)

    def _advice(self) -> str:
        """Return what to do when waiting no longer pays."""
        is_flat = self._is_active() and self.curve.paid_until is not None
        return "; hardly better any more: Stop keeps it" if is_flat else ""

    def _show_ended(self) -> None:
        super()._show_ended()
        run = self.run
        if run is None:
            return
        if run.is_shown:
            self._kept = run
        elif run.ending is Ending.CANCELLED:
            told = self.status.text()
            self._forget()
            self.status.setText(told)


def _shortened(layer: Any) -> str:
    """Return what the button calls an image."""
    if layer is None:
        return "an image"
    name = str(layer.name)
    if len(name) <= _LONGEST_NAME:
        return name
    half = _LONGEST_NAME // 2
    return f"{name[:half]}…{name[-half:]}"
