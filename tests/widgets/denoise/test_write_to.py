"""A result that grows in a file: stopped, seen meanwhile, gone on with, refused."""

import threading

import numpy as np
import pytest

from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.files.metadata import ImageFile
from napari_mpi.engine.files.ngff.unfinished import Unfinished
from napari_mpi.engine.files.output import write_image
from napari_mpi.engine.networks.weight_files import save_weights
from napari_mpi.widgets.denoise.dock import DenoiseWidget
from napari_mpi.widgets.denoise.jobs.source import Source
from napari_mpi.widgets.layers.selection import Scope
from napari_mpi.widgets.runs.run import Ending

pytest.importorskip("zarr", reason="the extra is not installed")
pytestmark = pytest.mark.gui
TIMEOUT = 600_000  # ms; ends once there, however busy the machine


@pytest.fixture
def stack(rng):
    """Return six noisy planes."""
    return rng.poisson(500, (6, 40, 36)).astype(np.uint16)


@pytest.fixture
def docked(viewer, small_grey_weights, tmp_path, dock, stack):
    """Return a docked widget that is to write a stack to a file."""
    save_weights(small_grey_weights, tmp_path / "grey.safetensors")
    viewer.add_image(stack, name="cells", scale=(2, 0.5, 0.5))
    widget = DenoiseWidget(viewer)
    dock(widget, viewer)
    widget.form.method.add_weights_file(str(tmp_path / "grey.safetensors"))
    widget.form.noise.value, widget.form.effort.value = "blind", "fast"
    widget.form.settings["iterations"].value = 2
    widget.form.part.scope.value = Scope.LAYER
    widget.form.output.value = tmp_path / "cells.zarr"
    return widget


@pytest.fixture
def gate(monkeypatch):
    """Return a gate, at which a run waits once three slabs are written."""
    gate, written, write = threading.Event(), [], Unfinished.write

    def wait(self, index, block):
        assert len(written) < 3 or gate.wait(600)
        write(self, index, block)
        written.append(index[0].start)

    monkeypatch.setattr(Unfinished, "write", wait)
    gate.written = written
    return gate


def ended(widget, qtbot):
    def is_over():
        return widget.run is None or widget.run.is_over

    qtbot.waitUntil(is_over, timeout=TIMEOUT)


def test_the_layer_becomes_the_file(docked, stack, tmp_path, qtbot):
    docked.start_button.click()
    ended(docked, qtbot)
    assert docked.run.ending is Ending.COMPLETE
    image = read_image(tmp_path / "cells.zarr")
    assert image.axes == "ZYX"
    assert image.calibration.steps["Z"][0] == 2
    np.testing.assert_array_equal(np.asarray(docked.run.result.data), image.array)
    assert (image.array != stack).any()
    assert docked.run.result.metadata["napari-mpi"]["reached"]["planes"] == 6
    assert not docked.run.can_continue


def test_the_pixels_are_those_of_the_layer_whatever_its_file_says(stack, tmp_path):
    write_image(tmp_path / "raw.zarr", ImageFile(stack, "ZYX"))
    source = Source(tmp_path / "raw.zarr", {"Z": (2.0, "um")})
    image = source.image(stack + 7, "ZYX")
    np.testing.assert_array_equal(image.array, stack + 7)
    assert image.metadata.source.levels[0].shape == stack.shape
    inside = Source(tmp_path / "raw.zarr" / "0", {"Z": (2.0, "um")})
    assert inside.image(stack, "ZYX").calibration.steps == {"Z": (2.0, "um")}


def test_what_is_done_is_seen_and_kept_and_gone_on_with(
    docked, stack, gate, tmp_path, qtbot
):
    docked.start_button.click()
    run = docked.run
    qtbot.waitUntil(lambda: len(gate.written) == 3, timeout=TIMEOUT)
    qtbot.waitUntil(lambda: run.result is not None, timeout=TIMEOUT)
    qtbot.waitUntil(
        lambda: (np.asarray(run.result.data[2]) != stack[2]).any(), timeout=TIMEOUT
    )
    np.testing.assert_array_equal(np.asarray(run.result.data[5]), stack[5])
    assert docked.status.text().startswith("Region ")
    docked.stop_button.click()
    gate.set()
    ended(docked, qtbot)
    done = len(gate.written)
    assert 3 <= done < 6
    assert not (tmp_path / "cells.zarr").exists()
    assert Unfinished(tmp_path / "cells.zarr").exists
    np.testing.assert_array_equal(np.asarray(run.result.data[5]), stack[5])
    docked.pause_button.click()
    ended(docked, qtbot)
    assert sorted(gate.written) == [0, 1, 2, 3, 4, 5]
    assert (np.asarray(run.result.data[5]) != stack[5]).any()
    assert read_image(tmp_path / "cells.zarr").array.shape == stack.shape


def test_what_was_cancelled_is_gone_on_with_by_a_new_run(docked, gate, tmp_path, qtbot):
    docked.start_button.click()
    qtbot.waitUntil(lambda: len(gate.written) == 3, timeout=TIMEOUT)
    docked.cancel_button.click()
    gate.set()
    kept = "Cancelled; the file keeps what is done"
    qtbot.waitUntil(lambda: docked.status.text() == kept, timeout=TIMEOUT)
    docked.start_button.click()
    ended(docked, qtbot)
    assert sorted(gate.written) == [0, 1, 2, 3, 4, 5]
    assert read_image(tmp_path / "cells.zarr").array.shape == (6, 40, 36)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda form: setattr(form.part.scope, "value", Scope.PLANE), "whole layer"),
        (lambda form: setattr(form.uncertainty, "value", True), "no uncertainty"),
        (lambda form: setattr(form.output, "value", "a.tif"), "end in .zarr"),
    ],
)
def test_what_a_file_cannot_be_for_is_told_before(change, sentence, docked):
    assert docked.start_button.isEnabled()
    change(docked.form)
    assert sentence in docked.hint.text()
    assert not docked.start_button.isEnabled()


def test_settings_that_adapt_to_each_plane_are_told(docked, tmp_path, qtbot):
    docked.form.noise.value = "independent"
    docked.start_button.click()
    qtbot.waitUntil(lambda: "while they fill" in docked.error.text(), timeout=TIMEOUT)
    assert not (tmp_path / "cells.zarr").exists()
    assert not (tmp_path / "cells.zarr.unfinished").exists()


def test_the_command_names_the_file(docked, tmp_path):
    assert f"-o {tmp_path / 'cells.zarr'}" in docked.form.command()
