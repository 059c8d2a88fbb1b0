"""The Pre-train dock widget: a folder of images in, weights of one's own out."""

from functools import partial
from typing import Any

from napari.utils.notifications import show_error, show_warning
from napari.viewer import Viewer
from qtpy.compat import isalive
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout

from napari_mpi.engine.runtime.errors import EngineError
from napari_mpi.widgets.pretrain.form import PretrainForm
from napari_mpi.widgets.pretrain.job import Begun, Saved
from napari_mpi.widgets.pretrain.run import PretrainRun
from napari_mpi.widgets.runs.curves import PretrainingCurve
from napari_mpi.widgets.runs.dock import RunWidget
from napari_mpi.widgets.runs.news import news
from napari_mpi.widgets.runs.run import Ending

REFRESH_INTERVAL = 500
"""Milliseconds between two updates of status and curve."""


class PretrainWidget(RunWidget):
    """Pre-trains weights on a folder of images while the viewer stays free.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer that the widget belongs to.
    """

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self.run: PretrainRun | None = None
        self.timer = QTimer(self)
        self.timer.setInterval(REFRESH_INTERVAL)
        self.timer.timeout.connect(self._refresh)
        self.form = PretrainForm()
        self.curve = PretrainingCurve(viewer)
        self._make_buttons()
        self._lay_out()
        self._connect()
        self._show_state()

    # -- how it looks ------------------------------------------------------------

    def _make_buttons(self) -> None:
        self.start_button = QPushButton("Pre-train")
        self.resume_button = QPushButton("Resume")
        self.pause_button = QPushButton("Pause")
        self.stop_button = QPushButton("Stop and keep")
        self.cancel_button = QPushButton("Cancel")
        self.hint, self.status = QLabel(), QLabel()
        for label in (self.hint, self.status):
            label.setWordWrap(True)
        self.resume_button.setToolTip("go on where a run of this name stopped")
        self.stop_button.setToolTip("end now; the weights so far can be used, and the"
                                    " run resumed")  # fmt: skip
        self.cancel_button.setToolTip("end now and keep nothing of this run")

    def _lay_out(self) -> None:
        starting, running = QHBoxLayout(), QHBoxLayout()
        for button in (self.start_button, self.resume_button):
            starting.addWidget(button)
        for button in (self.pause_button, self.stop_button, self.cancel_button):
            running.addWidget(button)
        layout = QVBoxLayout()
        layout.addWidget(self.form)
        layout.addWidget(self.hint)
        layout.addLayout(starting)
        layout.addLayout(running)
        layout.addWidget(self.status)
        layout.addWidget(self.curve)
        layout.addStretch()
        self.setLayout(layout)

    def _connect(self) -> None:
        self.form.changed.connect(self._check)
        self.start_button.clicked.connect(partial(self._start, resume=False))
        self.resume_button.clicked.connect(partial(self._start, resume=True))
        self.pause_button.clicked.connect(self._pause_or_continue)
        self.stop_button.clicked.connect(partial(self._end, Ending.STOPPED))
        self.cancel_button.clicked.connect(partial(self._end, Ending.CANCELLED))

    def _check(self) -> None:
        """Say before the start what is missing."""
        problem = self.form.problem() if not self._is_active() else None
        can_resume = self.form.can_resume
        self.hint.setText(
            problem
            or ("a run of this name was stopped: resume it" if can_resume else "")
        )
        self.hint.setVisible(bool(self.hint.text()) and not self._is_active())
        idle = not self._is_active()
        self.start_button.setEnabled(idle and not problem and not can_resume)
        self.resume_button.setEnabled(idle and not problem and can_resume)

    def _show_state(self) -> None:
        """Let the buttons follow the state of the run."""
        run, active = self.run, self._is_active()
        can_act = active and run is not None and run.asked is Ending.NOT_YET
        learns = can_act and run is not None and run.has_result
        paused = run is not None and run.is_paused
        self.start_button.setText("Pre-training…" if active else "Pre-train")
        self.pause_button.setText("Continue" if paused else "Pause")
        self.pause_button.setEnabled(learns)
        self.stop_button.setEnabled(learns)
        self.cancel_button.setEnabled(can_act)
        self.form.setEnabled(not active)
        if active:
            self.timer.start()
        else:
            self.timer.stop()
        self._check()

    # -- a run -------------------------------------------------------------------

    def _start(self, _: Any = None, *, resume: bool) -> None:
        try:
            request = self.form.request(resume=resume)
        except EngineError as error:
            show_error(str(error))
            return
        self.curve.begin([], [])
        self.run = run = PretrainRun(self._viewer, request)
        run.start(partial(self._on_yield, run), partial(self._on_end, run))
        self.status.setText("preparing…")
        self._show_state()

    def _pause_or_continue(self) -> None:
        if self.run is not None:
            self.run.toggle_pause()
            self._refresh()
            self._show_state()

    def _end(self, ending: Ending, _: Any = None) -> None:
        if self.run is not None:
            self.run.ask(ending)
            self.status.setText("stopping…")
            self._show_state()

    def _on_yield(self, run: PretrainRun, event: Any) -> None:
        if not isalive(self):
            run.ask(Ending.STOPPED)
            return
        first = not run.has_result
        run.take(event)
        if isinstance(event, Begun):
            self._begin_curve(event)
        elif isinstance(event, Saved):
            news.weights_changed.emit()
        elif run.has_result:
            self.curve.losses += event.losses
            if event.evaluation is not None:
                seen = (event.evaluation.iteration, event.evaluation.psnr)
                self.curve.held_out.append(seen)
            if first:
                self._refresh()
                self._show_state()

    def _begin_curve(self, begun: Begun) -> None:
        for notice in begun.notices:
            show_warning(notice)
        self.curve.begin(begun.losses, begun.held_out)

    def _refresh(self) -> None:
        run = self.run
        if run is not None and run.asked is Ending.NOT_YET:
            self.status.setText(run.describe())
            self.curve.show_all()

    def _on_end(self, run: PretrainRun, error: EngineError | None) -> None:
        run.finish(error)
        news.weights_changed.emit()
        if not isalive(self) or run is not self.run:
            return
        self.curve.show_all()
        self.status.setText(run.describe())
        if error is not None:
            show_error(str(error))
        self._show_state()
