"""The Batch widget at work: how it goes is told, and it can be ended."""

import pytest
from napari.utils.notifications import notification_manager

from napari_mpi.engine.runtime.errors import ImageFileError
from napari_mpi.widgets.batch.rows import MESSAGE, STATUS

pytestmark = pytest.mark.gui
TIMEOUT = 600_000  # ms; ends once there, however busy the machine


def wait_for_end(run, qtbot):
    qtbot.waitUntil(lambda: run.ending.value != "running", timeout=TIMEOUT)


def run_to_end(widget, qtbot):
    widget.start_button.click()
    wait_for_end(widget.run, qtbot)


def hold_in_a_file(widget, engine, qtbot):
    """Start, and hold the run in the middle of its first file."""
    engine.gate.clear()
    widget.start_button.click()
    qtbot.waitUntil(lambda: "running" in " ".join(statuses(widget)), timeout=TIMEOUT)


def column(widget, number):
    rows = widget.table.rows
    return [rows.data(rows.index(row, number)) for row in range(rows.rowCount())]


def statuses(widget):
    return column(widget, STATUS)


def messages():
    return [notice.message for notice in notification_manager.records]


def results(folder):
    return sorted(path.name for path in folder.glob("denoised/*"))


def test_a_folder_is_denoised_and_the_table_says_how_it_went(
    widget, engine, folder, qtbot
):
    engine.failing = {"cell 1.tif"}
    run_to_end(widget, qtbot)
    assert statuses(widget) == ["done", "failed", "done", "skipped"]
    assert column(widget, MESSAGE)[1] == "it holds no numbers: mend it"
    assert results(folder) == ["cell 0-denoised.tif", "cell 2-denoised.tif"]
    told = widget.status.text()
    assert "complete" in told
    assert "2 done, 1 skipped, 1 failed" in told
    assert widget.start_button.isEnabled()
    assert not widget.timer.isActive()


def test_the_status_tells_counts_time_left_and_the_file(widget, engine, qtbot):
    hold_in_a_file(widget, engine, qtbot)
    told = widget.status.text()
    assert "0 done, 1 skipped, 0 failed of 4 files" in told
    assert "about 2 min left" in told
    assert "cell 0.tif" in told
    assert not widget.start_button.isEnabled()
    assert not widget.form.isEnabled()
    widget.cancel_button.click()
    engine.gate.set()
    wait_for_end(widget.run, qtbot)
    assert widget.form.isEnabled()


def test_where_the_report_is_is_told_at_the_end(widget, folder, qtbot):
    (folder / "denoised").mkdir()
    report = folder / "denoised" / "napari-mpi-report.csv"
    report.write_text("file,status\n")
    run_to_end(widget, qtbot)
    assert str(report) in widget.status.text()


def test_cancel_drops_the_file_at_work(widget, engine, folder, qtbot):
    hold_in_a_file(widget, engine, qtbot)
    widget.cancel_button.click()
    assert "cancelling" in widget.status.text()
    assert not widget.cancel_button.isEnabled()
    engine.gate.set()
    wait_for_end(widget.run, qtbot)
    assert widget.run.ending.value == "cancelled"
    assert statuses(widget) == ["not reached"] * 3 + ["skipped"]
    assert not results(folder)
    assert engine.steps <= 1
    assert widget.start_button.isEnabled()


def test_stop_finishes_the_file_at_work(widget, engine, folder, qtbot):
    hold_in_a_file(widget, engine, qtbot)
    widget.stop_button.click()
    assert "stopping after this file" in widget.status.text()
    assert not widget.stop_button.isEnabled()
    assert widget.cancel_button.isEnabled()
    engine.gate.set()
    wait_for_end(widget.run, qtbot)
    assert statuses(widget) == ["done", "not reached", "not reached", "skipped"]
    assert results(folder) == ["cell 0-denoised.tif"]
    assert "stopped" in widget.status.text()
    assert "2 not reached" in widget.status.text()


def test_a_run_that_is_to_stop_can_still_be_cancelled(widget, engine, folder, qtbot):
    hold_in_a_file(widget, engine, qtbot)
    widget.stop_button.click()
    widget.cancel_button.click()
    engine.gate.set()
    wait_for_end(widget.run, qtbot)
    assert widget.run.ending.value == "cancelled"
    assert not results(folder)


def test_pause_holds_and_continue_goes_on(widget, engine, folder, qtbot):
    hold_in_a_file(widget, engine, qtbot)
    widget.pause_button.click()
    assert widget.pause_button.text() == "Continue"
    assert "paused" in widget.status.text()
    engine.gate.set()
    qtbot.waitUntil(lambda: widget.run._worker.is_paused, timeout=TIMEOUT)
    held = engine.steps
    qtbot.wait(300)
    assert engine.steps == held < 9
    widget.pause_button.click()
    wait_for_end(widget.run, qtbot)
    assert len(results(folder)) == 3


def test_a_paused_run_stops_after_its_file(widget, engine, folder, qtbot):
    hold_in_a_file(widget, engine, qtbot)
    widget.pause_button.click()
    engine.gate.set()
    widget.stop_button.click()
    wait_for_end(widget.run, qtbot)
    assert results(folder) == ["cell 0-denoised.tif"]


def test_an_error_is_told_in_its_sentence(widget, engine, qtbot):
    engine.error = ImageFileError("nothing matches '*.png': choose another pattern")
    run_to_end(widget, qtbot)
    assert widget.run.ending.value == "failed"
    assert messages()[-1] == str(engine.error)
    assert "failed" in widget.status.text()
    assert widget.start_button.isEnabled()


def test_failed_files_can_be_tried_again(widget, engine, folder, qtbot):
    assert not widget.retry_button.isEnabled()
    engine.failing = {"cell 1.tif"}
    run_to_end(widget, qtbot)
    assert widget.retry_button.isEnabled()
    widget.form.input.value = folder.parent  # whose files have not failed
    assert not widget.retry_button.isEnabled()
    widget.form.input.value = folder
    engine.failing = set()
    widget.retry_button.click()
    wait_for_end(widget.run, qtbot)
    assert [request.retry_failed for request in engine.requests] == [False, True]
    assert not widget.retry_button.isEnabled()


def test_closing_the_dock_ends_the_run(real_viewer, make_widget, engine, folder, qtbot):
    widget = make_widget(real_viewer)
    hold_in_a_file(widget, engine, qtbot)
    run = widget.run
    real_viewer.window.remove_dock_widget(widget)
    engine.gate.set()
    wait_for_end(run, qtbot)
    assert run.ending.value == "cancelled"
    assert not results(folder)
