"""The Batch widget before the start and at its end: choices, and results to look at."""

import shlex
import shutil

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtWidgets import QApplication

from napari_mpi.widgets.layers.view import grid

pytestmark = pytest.mark.gui
TIMEOUT = 600_000  # ms; ends once there, however busy the machine


def wait_for_end(run, qtbot):
    qtbot.waitUntil(lambda: run.ending.value != "running", timeout=TIMEOUT)


def run_to_end(widget, qtbot):
    widget.start_button.click()
    wait_for_end(widget.run, qtbot)


def messages():
    return [notice.message for notice in notification_manager.records]


def double_click(widget, row):
    widget.table.doubleClicked.emit(widget.table.shown.row_of(row))


@pytest.mark.parametrize(
    ("entry", "value", "told"),
    [
        ("input", "", "choose a folder of images"),
        ("input", "missing", "there is no folder"),
        ("output", "", "choose a folder for the results"),
        ("output", "my cells", "is the input itself"),
        ("output", "my cells/notes.txt", "is a file"),
        ("pattern", " ; ", "the pattern is empty"),
        ("suffix", "a/b", "cannot be part of a file's name"),
        ("axes", "ZYW", "are not usable"),
    ],
)
def test_what_is_missing_is_said_before_the_start(
    widget, tmp_path, monkeypatch, entry, value, told
):
    monkeypatch.chdir(tmp_path)
    assert widget.start_button.isEnabled()
    chosen = getattr(widget.form, entry)
    getattr(chosen, "line_edit", chosen).value = value
    assert told in widget.hint.text()
    assert not widget.start_button.isEnabled()


def test_the_command_line_is_copied(widget, folder, qtbot):
    widget.form.command_button.click()
    words = shlex.split(QApplication.clipboard().text())
    assert words[:4] == ["napari-mpi", "batch", str(folder), str(folder / "denoised")]
    widget.form.input.line_edit.value = ""
    widget.form.command_button.click()
    assert "choose a folder of images" in messages()[-1]


def test_new_weights_are_offered_at_once(widget, small_file):
    from napari_mpi.engine.networks.catalogue import own_weights_path
    from napari_mpi.widgets.runs.news import news

    path = own_weights_path("lab")
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(small_file, path)
    news.weights_changed.emit()
    assert "lab" in widget.form.method.weights.choices


def test_a_double_click_shows_input_and_result_side_by_side(viewer, widget, qtbot):
    run_to_end(widget, qtbot)
    double_click(widget, 1)
    source, result = viewer.layers
    assert (source.name, result.name) == ("cell 1.tif", "cell 1-denoised.tif")
    for layer in (source, result):
        np.testing.assert_allclose(layer.scale, (0.5, 0.2, 0.2))
        assert [str(unit) for unit in layer.units] == ["micrometer"] * 3
        assert layer.axis_labels == ("z", "y", "x")
        assert not isinstance(layer.data, np.ndarray)  # read as it is looked at
    assert source.contrast_limits == result.contrast_limits
    assert source.colormap == result.colormap
    assert grid(viewer).enabled


def test_the_chosen_row_can_be_opened_and_says_why_it_has_no_result(
    viewer, widget, engine, qtbot
):
    engine.failing = {"cell 1.tif"}
    run_to_end(widget, qtbot)
    assert not widget.open_button.isEnabled()
    widget.table.selectRow(1)
    widget.open_button.click()
    assert [layer.name for layer in viewer.layers] == ["cell 1.tif"]
    assert "it holds no numbers: mend it" in messages()[-1]


def test_a_file_that_cannot_be_read_is_told(viewer, widget, folder, qtbot):
    run_to_end(widget, qtbot)
    (folder / "cell 1.tif").write_bytes(b"no image")
    double_click(widget, 1)
    assert "cannot be read" in messages()[-1]
    assert "cell 1.tif" in messages()[-1]
    assert not viewer.layers
