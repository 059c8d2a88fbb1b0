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

from napari_mpi.widgets.batch.rows import (
    FILE,
    MESSAGE,
    STATUS,
    TIME,
    BatchRows,
    ShownRows,
)

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

    opened = Signal(int)  # number of the file
    chosen = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows = BatchRows(self)
        self.shown = ShownRows(self.rows, self)
        self.setModel(self.shown)
        self._follows, self._scrolls_itself = True, False
        self._at_work: int | None = None
        self._lay_out()
        self.doubleClicked.connect(self._on_double_click)
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
            self._bring_into_view(number)

    def show_only_failed(self, only: bool) -> None:
        """List the failed files alone, or all; what was looked at stays in view."""
        self.shown.show_only_failed(only)
        chosen = self.chosen_file
        self._follows = chosen is None
        number = self._at_work if chosen is None else chosen
        if number is not None:
            self._bring_into_view(number)

    @property
    def chosen_file(self) -> int | None:
        """Number of the file that is chosen."""
        chosen = self.selectionModel().selectedRows()
        return self.shown.number(chosen[0]) if chosen else None

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Open the chosen row with Enter, as with a double-click."""
        row = self.chosen_file
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
        # A narrow dock scrolls to what the message says; a wide one shows it all.
        widths.setSectionResizeMode(MESSAGE, _Header.ResizeToContents)
        widths.setResizeContentsPrecision(_ROWS_SHOWN)
        widths.setHighlightSections(False)
        self.setColumnWidth(FILE, _FILE_LETTERS * letters.averageCharWidth())
        for column, text in _WIDEST.items():
            self.setColumnWidth(column, letters.horizontalAdvance(text) + 12)

    def _on_double_click(self, index: QModelIndex) -> None:
        self.opened.emit(self.shown.number(index))

    def _on_choice(self, *_: Any) -> None:
        row = self.chosen_file
        if row is not None and row != self._at_work:
            self._follows = False
        self.chosen.emit()

    def _bring_into_view(self, number: int) -> None:
        self._scrolls_itself = True
        self.updateGeometries()  # or it would not reach rows that are new
        self.scrollTo(self.shown.row_of(number))
        self._scrolls_itself = False

    def _on_scroll(self, _: int) -> None:
        if not self._scrolls_itself and self._at_work is not None:
            self._follows = self._is_in_view(self._at_work)

    def _is_in_view(self, row: int) -> bool:
        place = self.visualRect(self.shown.row_of(row))
        return bool(self.viewport().rect().intersects(place))


class _Middle(QStyledItemDelegate):
    """Cuts long names in the middle: their ends tell them apart."""

    def initStyleOption(self, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        super().initStyleOption(option, index)
        option.textElideMode = Qt.TextElideMode.ElideMiddle
