"""The layer of uncertainty: added on request, kept and removed with the result."""

import shlex
import threading

import dask.array as da
import numpy as np
import pytest
from qtpy.QtWidgets import QApplication

from napari_mpi.engine.denoising import denoise
from napari_mpi.engine.denoising import state as denoising_state
from napari_mpi.engine.denoising.adapted import shared_adaptation
from napari_mpi.engine.denoising.task import prepare
from napari_mpi.engine.images import results
from napari_mpi.engine.runtime.jobs import run as run_job
from napari_mpi.widgets.denoise.dock import DenoiseWidget
from napari_mpi.widgets.denoise.run import DenoiseRun
from napari_mpi.widgets.layers.selection import Scope

pytestmark = pytest.mark.gui
TIMEOUT = 600_000  # ms; ends once there, however busy the machine
NAME = "cells (uncertainty)"


@pytest.fixture
def stack(rng):
    """Return three planes of noise around a bright square, 16 bits."""
    clean = np.full((3, 40, 36), 300.0)
    clean[:, 10:30, 10:30] = 900
    return np.rint(rng.normal(clean, 60)).astype(np.uint16)


@pytest.fixture
def make_widget(viewer, small_file, dock):
    """Return a maker of docked widgets with small weights, uncertainty ticked."""

    def make(*, iterations=6):
        widget = DenoiseWidget(viewer)
        dock(widget, viewer)
        widget.form.method.add_weights_file(str(small_file))
        widget.form.settings["iterations"].value = iterations
        widget.form.uncertainty.value = True
        return widget

    return make


def start(widget, qtbot):
    widget.start_button.click()
    run = widget.run
    qtbot.waitUntil(lambda: run.result is not None, timeout=TIMEOUT)
    return run


def wait_for_end(run, qtbot):
    qtbot.waitUntil(lambda: run.ending.value != "running", timeout=TIMEOUT)


def names(viewer):
    return [layer.name for layer in viewer.layers]


def held_after_the_first_plane(monkeypatch):
    """Hold what fills planes, all but the first, until the gate is opened."""
    gate, true_fill = threading.Event(), shared_adaptation.SharedAdaptation.fill
    begun = []

    def fill(self, *arguments):
        begun.append(arguments)
        assert len(begun) == 1 or gate.wait(600)
        yield from true_fill(self, *arguments)

    monkeypatch.setattr(shared_adaptation.SharedAdaptation, "fill", fill)
    return gate


def few_steps(widget):
    """Choose an adaptation to the whole layer, with few steps."""
    widget.form.noise.value, widget.form.effort.value = "auto", "fast"
    widget.form.settings["iterations"].value = 2
    widget.form.scope.value = Scope.LAYER


def test_a_hidden_layer_is_added_that_equals_the_engine_s(
    viewer, make_widget, stack, small_weights, qtbot
):
    source = viewer.add_image(
        stack[0], name="cells", scale=(0.2, 0.3), units=("um", "um")
    )
    widget = make_widget()
    run = start(widget, qtbot)
    wait_for_end(run, qtbot)
    layer = viewer.layers[NAME]
    state = denoising_state.DenoisingState(wants_spread=True)
    config = widget.form.settings.config()
    run_job(
        denoise.denoise(
            prepare(stack[0], "YX", weights=small_weights, config=config, device="cpu"),
            state,
        )
    )
    # The worker's thread may split sums otherwise, which changes the last digits.
    np.testing.assert_allclose(layer.data, state.spread, rtol=1e-4, equal_nan=True)
    np.testing.assert_allclose(layer.scale, source.scale)
    assert layer.units == source.units
    assert not layer.visible
    assert viewer.layers.selection.active.name == "cells (denoised, independent-fast)"
    low, high = layer.contrast_limits
    assert low == 0
    assert np.median(layer.data) < high <= layer.data.max()
    made = layer.metadata["napari-mpi"]
    assert made["ended"] == "complete"
    assert "standard deviation" in made["shows"]
    assert made["weights"] == run.result.metadata["napari-mpi"]["weights"]


def test_without_the_tick_there_is_no_such_layer(viewer, make_widget, stack, qtbot):
    viewer.add_image(stack[0], name="cells")
    widget = make_widget()
    widget.form.uncertainty.value = False
    wait_for_end(start(widget, qtbot), qtbot)
    assert names(viewer) == ["cells", "cells (denoised, independent-fast)"]


def test_a_name_that_is_taken_is_left_alone(viewer, make_widget, stack, qtbot):
    mine = viewer.add_image(stack[0], name=NAME)
    widget = make_widget()
    widget.form.image.value = viewer.add_image(stack[0], name="cells")
    wait_for_end(start(widget, qtbot), qtbot)
    np.testing.assert_array_equal(mine.data, stack[0])
    assert f"{NAME} [1]" in names(viewer)


