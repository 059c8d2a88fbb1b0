"""Folders and files that are dropped on the Batch dock."""

import pytest

pytestmark = pytest.mark.gui


@pytest.fixture
def widget(viewer, dock):
    from napari_mpi.widgets.batch.dock import BatchWidget

    widget = BatchWidget(viewer)
    dock(widget, viewer)
    return widget


def drop(widget, *paths):
    from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
    from qtpy.QtGui import QDropEvent

    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    event = QDropEvent(
        QPointF(5, 5), Qt.DropAction.CopyAction, data,
        Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier,
    )  # fmt: skip
    widget.dropEvent(event)


def test_a_folder_becomes_the_input(widget, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    drop(widget, folder)
    assert widget.form.input.value == folder
    assert widget.form.pattern.value == "*"
    assert widget.form.output.value == folder / "denoised"


def test_of_files_these_alone_are_taken(widget, tmp_path):
    for name in ("b.tif", "a.tif", "c.tif"):
        (tmp_path / name).write_bytes(b"")
    drop(widget, tmp_path / "b.tif", tmp_path / "a.tif")
    assert widget.form.input.value == tmp_path
    assert widget.form.pattern.value == "a.tif; b.tif"


def test_files_of_two_folders_are_refused_and_nothing_changes(widget, tmp_path):
    from napari.utils.notifications import notification_manager

    paths = []
    for name in "ab":
        (tmp_path / name).mkdir()
        paths.append(tmp_path / name / "x.tif")
        paths[-1].write_bytes(b"")
    before = widget.form.input.value
    drop(widget, *paths)
    assert widget.form.input.value == before
    assert "files of one folder" in notification_manager.records[-1].message
