"""The Batch dock widget: a folder of noisy images in, a folder of clear ones out."""

from functools import partial
from typing import Any

from napari.utils.notifications import show_error, show_info
from napari.viewer import Viewer
from qtpy.compat import isalive
from qtpy.QtCore import QSize, Qt, QTimer
from qtpy.QtWidgets import (
    QApplication,
    QCheckBox,
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_mpi.batch.outcomes import BatchSnapshot
from napari_mpi.engine.runtime.errors import EngineError
from napari_mpi.widgets.batch.form import BatchForm
from napari_mpi.widgets.batch.run import BatchRun
from napari_mpi.widgets.batch.side_by_side import SideBySide
from napari_mpi.widgets.batch.splitter import FormAndRest
from napari_mpi.widgets.batch.table import BatchTable
from napari_mpi.widgets.runs.dock import RunWidget, wrapped_label
from napari_mpi.widgets.runs.run import Ending

REFRESH_INTERVAL = 200
"""Milliseconds between two updates of table and status."""

_WIDTH = 440  # pixels


class BatchWidget(RunWidget):
    """Denoises a folder of files while the viewer stays free.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer that the widget belongs to.
    """

    run: BatchRun | None = None
    when_left = Ending.CANCELLED  # nothing half-written stays

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._side_by_side = SideBySide(viewer)
        self.timer = QTimer(self)
        self.timer.setInterval(REFRESH_INTERVAL)
        self.timer.timeout.connect(self._refresh)
        self.form = BatchForm()
        self.table = BatchTable()
        self._make_buttons()
        self._lay_out()
        self._connect()
        self._show_state()

    def sizeHint(self) -> QSize:
        """Return a size that leaves room for the messages in the table."""
        return QSize(_WIDTH, super().sizeHint().height())

    def reset_choices(self, event: Any = None) -> None:
        """Refresh the list of weights; napari calls it on every change."""
        self.form.method.reset_choices()

    def copy_command_line(self) -> None:
        """Put the command that equals the form on the clipboard."""
        try:
            command = self.form.command()
        except EngineError as error:
            show_error(str(error))
            return
        QApplication.clipboard().setText(command)
        show_info(f"copied: {command}")

    # -- how it looks ------------------------------------------------------------

    def _make_buttons(self) -> None:
        self.start_button = QPushButton("Denoise folder")
        self.retry_button = QPushButton("Retry failed")
        self.pause_button = QPushButton("Pause")
        self.stop_button = QPushButton("Stop after this file")
        self.cancel_button = QPushButton("Cancel now")
        self.open_button = QPushButton("Open")
        self.failed_box = QCheckBox("Only failed")
        self.hint, self.status = wrapped_label(), wrapped_label()
        # Names of files are long and short: the table would jump up and down.
        self.status.setMinimumHeight(2 * self.status.fontMetrics().lineSpacing())
        self.status.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
        )
        self.retry_button.setToolTip("try again those that failed in the last run")
        self.stop_button.setToolTip("finish the file at work, then end")
        self.cancel_button.setToolTip(
            "end now and drop the file at work; results that are there stay"
        )
        self.failed_box.setToolTip("list only the files that have failed")
        self.open_button.setToolTip("show the file and its result side by side")

    def _lay_out(self) -> None:
        starting, running, looking = QHBoxLayout(), QHBoxLayout(), QHBoxLayout()
        for button in (self.start_button, self.retry_button):
            starting.addWidget(button)
        for button in (self.pause_button, self.stop_button, self.cancel_button):
            running.addWidget(button)
        looking.addWidget(self.open_button, stretch=1)
        looking.addWidget(self.failed_box)
        below = QVBoxLayout()
        below.setContentsMargins(0, 0, 0, 0)
        below.addWidget(self.hint)
        below.addLayout(starting)
        below.addLayout(running)
        below.addWidget(self.status)
        below.addWidget(self.table, stretch=1)
        below.addLayout(looking)
        below.addWidget(wrapped_label("For research use only, not for diagnosis."))
        lower = QWidget()
        lower.setLayout(below)
        self._parts = FormAndRest(self.form, lower)
        layout = QVBoxLayout()
        layout.addWidget(self._parts)
        self.setLayout(layout)

    def _connect(self) -> None:
        self.form.changed.connect(self._check)
        self.form.method.advanced.toggled.connect(self._parts.share_out)
        self.form.command_button.clicked.connect(self.copy_command_line)
        self.start_button.clicked.connect(partial(self._start, retry_failed=False))
        self.retry_button.clicked.connect(partial(self._start, retry_failed=True))
        self.pause_button.clicked.connect(self._pause_or_continue)
        self.stop_button.clicked.connect(partial(self._end, Ending.STOPPED))
        self.cancel_button.clicked.connect(partial(self._end, Ending.CANCELLED))
        self.open_button.clicked.connect(self._open_chosen)
        self.failed_box.toggled.connect(self.table.show_only_failed)
        self.table.opened.connect(self._open)
        self.table.chosen.connect(self._check)

    def _check(self) -> None:
        """Say before the start what is missing."""
        idle = not self._is_active()
        problem = self.form.problem() if idle else None
        self.hint.setText(problem or "")
        self.hint.setVisible(bool(problem))
        self.start_button.setEnabled(idle and not problem)
        can_retry = idle and not problem and self._has_failed_files()
        self.retry_button.setEnabled(can_retry)
        self.open_button.setEnabled(self.table.chosen_file is not None)

    def _has_failed_files(self) -> bool:
        """Whether files of these very folders have failed in the last run."""
        run = self.run
        if run is None or not run.has_failed_files:
            return False
        return self.form.folders() == run.request.folders

    def _show_state(self) -> None:
        """Let the buttons follow the state of the run."""
        run, active = self.run, self._is_active()
        asked = Ending.NOT_YET if run is None else run.asked
        can_act = active and asked is Ending.NOT_YET
        paused = run is not None and run.is_paused
        self.start_button.setText("Denoising…" if active else "Denoise folder")
        self.pause_button.setText("Continue" if paused else "Pause")
        self.pause_button.setEnabled(can_act)
        self.stop_button.setEnabled(can_act)
        self.cancel_button.setEnabled(active and asked is not Ending.CANCELLED)
        self.form.setEnabled(not active)
        if active:
            self.timer.start()
        else:
            self.timer.stop()
        self._check()

    # -- a run -------------------------------------------------------------------

    def _start(self, _: Any = None, *, retry_failed: bool) -> None:
        try:
            request = self.form.request(retry_failed=retry_failed)
        except EngineError as error:
            show_error(str(error))
            return
        self.table.clear()
        self.failed_box.setChecked(False)
        self.run = run = BatchRun(request)
        run.start(partial(self._on_yield, run), partial(self._on_end, run))
        self._refresh()
        self._show_state()

    def _pause_or_continue(self) -> None:
        if self.run is not None:
            self.run.toggle_pause()
            self._refresh()
            self._show_state()

    def _end(self, ending: Ending, _: Any = None) -> None:
        if self.run is not None:
            self.run.ask(ending)
            self._refresh()
            self._show_state()

    def _on_yield(self, run: BatchRun, snapshot: BatchSnapshot) -> None:
        if isalive(self):
            run.take(snapshot)
        else:
            run.ask(Ending.CANCELLED)

    def _refresh(self) -> None:
        """Show what has become of the files since the last time."""
        run = self.run
        if run is None:
            return
        self.table.rows.take(run.take_changed())
        newest = run.newest if self._is_active() else None
        if newest is None:
            self.table.follow(None, 0.0)
        else:
            self.table.follow(newest.number, newest.fraction)
        self.status.setText(run.describe())

    def _on_end(self, run: BatchRun, error: EngineError | None) -> None:
        run.finish(error)
        if not isalive(self) or run is not self.run:
            return
        self._refresh()
        if error is not None:
            show_error(str(error))
        self._show_state()

    # -- results -----------------------------------------------------------------

    def _open_chosen(self) -> None:
        number = self.table.chosen_file
        if number is not None:
            self._open(number)

    def _open(self, number: int) -> None:
        if self.run is None:
            return
        outcome = self.table.rows.outcome(number)
        try:
            missing = self._side_by_side.show(outcome, self.run.request.folders)
        except EngineError as error:
            show_error(str(error))
            return
        if missing is not None:
            show_info(missing)
