"""The Pre-train dock widget: a folder of images in, weights of one's own out."""

from functools import partial
from typing import Any

from napari.viewer import Viewer
from qtpy.QtWidgets import QPushButton, QVBoxLayout

from napari_mpi.engine.runtime.errors import EngineError
from napari_mpi.widgets.pretrain.form import PretrainForm
from napari_mpi.widgets.pretrain.job import Begun, Saved
from napari_mpi.widgets.pretrain.run import PretrainRun
from napari_mpi.widgets.runs.curves import PretrainingCurve
from napari_mpi.widgets.runs.dock import RunDock, row
from napari_mpi.widgets.runs.news import news

REFRESH_INTERVAL = 500
"""Milliseconds between two updates of status and curve."""


class PretrainWidget(RunDock):
    """Pre-trains weights on a folder of images while the viewer stays free.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer that the widget belongs to.
    """

    run: PretrainRun | None = None
    doing = "Pre-training…"

    def __init__(self, viewer: Viewer) -> None:
        super().__init__(PretrainForm(), interval=REFRESH_INTERVAL)
        self._viewer = viewer
        self.curve = PretrainingCurve(viewer)
        self._lay_out()
        self._connect()
        self._show_state()

    # -- how it looks ------------------------------------------------------------

    def _lay_out(self) -> None:
        self.resume_button = QPushButton("Resume")
        self.resume_button.setToolTip("go on where a run of this name stopped")
        self.stop_button.setToolTip(
            "end now; the weights so far can be used, and the run resumed"
        )
        self.cancel_button.setToolTip("end now and keep nothing of this run")
        layout = QVBoxLayout()
        layout.addWidget(self.form)
        layout.addWidget(self.hint)
        layout.addLayout(row(self.start_button, self.resume_button))
        layout.addLayout(self._running_row())
        layout.addWidget(self.status)
        layout.addWidget(self.error)
        layout.addWidget(self.curve)
        layout.addStretch()
        self._fill(layout)

    def _connect(self) -> None:
        self.start_button.clicked.connect(partial(self._start, resume=False))
        self.resume_button.clicked.connect(partial(self._start, resume=True))

    def _check(self) -> None:
        """Say before the start what is missing."""
        idle = not self._is_active()
        problem = self.form.problem() if idle else None
        can_resume = idle and self.form.can_resume
        going_on = "a run of this name was stopped: resume it" if can_resume else None
        self._show_problem(problem or going_on)
        self._show_start("Pre-train", problem or going_on)
        self.resume_button.setEnabled(can_resume and not problem)

    # -- a run -------------------------------------------------------------------

    def _start(self, _: Any = None, *, resume: bool) -> None:
        request = self._requested(resume=resume)
        if request is not None:
            self.curve.begin([], [])
            self._begin(PretrainRun(self._viewer, request))

    def _on_yield(self, run: PretrainRun, event: Any) -> None:
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
        self.tell_once(begun.notices)
        self.curve.begin(begun.losses, begun.held_out)

    def _refresh(self) -> None:
        if self.run is not None:
            self.status.setText(self.run.describe())
            self.curve.show_all()

    def _on_end(self, run: PretrainRun, error: EngineError | None) -> None:
        super()._on_end(run, error)
        news.weights_changed.emit()
