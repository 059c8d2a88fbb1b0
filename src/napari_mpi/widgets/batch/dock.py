"""The Batch dock widget: a folder of noisy images in, a folder of clear ones out."""

from functools import partial
from pathlib import Path
from typing import Any

from napari.utils.notifications import show_error, show_info
from napari.viewer import Viewer
from qtpy.QtCore import Qt
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QCheckBox, QPushButton, QVBoxLayout

from napari_mpi.batch.outcomes import BatchSnapshot
from napari_mpi.engine.runtime.errors import EngineError
from napari_mpi.widgets.batch.form import BatchForm
from napari_mpi.widgets.batch.run import BatchRun
from napari_mpi.widgets.batch.side_by_side import SideBySide
from napari_mpi.widgets.batch.table import BatchTable
from napari_mpi.widgets.runs.dock import RunDock, row, wrapped_label
from napari_mpi.widgets.runs.run import Ending

REFRESH_INTERVAL = 200
"""Milliseconds between two updates of table and status."""


class BatchWidget(RunDock):
    """Denoises a folder of files while the viewer stays free.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer that the widget belongs to.
    """

    run: BatchRun | None = None
    when_left = Ending.CANCELLED  # nothing half-written stays
    doing = "Denoising…"

    def __init__(self, viewer: Viewer) -> None:
        super().__init__(BatchForm(), interval=REFRESH_INTERVAL)
        self._side_by_side = SideBySide(viewer)
        self.table = BatchTable()
        self._make_buttons()
        self._lay_out()
        self._connect()
        self.setAcceptDrops(True)
        self._show_state()

    # -- dropping files on it ----------------------------------------------------

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take files while no run is at work."""
        if event.mimeData().hasUrls() and not self._is_active():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Choose the folder, or the files, that were dropped."""
        urls = event.mimeData().urls()
        paths = [Path(url.toLocalFile()) for url in urls if url.isLocalFile()]
        problem = self.form.take(paths) if paths else "only files can be dropped here"
        event.acceptProposedAction()
        if problem:
            show_error(problem)

    def reset_choices(self, event: Any = None) -> None:
        """Refresh the list of weights; napari calls it on every change."""
        self.form.method.reset_choices()

    # -- how it looks ------------------------------------------------------------

    def _make_buttons(self) -> None:
        self.retry_button = QPushButton("Retry failed")
        self.open_button = QPushButton("Open")
        self.failed_box = QCheckBox("Only failed")
        self.stop_button.setText("Stop after file")
        self.cancel_button.setText("Cancel now")
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
        looking = row(self.open_button, self.failed_box)
        looking.setStretch(0, 1)
        layout = QVBoxLayout()
        layout.addWidget(self.form)
        layout.addWidget(self.hint)
        layout.addLayout(row(self.start_button, self.retry_button))
        layout.addLayout(self._running_row())
        layout.addWidget(self.status)
        layout.addWidget(self.error)
        layout.addWidget(self.table, stretch=1)
        layout.addLayout(looking)
        layout.addWidget(wrapped_label("For research use only, not for diagnosis."))
        self._fill(layout)

    def _connect(self) -> None:
        self.form.command_button.clicked.connect(self.copy_command_line)
        self.start_button.clicked.connect(partial(self._start, retry_failed=False))
        self.retry_button.clicked.connect(partial(self._start, retry_failed=True))
        self.open_button.clicked.connect(self._open_chosen)
        self.failed_box.toggled.connect(self.table.show_only_failed)
        self.table.opened.connect(self._open)
        self.table.chosen.connect(self._check)

    def _check(self) -> None:
        """Say before the start what is missing."""
        idle = not self._is_active()
        problem = self.form.problem() if idle else None
        self._show_problem(problem)
        self._show_start("Denoise folder", problem)
        can_retry = idle and not problem and self._has_failed_files()
        self.retry_button.setEnabled(can_retry)
        self.open_button.setEnabled(self.table.chosen_file is not None)

    def _has_failed_files(self) -> bool:
        """Whether files of these very folders have failed in the last run."""
        run = self.run
        if run is None or not run.has_failed_files:
            return False
        return bool(self.form.folders() == run.request.folders)

    # -- a run -------------------------------------------------------------------

    def _start(self, _: Any = None, *, retry_failed: bool) -> None:
        request = self._requested(retry_failed=retry_failed)
        if request is not None:
            self.form.method.keep("batch")
            self.table.clear()
            self.failed_box.setChecked(False)
            self._begin(BatchRun(request))

    def _on_yield(self, run: BatchRun, event: BatchSnapshot) -> None:
        run.take(event)

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
