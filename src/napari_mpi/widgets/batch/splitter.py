"""A form above, the rest of a dock below, though the form may outgrow the screen."""

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QFrame, QScrollArea, QSplitter, QWidget

_ALL = 1 << 16  # more pixels than there are


class FormAndRest(QSplitter):
    """Shows a form whole while its fold is closed; the rest gets what is left.

    An open fold gets all that the rest can spare, and scrolls.

    Parameters
    ----------
    form : QWidget
        With a fold, whose state is told to `share_out`.
    rest : QWidget
        Has a least height of its own.
    """

    def __init__(self, form: QWidget, rest: QWidget) -> None:
        super().__init__(Qt.Orientation.Vertical)
        self._area = _Scrolling(form)
        self.addWidget(self._area)
        self.addWidget(rest)
        self.setStretchFactor(0, 0)
        self.setStretchFactor(1, 1)
        self.setChildrenCollapsible(False)
        self._is_shared_out = False

    def showEvent(self, event: QShowEvent) -> None:
        """Show the form whole, now that its style and with it its height are known."""
        super().showEvent(event)
        if not self._is_shared_out:
            self._area.measure()
            self.share_out(False)

    def share_out(self, is_open: bool) -> None:
        """Divide the height anew, now that the fold is open or closed."""
        self._is_shared_out = True
        self.setSizes([_ALL, 0] if is_open else [self._area.closed_height, _ALL])


class _Scrolling(QScrollArea):
    """Scrolls a form that is higher than its place, but is never narrower than it."""

    def __init__(self, form: QWidget) -> None:
        super().__init__()
        self.setWidget(form)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.measure()

    def measure(self) -> None:
        """Take the form's height as that with a closed fold."""
        edges = self.height() - self.viewport().height()  # a theme's
        self.closed_height = self.widget().sizeHint().height() + edges

    def sizeHint(self) -> QSize:
        """Return the size that shows the form whole while its fold is closed."""
        return QSize(self._width(), self.closed_height)

    def minimumSizeHint(self) -> QSize:
        """Return the least size: as wide as the form beside its scroll bar."""
        return QSize(self._width(), super().minimumSizeHint().height())

    def _width(self) -> int:
        bar = self.verticalScrollBar().sizeHint().width()
        return int(self.widget().minimumSizeHint().width() + bar)
