"""What the docks that run jobs have in common: a run ends when its dock goes."""

from typing import Any

from qtpy.QtCore import QEvent
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import QLabel, QWidget

from napari_mpi.widgets.runs.run import Ending


class RunWidget(QWidget):
    """A dock that has one run at a time."""

    run: Any = None
    when_left = Ending.STOPPED
    """How the run is asked to end when the dock goes."""

    def _is_active(self) -> bool:
        return self.run is not None and self.run.ending is Ending.NOT_YET

    def event(self, event: QEvent) -> bool:
        """End the run when napari takes the widget out of its dock."""
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self._leave()
        return bool(super().event(event))

    def closeEvent(self, event: QCloseEvent) -> None:
        """End the run when the widget is closed."""
        self._leave()
        super().closeEvent(event)

    def _leave(self) -> None:
        if self._is_active():
            self.run.ask(self.when_left)


def wrapped_label(text: str = "") -> QLabel:
    """Return a label that goes on in the next line."""
    label = QLabel(text)
    label.setWordWrap(True)
    return label
