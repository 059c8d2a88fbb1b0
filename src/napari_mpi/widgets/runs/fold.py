"""A part of a form that is folded away until somebody asks for it."""

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtWidgets import QFrame, QScrollArea, QToolButton, QVBoxLayout, QWidget

WIDTH = 320
"""Pixels that a dock is wide at first."""

_LEAST = QSize(200, 120)  # pixels that a dock can be narrowed to
_TALLEST = 560  # pixels that a dock asks for; what is longer is scrolled


class Fold(QWidget):
    """A title with an arrow; what is below takes no room and no key while folded.

    Parameters
    ----------
    title : str
        What is in it.
    """

    toggled = Signal(bool)

    def __init__(self, title: str) -> None:
        super().__init__()
        self._head = QToolButton(text=title, checkable=True, autoRaise=True)
        self._head.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._body = QWidget()
        QVBoxLayout(self._body).setContentsMargins(0, 0, 0, 0)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._head)
        layout.addWidget(self._body)
        self._head.toggled.connect(self._show)
        self._show(False)

    def addWidget(self, widget: QWidget) -> None:
        """Put a widget below the others that are folded away."""
        self._body.layout().addWidget(widget)

    def isExpanded(self) -> bool:
        """Whether what is below can be seen."""
        return bool(self._head.isChecked())

    def expand(self) -> None:
        """Show what is below."""
        self._head.setChecked(True)

    def collapse(self) -> None:
        """Fold it away."""
        self._head.setChecked(False)

    def content(self) -> QWidget:
        """Return what is folded away."""
        return self._body

    def _show(self, expanded: bool) -> None:
        arrow = Qt.ArrowType.DownArrow if expanded else Qt.ArrowType.RightArrow
        self._head.setArrowType(arrow)
        self._body.setVisible(expanded)
        self.toggled.emit(expanded)


class Scrolled(QScrollArea):
    """A column of widgets that fits any screen: what has no room is scrolled to.

    Parameters
    ----------
    inside : QWidget
        The column; it is made as wide as there is room.
    """

    def __init__(self, inside: QWidget) -> None:
        super().__init__(widgetResizable=True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(inside)

    def sizeHint(self) -> QSize:
        """Return the width of a dock, and its height up to a limit."""
        return QSize(WIDTH, min(self.widget().sizeHint().height(), _TALLEST))

    def minimumSizeHint(self) -> QSize:
        """Return less than any window has."""
        return _LEAST