def test_it_grows_with_the_planes_and_cancel_removes_it(
    viewer, make_widget, stack, monkeypatch, qtbot
):
    gate = held_after_the_first_plane(monkeypatch)
    viewer.add_image(stack, name="cells")
    widget = make_widget()
    few_steps(widget)
    run = start(widget, qtbot)
    qtbot.waitUntil(lambda: NAME in names(viewer), timeout=TIMEOUT)
    known = np.isfinite(viewer.layers[NAME].data).all(axis=(1, 2))
    assert known.sum() == 1
    widget.cancel_button.click()
    gate.set()
    wait_for_end(run, qtbot)
    assert names(viewer) == ["cells"]


def test_stop_and_keep_keeps_what_is_known(
    viewer, make_widget, stack, monkeypatch, qtbot
):
    gate = held_after_the_first_plane(monkeypatch)
    viewer.add_image(stack, name="cells")
    widget = make_widget()
    few_steps(widget)
    run = start(widget, qtbot)
    qtbot.waitUntil(lambda: NAME in names(viewer), timeout=TIMEOUT)
    layer = viewer.layers[NAME]
    widget.stop_button.click()
    gate.set()
    wait_for_end(run, qtbot)
    assert layer in viewer.layers
    assert np.isnan(layer.data).any()
    widget.pause_button.click()  # Continue
    wait_for_end(run, qtbot)
    assert np.isfinite(layer.data).all()
    assert names(viewer).count(NAME) == 1


def test_a_deleted_one_does_not_come_back(
    viewer, make_widget, stack, monkeypatch, qtbot
):
    gate = held_after_the_first_plane(monkeypatch)
    viewer.add_image(stack, name="cells")
    widget = make_widget()
    few_steps(widget)
    run = start(widget, qtbot)
    qtbot.waitUntil(lambda: NAME in names(viewer), timeout=TIMEOUT)
    viewer.layers.remove(NAME)
    gate.set()
    wait_for_end(run, qtbot)
    assert run.ending.value == "complete"
    assert NAME not in names(viewer)


def test_a_cancelled_continue_brings_back_what_was_kept(
    viewer, make_widget, stack, gate, qtbot
):
    viewer.add_image(stack[0], name="cells")
    widget = make_widget()
    run = start(widget, qtbot)
    wait_for_end(run, qtbot)
    layer = viewer.layers[NAME]
    before = layer.data.copy()
    gate.clear()
    widget.pause_button.click()  # Continue
    widget.cancel_button.click()
    gate.set()
    wait_for_end(run, qtbot)
    np.testing.assert_array_equal(layer.data, before)


def test_limits_that_a_person_has_chosen_stay(
    viewer, make_widget, stack, monkeypatch, qtbot
):
    gate = held_after_the_first_plane(monkeypatch)
    viewer.add_image(stack, name="cells")
    widget = make_widget()
    few_steps(widget)
    run = start(widget, qtbot)
    qtbot.waitUntil(lambda: NAME in names(viewer), timeout=TIMEOUT)
    viewer.layers[NAME].contrast_limits = (1, 2)
    gate.set()
    wait_for_end(run, qtbot)
    assert viewer.layers[NAME].contrast_limits == [1, 2]


@pytest.mark.parametrize("is_previewed", [True, False])
def test_of_a_stack_on_disk_it_is_on_disk_too(
    viewer, make_widget, stack, is_previewed, monkeypatch, qtbot
):
    monkeypatch.setattr(results, "is_small", lambda _: False)
    if not is_previewed:
        monkeypatch.setattr(DenoiseRun, "_preview_spread", lambda *_: None)
    viewer.add_image(da.from_array(stack, chunks=(1, 40, 36)), name="cells")
    widget = make_widget()
    few_steps(widget)
    wait_for_end(start(widget, qtbot), qtbot)
    layer = viewer.layers[NAME]
    assert isinstance(layer.data, da.Array)
    assert np.isfinite(np.asarray(layer.data)).all()
    assert layer.contrast_limits[1] > 0


def test_of_colours_there_is_one(viewer, make_widget, rng, qtbot):
    tissue = rng.integers(0, 256, (24, 20, 3)).astype(np.uint8)
    viewer.add_image(tissue, name="cells", rgb=True)
    wait_for_end(start(make_widget(), qtbot), qtbot)
    layer = viewer.layers[NAME]
    assert not layer.rgb
    assert layer.data.shape == (24, 20)


def test_of_a_constant_image_nothing_is_known(viewer, make_widget, qtbot):
    viewer.add_image(np.full((20, 24), 7, np.uint8), name="cells")
    widget = make_widget()
    widget.start_button.click()
    run = widget.run
    wait_for_end(run, qtbot)
    assert NAME not in viewer.layers


def test_the_copied_command_writes_it_too(viewer, make_widget, stack):
    viewer.add_image(stack[0], name="cells")
    widget = make_widget()
    widget.copy_command_line()
    words = shlex.split(QApplication.clipboard().text())
    assert words[words.index("--uncertainty") + 1] == "IN-uncertainty.tif"
    widget.form.uncertainty.value = False
    widget.copy_command_line()
    assert "--uncertainty" not in QApplication.clipboard().text()
