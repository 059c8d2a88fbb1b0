"""The files of a batch as rows: what a table of them shows, however many there are."""

import html
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from qtpy.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QSortFilterProxyModel,
    Qt,
)
from qtpy.QtWidgets import QApplication, QStyle

from napari_mpi.batch.outcomes import Outcome, Status
from napari_mpi.widgets.runs.time_left import in_minutes

FILE, STATUS, TIME, MESSAGE = range(4)
"""The columns."""

_HEADERS = ("File", "Status", "Time", "Message")
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_UNKNOWN = Outcome("", "")
_Role = Qt.ItemDataRole


class BatchRows(QAbstractTableModel):
    """One row per file; whoever looks at them is told of those that change alone.

    Parameters
    ----------
    parent : QObject, optional
        What it goes with.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._outcomes: list[Outcome] = []
        self._at_work: tuple[int, float] | None = None
        style = QApplication.style()
        self._failed = style.standardIcon(QStyle.StandardPixmap.SP_MessageBoxCritical)

    # -- what is in it -----------------------------------------------------------

    def clear(self) -> None:
        """Forget all files."""
        self.beginResetModel()
        self._outcomes, self._at_work = [], None
        self.endResetModel()

    def take(self, changed: Mapping[int, Outcome]) -> None:
        """Show what became of some files; those with new numbers are added."""
        if not changed:
            return
        self._make_room(max(changed) + 1)
        for number, outcome in changed.items():
            self._outcomes[number] = outcome
        for first, last in _ranges(changed):
            self._tell(first, FILE, last, MESSAGE)

    def show_progress(self, number: int | None, fraction: float) -> None:
        """Show how far the file at work is, 0..1; None if there is none."""
        before = self._at_work
        self._at_work = None if number is None else (number, fraction)
        if self._at_work == before:
            return
        for number in {pair[0] for pair in (before, self._at_work) if pair is not None}:
            if number < len(self._outcomes):
                self._tell(number, STATUS, number, STATUS)

    def outcome(self, row: int) -> Outcome:
        """Return what is known of a file."""
        return self._outcomes[row]

    # -- what Qt asks ------------------------------------------------------------

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of files."""
        return 0 if parent is not None and parent.isValid() else len(self._outcomes)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of columns."""
        return 0 if parent is not None and parent.isValid() else len(_HEADERS)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = _Role.DisplayRole
    ) -> Any:
        """Return what a column is called."""
        if role == _Role.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return _HEADERS[section]
        return None

    def data(self, index: QModelIndex, role: int = _Role.DisplayRole) -> Any:
        """Return what a cell shows, or tells when pointed at."""
        outcome, column = self._outcomes[index.row()], index.column()
        if role == _Role.DisplayRole:
            return self._text(index.row(), outcome, column)
        if role == _Role.ToolTipRole:
            text = outcome.file if column == FILE else outcome.message
            # As rich text, or Qt would show it on one line, however long.
            return f"<qt>{html.escape(text, quote=False)}</qt>" if text else None
        if role == _Role.TextAlignmentRole and column == TIME:
            return _RIGHT
        failed = outcome.status is Status.FAILED
        if role == _Role.DecorationRole and column == STATUS and failed:
            return self._failed
        return None

    # -- its parts ---------------------------------------------------------------

    def _text(self, row: int, outcome: Outcome, column: int) -> str:
        if column == STATUS:
            return self._status(row, outcome)
        seconds = "" if outcome.seconds is None else in_minutes(outcome.seconds)
        return {FILE: outcome.file, TIME: seconds, MESSAGE: outcome.message}[column]

    def _status(self, row: int, outcome: Outcome) -> str:
        word = outcome.status.value
        if outcome.status is Status.RUNNING and self._at_work is not None:
            number, fraction = self._at_work
            return f"{word} {fraction * 100:.0f} %" if number == row else word
        return word

    def _make_room(self, count: int) -> None:
        missing = count - len(self._outcomes)
        if missing > 0:
            self.beginInsertRows(QModelIndex(), len(self._outcomes), count - 1)
            self._outcomes += [_UNKNOWN] * missing
            self.endInsertRows()

    def _tell(self, top: int, left: int, bottom: int, right: int) -> None:
        self.dataChanged.emit(self.index(top, left), self.index(bottom, right))


class ShownRows(QSortFilterProxyModel):
    """All rows, or those of the files that have failed.

    Parameters
    ----------
    rows : BatchRows
        What there is to show.
    parent : QObject, optional
        What it goes with.
    """

    def __init__(self, rows: BatchRows, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows, self._only_failed = rows, False
        self.setSourceModel(rows)

    def show_only_failed(self, only: bool) -> None:
        """Leave out all other files, or show them again."""
        self._only_failed = only
        self.invalidateFilter()

    def filterAcceptsRow(self, row: int, parent: QModelIndex) -> bool:
        """Whether a file is shown."""
        failed = self._rows.outcome(row).status is Status.FAILED
        return failed or not self._only_failed

    def number(self, shown: QModelIndex) -> int:
        """Return the number of the file that a row shows."""
        return int(self.mapToSource(shown).row())

    def row_of(self, number: int) -> QModelIndex:
        """Return where a file is shown; an invalid index if it is not."""
        return self.mapFromSource(self._rows.index(number, FILE))


def _ranges(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Group numbers into unbroken ranges, each with its first and last."""
    ordered = sorted(numbers)
    first = last = ordered[0]
    for number in ordered[1:]:
        if number > last + 1:
            yield first, last
            first = number
        last = number
    yield first, last
