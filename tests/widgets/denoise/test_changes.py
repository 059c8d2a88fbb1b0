"""Denoise: layers that a person changes meanwhile, and results that are continued."""

import numpy as np
import pytest
import torch

from napari_mpi.engine.networks import filling_network

pytestmark = pytest.mark.gui
TIMEOUT = 600_000  # ms; ends once there, however busy the machine


def start(widget, qtbot, *, until_preview=True):
    widget.start_button.click()
    run = widget.run
    if until_preview:
        qtbot.waitUntil(lambda: run.result is not None, timeout=TIMEOUT)
    return run


def wait_for_end(run, qtbot):
    qtbot.waitUntil(lambda: run.ending.value != "running", timeout=TIMEOUT)


def result_layers(viewer):
    return [layer for layer in viewer.layers if "denoised" in layer.name]


@pytest.mark.parametrize("change", ["rename", "reorder", "delete"])
def test_the_source_may_change_while_it_is_denoised(
    change, viewer, make_widget, noisy, half_way, qtbot
):
    source = viewer.add_image(noisy, name="cells")
    viewer.add_image(noisy * 2, name="other")
    widget = make_widget(iterations=30)
    widget.form.image.value = source
    run = start(widget, qtbot)
    if change == "rename":
        source.name = "other cells"
    elif change == "reorder":
        viewer.layers.move(0, 2)
    else:
        viewer.layers.remove(source)
    half_way.set()
    wait_for_end(run, qtbot)
    assert run.ending.value == "complete"
    assert run.result in viewer.layers
    assert (run.result.data != noisy).any()


def test_deleting_the_result_cancels_the_run_and_it_does_not_come_back(
    viewer, make_widget, noisy, half_way, qtbot
):
    viewer.add_image(noisy, name="cells")
    widget = make_widget(iterations=30)
    run = start(widget, qtbot)
    viewer.layers.remove(run.result)
    half_way.set()
    wait_for_end(run, qtbot)
    assert run.ending.value == "cancelled"
    assert not result_layers(viewer)
    assert widget.status.text() == "Cancelled: its layer was deleted"
    assert widget.start_button.isEnabled()


def test_a_run_is_forgotten_with_its_result(viewer, make_widget, noisy, qtbot):
    viewer.add_image(noisy, name="cells")
    widget = make_widget()
    run = start(widget, qtbot)
    wait_for_end(run, qtbot)
    assert widget.status.text().startswith("Done in")
    viewer.layers.remove(run.result)
    assert widget.run is None
    assert widget.status.text() == widget.details.text() == ""
    assert not widget.pause_button.isEnabled()
    assert widget.curve.losses == []


def test_cancelling_a_later_run_leaves_the_earlier_result_s_buttons(
    viewer, make_widget, noisy, gate, qtbot
):
    viewer.add_image(noisy, name="cells")
    widget = make_widget()
    first = start(widget, qtbot)
    wait_for_end(first, qtbot)
    gate.clear()
    widget.start_button.click()
    second = widget.run
    assert second is not first
    widget.cancel_button.click()
    gate.set()
    wait_for_end(second, qtbot)
    assert widget.run is first
    assert widget.status.text() == "Cancelled"
    assert widget.comparing.removed.isEnabled()
    assert widget.comparing.before.isEnabled()


def test_a_renamed_result_goes_on_to_its_end(
    viewer, make_widget, noisy, half_way, qtbot
):
    viewer.add_image(noisy, name="cells")
    widget = make_widget(iterations=30)
    run = start(widget, qtbot)
    run.result.name = "mine"
    half_way.set()
    wait_for_end(run, qtbot)
    assert viewer.layers["mine"].metadata["napari-mpi"]["ended"] == "complete"


def test_a_failed_or_cancelled_continue_keeps_the_result_there_was(
    viewer, make_widget, noisy, monkeypatch, qtbot
):
    viewer.add_image(noisy)
    widget = make_widget()
    run = start(widget, qtbot)
    wait_for_end(run, qtbot)
    layer, reached = run.result, run.result.data.copy()

    def forward(self, image, masked):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(filling_network.FillingNetwork, "forward", forward)
    widget.pause_button.click()
    wait_for_end(run, qtbot)
    assert run.ending.value == "failed"
    assert layer in viewer.layers
    np.testing.assert_array_equal(layer.data, reached)
    assert layer.metadata["napari-mpi"]["reached"]["iteration"] == 6


def test_cancelling_a_continued_run_brings_back_what_was_kept(
    viewer, make_widget, noisy, gate, qtbot
):
    viewer.add_image(noisy)
    widget = make_widget()
    run = start(widget, qtbot)
    wait_for_end(run, qtbot)
    layer, reached = run.result, run.result.data.copy()
    gate.clear()
    widget.pause_button.click()
    widget.cancel_button.click()
    gate.set()
    wait_for_end(run, qtbot)
    assert layer in viewer.layers
    np.testing.assert_array_equal(layer.data, reached)


def test_a_result_is_no_view_of_what_going_on_changes(
    viewer, make_widget, noisy, qtbot
):
    viewer.add_image(noisy)
    run = start(make_widget(), qtbot)
    wait_for_end(run, qtbot)
    assert not np.shares_memory(run.result.data, run._state.result)
