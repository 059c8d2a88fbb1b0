"""The Batch widget with the real engine, on a folder as it comes."""

import shlex

import numpy as np
import pytest
import tifffile

from napari_mpi.batch.outcomes import Status
from napari_mpi.cli.main import main
from napari_mpi.widgets.batch.dock import BatchWidget
from napari_mpi.widgets.runs.run import Ending

pytestmark = pytest.mark.gui
TIMEOUT = 600_000  # ms; ends once there, however busy the machine


@pytest.fixture
def folder(tmp_path, rng):
    """Return a folder of good and bad files."""
    folder = tmp_path / "my cells"
    folder.mkdir()
    for number in range(3):
        noisy = rng.normal(1000, 100, (20, 24)).astype(np.uint16)
        tifffile.imwrite(folder / f"cell {number}.tif", noisy)
    (folder / "broken.tif").write_bytes(b"no TIFF")
    (folder / "notes.txt").write_text("read me")
    return folder


@pytest.fixture
def widget(viewer, folder, small_file, dock):
    """Return a docked widget that is about to denoise the folder quickly."""
    widget = BatchWidget(viewer)
    dock(widget, viewer)
    form = widget.form
    form.input.value = folder
    form.method.add_weights_file(str(small_file))
    form.method.noise.value, form.method.effort.value = "blind", "fast"
    form.method.settings["iterations"].value = 2
    return widget


def finish(widget, qtbot):
    qtbot.waitUntil(lambda: widget.run.ending is not Ending.NOT_YET, timeout=TIMEOUT)


def statuses(widget):
    rows = widget.table.rows
    outcomes = (rows.outcome(number) for number in range(rows.rowCount()))
    return {outcome.file: outcome.status for outcome in outcomes}


def results(folder):
    return sorted(path.name for path in (folder / "denoised").glob("*.tif"))


def test_a_folder_is_done_and_retried_and_opened(widget, folder, viewer, qtbot, rng):
    widget.start_button.click()
    finish(widget, qtbot)
    assert statuses(widget) == {
        "broken.tif": Status.FAILED,
        **{f"cell {n}.tif": Status.DONE for n in range(3)},
        "notes.txt": Status.SKIPPED,
    }
    assert results(folder) == [f"cell {n}-denoised.tif" for n in range(3)]
    assert "3 done, 1 skipped, 1 failed" in widget.status.text()
    noisy = rng.normal(1000, 100, (20, 24)).astype(np.uint16)
    tifffile.imwrite(folder / "broken.tif", noisy)
    widget.retry_button.click()
    finish(widget, qtbot)
    assert statuses(widget)["broken.tif"] is Status.DONE
    assert statuses(widget)["cell 0.tif"] is Status.SKIPPED
    widget.table.opened.emit(1)
    before, after = viewer.layers
    np.testing.assert_array_equal(before.data, tifffile.imread(folder / "cell 0.tif"))
    result = tifffile.imread(folder / "denoised" / "cell 0-denoised.tif")
    np.testing.assert_array_equal(after.data, result)


def test_cancelling_mid_file_leaves_nothing_of_it(widget, folder, qtbot):
    widget.form.method.settings["iterations"].value = 100_000
    widget.start_button.click()

    def is_at_work():
        newest = widget.run.newest
        return newest is not None and newest.stage.startswith("iteration")

    qtbot.waitUntil(is_at_work, timeout=TIMEOUT)
    widget.cancel_button.click()
    finish(widget, qtbot)
    assert statuses(widget)["cell 0.tif"] is Status.NOT_REACHED
    assert results(folder) == []
    assert not list((folder / "denoised").rglob("*.work"))
    assert (folder / "denoised" / "napari-mpi-report.csv").is_file()


def test_the_command_line_does_the_very_same(widget, folder, qtbot, tmp_path, capsys):
    widget.form.method.device.value = "auto"
    widget.form.adapt_once.value = True
    words = shlex.split(widget.form.command())
    widget.start_button.click()
    finish(widget, qtbot)
    output = folder / "denoised"
    assert words[:4] == ["napari-mpi", "batch", str(folder), str(output)]
    words[3] = str(tmp_path / "by command")
    assert main(words[1:]) == 1  # one file is broken
    for name in results(folder):
        other = tifffile.imread(tmp_path / "by command" / name)
        np.testing.assert_array_equal(tifffile.imread(output / name), other)
    # And to it, what the widget has done is up to date.
    words[3] = str(output)
    capsys.readouterr()
    assert main(words[1:]) == 1
    assert "3 files: up to date" in capsys.readouterr().err
