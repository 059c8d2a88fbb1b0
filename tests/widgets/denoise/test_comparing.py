"""Before and after, as a person compares them, and what a name says of a result."""

import copy

import dask.array as da
import numpy as np
import pytest
import tifffile
from napari.utils.io import imsave

from napari_mpi.widgets.layers.selection import Scope

pytestmark = pytest.mark.gui
TIMEOUT = 600_000  # ms; ends once there, however busy the machine


def start(widget, qtbot):
    widget.start_button.click()
    run = widget.run
    qtbot.waitUntil(lambda: run.result is not None, timeout=TIMEOUT)
    return run


def wait_for_end(run, qtbot):
    qtbot.waitUntil(lambda: run.ending.value != "running", timeout=TIMEOUT)


@pytest.fixture
def done(viewer, make_widget, noisy, qtbot):
    """Return a widget whose run is over, and another layer beside it."""
    viewer.add_image(noisy, name="other", visible=False)
    viewer.add_image(noisy, name="cells")
    widget = make_widget()
    wait_for_end(start(widget, qtbot), qtbot)
    return widget


def visible(viewer):
    return {layer.name.partition(" ")[0] + "!" * ("denoised" in layer.name)
            for layer in viewer.layers if layer.visible}  # fmt: skip


def test_before_shows_the_source_alone_until_it_is_pressed_again(viewer, done):
    before = visible(viewer)
    done.comparing.before.click()
    assert visible(viewer) == {"cells"}
    done.comparing.before.click()
    assert visible(viewer) == before == {"cells", "cells!"}


def test_side_by_side_shows_the_two_in_one_row_and_goes_back(viewer, done):
    from napari_mpi.widgets.layers.view import grid

    shown = grid(viewer)
    before = visible(viewer), shown.enabled, shown.stride, shown.shape
    done.comparing.beside.click()
    assert visible(viewer) == {"cells", "cells!"}
    places = [
        shown.position(n, viewer.layers)
        for n, layer in enumerate(viewer.layers)
        if layer.visible
    ]
    assert places == [(0, 0), (0, 1)]
    assert not done.comparing.before.isEnabled()
    done.comparing.beside.click()
    assert (visible(viewer), shown.enabled, shown.stride, shown.shape) == before


def test_a_new_run_ends_the_comparison(viewer, done, qtbot):
    done.comparing.before.click()
    run = start(done, qtbot)
    wait_for_end(run, qtbot)
    assert not done.comparing.before.isChecked()
    assert run.result.visible


def test_it_can_be_compared_from_the_first_preview_on(
    viewer, make_widget, noisy, half_way, qtbot
):
    viewer.add_image(noisy, name="cells")
    widget = make_widget(iterations=30)
    assert not widget.comparing.before.isEnabled()
    run = start(widget, qtbot)
    assert widget.comparing.before.isEnabled()
    assert widget.comparing.beside.isEnabled()
    assert not widget.comparing.removed.isEnabled()
    half_way.set()
    wait_for_end(run, qtbot)


def test_without_its_source_there_is_nothing_to_compare(viewer, done):
    viewer.layers.remove("cells")
    assert not done.comparing.before.isEnabled()
    assert not done.comparing.beside.isEnabled()


def test_the_name_of_a_result_says_which_part_it_is(viewer, make_widget, rng, qtbot):
    stack = rng.random((3, 24, 20)).astype(np.float32)
    viewer.add_image(stack, name="cells", axis_labels=("z", "y", "x"))
    viewer.dims.set_current_step(0, 2)
    widget = make_widget()
    assert widget.form.scope.value is Scope.LAYER
    run = start(widget, qtbot)
    wait_for_end(run, qtbot)
    assert run.result.name == "cells (denoised, independent-fast)"
    widget.form.scope.value = Scope.PLANE
    run = start(widget, qtbot)
    wait_for_end(run, qtbot)
    assert run.result.name == "cells (denoised, Z 2, independent-fast)"


def test_the_result_of_a_dask_layer_behaves_as_an_array_when_it_is_done(
    viewer, make_widget, rng, qtbot, tmp_path
):
    stack = rng.normal(100, 10, (5, 24, 20)).astype(np.float32)
    viewer.add_image(da.from_array(stack, chunks=(1, -1, -1)), name="cells")
    widget = make_widget()
    run = start(widget, qtbot)
    wait_for_end(run, qtbot)
    data = run.result.data
    assert isinstance(data, da.Array)
    whole = np.asarray(data)
    assert whole.shape == stack.shape
    assert (whole != stack).any()
    assert float(data.mean()) == pytest.approx(whole.mean(), rel=1e-5)
    np.testing.assert_array_equal(data * 2, whole * 2)
    np.testing.assert_array_equal(data > 100, whole > 100)
    np.testing.assert_array_equal(data.copy(), whole)
    np.testing.assert_array_equal(data[1, 3:5, ::2], whole[1, 3:5, ::2])
    np.testing.assert_array_equal(copy.deepcopy(data), whole)
    viewer.layers.selection.active = run.result
    twin = viewer.add_image(copy.deepcopy(data), name="twin")
    np.testing.assert_array_equal(twin.data, whole)
    # As napari's own writer does, which needs a window to be there.
    imsave(str(tmp_path / "saved.tif"), data)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "saved.tif"), whole)


def test_previews_wait_while_a_volume_is_shown(
    viewer, make_widget, rng, half_way, qtbot
):
    stack = rng.random((3, 24, 20)).astype(np.float32)
    viewer.add_image(stack, name="cells", axis_labels=("z", "y", "x"))
    widget = make_widget(iterations=30)
    viewer.dims.ndisplay = 3
    widget.start_button.click()
    run = widget.run
    qtbot.waitUntil(lambda: run.has_result, timeout=TIMEOUT)
    qtbot.wait(500)
    assert run.result is None
    assert run.describe()
    half_way.set()
    wait_for_end(run, qtbot)
    assert run.result in viewer.layers


def test_what_is_seen_can_be_tried_alone(real_viewer, make_widget, rng, qtbot):
    stack = rng.random((3, 64, 64)).astype(np.float32)
    real_viewer.add_image(stack, name="cells", axis_labels=("z", "y", "x"))
    widget = make_widget(real_viewer)
    qtbot.wait(300)
    assert widget.try_button.isEnabled()
    widget.try_button.click()
    run = widget.run
    wait_for_end(run, qtbot)
    assert run.result.data.shape[0] == 1
    assert "Z" in run.result.name
    assert widget.form.scope.value is Scope.LAYER
