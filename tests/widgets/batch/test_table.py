"""The table of files: what it shows, and that only changes are drawn anew."""

import dataclasses

import pytest
from qtpy.QtCore import Qt

from napari_mpi.batch.outcomes import Outcome, Status
from napari_mpi.widgets.batch.rows import MESSAGE, STATUS, BatchRows, in_minutes
from napari_mpi.widgets.batch.table import BatchTable

pytestmark = pytest.mark.gui
MANY = 10_000


def waiting(count):
    names = (f"plate/well {number}.tif" for number in range(count))
    return {number: Outcome(name, name) for number, name in enumerate(names)}


def shown(rows, row, column, role=Qt.ItemDataRole.DisplayRole):
    return rows.data(rows.index(row, column), role)


@pytest.fixture
def rows(qapp):
    """Return rows of very many files, and the cells that were told to change."""
    rows = BatchRows()
    rows.take(waiting(MANY))
    changes = []
    rows.dataChanged.connect(
        lambda first, last, _: changes.append(
            (range(first.row(), last.row() + 1), range(first.column(), last.column()))
        )
    )
    return rows, changes


@pytest.fixture
def table(qtbot):
    """Return a table on a screen, with more rows than it has room for."""
    table = BatchTable()
    qtbot.addWidget(table)
    table.resize(400, 300)
    table.show()
    table.rows.take(waiting(MANY))
    return table  # before Qt has laid out the rows


def is_in_view(table, row):
    place = table.visualRect(table.shown.row_of(row))
    return table.viewport().rect().contains(place)


def test_of_many_files_only_those_that_change_are_drawn_anew(rows):
    rows, changes = rows
    done = Outcome("a.tif", "a.tif", Status.DONE, seconds=130.0)
    rows.take(dict.fromkeys((7, 8, 9, 4000), done))
    assert [list(changed) for changed, _ in changes] == [[7, 8, 9], [4000]]
    assert [shown(rows, 8, column) for column in range(4)] == [
        "a.tif", "done", "2:10", "",
    ]  # fmt: skip
    assert shown(rows, 10, STATUS) == "waiting"
    assert rows.rowCount() == MANY


def test_the_file_at_work_tells_how_far_it_is(rows):
    rows, changes = rows
    rows.take({5: dataclasses.replace(rows.outcome(5), status=Status.RUNNING)})
    changes.clear()
    rows.show_progress(5, 0.43)
    assert shown(rows, 5, STATUS) == "running 43 %"
    rows.show_progress(5, 0.43)
    assert [list(changed) for changed, _ in changes] == [[5]]
    rows.show_progress(None, 0.0)
    assert shown(rows, 5, STATUS) == "running"


def test_a_failed_file_is_told_by_word_sign_and_message(rows):
    rows, _ = rows
    message = "axes 'QYX' < 3 & unknown: " + 60 * "give one letter per dimension "
    rows.take({3: Outcome("a.tif", "", Status.FAILED, message)})
    assert shown(rows, 3, STATUS) == "failed"
    assert not shown(rows, 3, STATUS, Qt.ItemDataRole.DecorationRole).isNull()
    assert shown(rows, 4, STATUS, Qt.ItemDataRole.DecorationRole) is None
    tooltip = shown(rows, 3, MESSAGE, Qt.ItemDataRole.ToolTipRole)
    told = message.replace("&", "&amp;").replace("<", "&lt;")
    assert told in tooltip


def test_qt_finds_the_model_consistent(qapp, qtmodeltester):
    rows = BatchRows()
    qtmodeltester.check(rows)
    rows.take(waiting(20))
    rows.take({30: Outcome("late.tif", "")})
    rows.clear()
    rows.take(waiting(3))


def test_it_scrolls_along_with_the_file_at_work(table):
    for number in (0, 500, 501):
        table.follow(number, 0.0)
        assert is_in_view(table, number)


def test_it_stays_where_a_person_has_scrolled_to(table):
    table.follow(500, 0.0)
    table.verticalScrollBar().setValue(9000)
    table.follow(501, 0.0)
    assert table.verticalScrollBar().value() == 9000
    table.verticalScrollBar().setValue(495)  # back to the file at work
    table.follow(600, 0.0)
    assert is_in_view(table, 600)


def test_it_stays_where_a_person_has_chosen_a_row(table):
    table.follow(500, 0.0)
    table.selectRow(499)
    table.follow(900, 0.0)
    assert is_in_view(table, 499)
    assert table.chosen_file == 499


def test_failed_files_are_found_among_many(table):
    table.show_only_failed(True)
    assert table.shown.rowCount() == 0
    failed = Outcome("a.tif", "", Status.FAILED, "it holds no numbers")
    table.rows.take({4000: failed, 9000: failed})
    assert table.shown.rowCount() == 2
    table.selectRow(1)
    assert table.chosen_file == 9000
    table.show_only_failed(False)
    assert table.chosen_file == 9000
    assert is_in_view(table, 9000)


def test_after_a_look_at_the_failed_files_it_scrolls_along_again(table):
    table.follow(500, 0.0)
    table.show_only_failed(True)
    table.follow(700, 0.0)
    table.show_only_failed(False)
    assert is_in_view(table, 700)
    table.follow(900, 0.0)
    assert is_in_view(table, 900)


def test_enter_opens_the_chosen_file(table, qtbot):
    table.selectRow(2)
    with qtbot.waitSignal(table.opened) as opened:
        qtbot.keyClick(table, Qt.Key.Key_Return)
    assert opened.args == [2]


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(4.21, "4.2 s"), (59.96, "1:00"), (130, "2:10"), (3730, "1:02:10")],
)
def test_times_are_told_as_people_say_them(seconds, told):
    assert in_minutes(seconds) == told
