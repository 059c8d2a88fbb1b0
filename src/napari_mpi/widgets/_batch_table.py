"""A table of the files of a batch that follows the one at work."""

from typing import Any

from qtpy.QtCore import QModelIndex, Qt, Signal
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from napari_mpi.engine.batch.outcomes import Outcome
from napari_mpi.widgets._batch_rows import FILE, MESSAGE, STATUS, TIME, BatchRows

_ROWS_SHOWN = 5  # at least
_FILE_LETTERS = 18
_WIDEST = {STATUS: "running 100 %", TIME: "0:00:00"}
_Header = QHeaderView.ResizeMode
_ENTER = (Qt.Key.Key_Return, Qt.Key.Key_Enter)


class BatchTable(QTableView):
    """Shows `BatchRows`; rows are of one height, so that thousands cost nothing.

    It scrolls along with the file at work until a person scrolls that out of view or
    chooses another row, and again from when it has been scrolled back.
    """

    opened = Signal(int)  # number of the row
    chosen = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows = BatchRows(self)
        self.setModel(self.rows)
        self._follows, self._scrolls_itself = True, False
        self._at_work: int | None = None
        self._lay_out()
        self.doubleClicked.connect(lambda index: self.opened.emit(index.row()))
        self.selectionModel().selectionChanged.connect(self._on_choice)
        self.verticalScrollBar().valueChanged.connect(self._on_scroll)

    # -- what it shows -----------------------------------------------------------

    def clear(self) -> None:
        """Forget all files, and follow the next one that is at work."""
        self.rows.clear()
        self._follows, self._at_work = True, None
        self.chosen.emit()

    def follow(self, number: int | None, fraction: float) -> None:
        """Show how far the file at work is, and bring it into view."""
        self.rows.show_progress(number, fraction)
        moved, self._at_work = number != self._at_work, number
        if moved and self._follows and number is not None:
            self._scrolls_itself = True
            self.scrollTo(self.rows.index(number, FILE))
            self._scrolls_itself = False

    @property
    def chosen_row(self) -> int | None:
        """Number of the row that is chosen."""
        chosen = self.selectionModel().selectedRows()
        return chosen[0].row() if chosen else None

    def chosen_outcome(self) -> Outcome | None:
        """Return what became of the file that is chosen."""
        row = self.chosen_row
        return None if row is None else self.rows.outcome(row)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Open the chosen row with Enter, as with a double-click."""
        row = self.chosen_row
        if event.key() in _ENTER and row is not None:
            self.opened.emit(row)
        else:
            super().keyPressEvent(event)

    # -- its parts ---------------------------------------------------------------

    def _lay_out(self) -> None:
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerItem)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)  # Tab leads on to the buttons
        self.setItemDelegateForColumn(FILE, _Middle(self))
        letters = self.fontMetrics()
        heights = self.verticalHeader()
        heights.hide()
        heights.setSectionResizeMode(_Header.Fixed)
        heights.setDefaultSectionSize(letters.height() + 6)
        self.setMinimumHeight((_ROWS_SHOWN + 2) * heights.defaultSectionSize())
        widths = self.horizontalHeader()
        widths.setSectionResizeMode(_Header.Interactive)
        widths.setSectionResizeMode(MESSAGE, _Header.Stretch)
        widths.setHighlightSections(False)
        self.setColumnWidth(FILE, _FILE_LETTERS * letters.averageCharWidth())
        for column, text in _WIDEST.items():
            self.setColumnWidth(column, letters.horizontalAdvance(text) + 12)

    def _on_choice(self, *_: Any) -> None:
        row = self.chosen_row
        if row is not None and row != self._at_work:
            self._follows = False
        self.chosen.emit()

    def _on_scroll(self, _: int) -> None:
        if not self._scrolls_itself and self._at_work is not None:
            self._follows = self._is_in_view(self._at_work)

    def _is_in_view(self, row: int) -> bool:
        place = self.visualRect(self.rows.index(row, FILE))
        return bool(self.viewport().rect().intersects(place))


class _Middle(QStyledItemDelegate):
    """Cuts long names in the middle: their ends tell them apart."""

    def initStyleOption(self, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        super().initStyleOption(option, index)
        option.textElideMode = Qt.TextElideMode.ElideMiddle
