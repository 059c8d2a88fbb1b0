"""Denoise: what cannot be done is told, before the start where that is possible."""

import numpy as np
import pytest
import torch
from napari.utils.notifications import notification_manager

from napari_mpi.engine.networks import filling_network
from napari_mpi.widgets.layers.selection import Scope

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


def messages():
    return [notice.message for notice in notification_manager.records]


def test_a_full_memory_is_told_and_the_buttons_come_back(
    viewer, make_widget, noisy, monkeypatch, qtbot
):
    def forward(self, image, masked):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(filling_network.FillingNetwork, "forward", forward)
    viewer.add_image(noisy)
    widget = make_widget()
    run = start(widget, qtbot, until_preview=False)
    wait_for_end(run, qtbot)
    assert run.ending.value == "failed"
    assert widget.start_button.isEnabled()
    assert not widget.cancel_button.isEnabled()
    assert result_layers(viewer) == []
    assert any("not enough memory" in message for message in messages())


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("weights", "missing.safetensors", "there is no weights file"),
        ("device", "cuda:7", "device 'cuda:7' is not there"),
    ],
)
def test_what_is_missing_is_told_in_a_sentence(
    field, value, message, viewer, make_widget, noisy, qtbot
):
    viewer.add_image(noisy)
    widget = make_widget()
    entry = getattr(widget.form, field)
    entry.choices = [value]
    entry.value = value
    run = start(widget, qtbot, until_preview=False)
    wait_for_end(run, qtbot)
    assert any(message in told for told in messages())
    assert widget.start_button.isEnabled()


def test_layers_that_cannot_be_denoised_are_told_before_the_start(
    viewer, make_widget, noisy
):
    viewer.add_labels(np.zeros((8, 8), int))
    widget = make_widget()
    assert "labels" in widget.hint.text()
    assert not widget.start_button.isEnabled()
    image = viewer.add_image(noisy)
    mask = viewer.add_image(noisy > 500, name="mask")
    widget.form.image.value = mask
    assert "holds yes/no values" in widget.hint.text()
    assert not widget.start_button.isEnabled()
    widget.form.image.value = image
    assert widget.hint.text() == ""
    assert widget.start_button.isEnabled()


def test_a_constant_image_gives_a_layer_and_a_word_why(viewer, make_widget, qtbot):
    viewer.add_image(np.full((20, 20), 7, np.uint16))
    widget = make_widget()
    run = start(widget, qtbot, until_preview=False)
    wait_for_end(run, qtbot)
    assert "constant" in widget.status.text()
    (layer,) = result_layers(viewer)
    assert (layer.data == 7).all()


def test_a_view_that_shows_no_plane_is_told_before_the_start(
    viewer, make_widget, noisy
):
    viewer.add_image(np.stack([noisy] * 3))
    widget = make_widget()
    assert widget.start_button.isEnabled()
    widget.form.scope.value = Scope.PLANE
    viewer.dims.ndisplay = 3
    assert "shows no plane" in widget.hint.text()
    widget.form.scope.value = Scope.LAYER
    assert widget.start_button.isEnabled()
    widget.form.scope.value = Scope.PLANE
    viewer.dims.ndisplay = 2
    assert widget.start_button.isEnabled()


def test_single_values_that_are_not_finite_are_left_and_told(
    viewer, make_widget, noisy, qtbot
):
    holes = noisy.astype(np.float32)
    holes[3, 3] = np.nan
    viewer.add_image(holes)
    widget = make_widget()
    run = start(widget, qtbot, until_preview=False)
    wait_for_end(run, qtbot)
    (layer,) = result_layers(viewer)
    assert np.argwhere(np.isnan(layer.data)).tolist() == [[3, 3]]
    assert "are NaN or infinite: these are left as they were" in widget.status.text()


def test_an_image_without_one_finite_value_is_told(viewer, make_widget, noisy, qtbot):
    viewer.add_image(np.full(noisy.shape, np.nan, np.float32))
    widget = make_widget()
    run = start(widget, qtbot, until_preview=False)
    wait_for_end(run, qtbot)
    assert any("all values of the image are NaN" in message for message in messages())
    assert result_layers(viewer) == []


def test_a_constant_reference_is_told_before_any_iteration(
    viewer, make_widget, noisy, gate, qtbot
):
    source = viewer.add_image(noisy, name="noisy")
    reference = viewer.add_image(np.zeros_like(noisy), name="clean")
    widget = make_widget()
    widget.form.image.value, widget.form.reference.value = source, reference
    gate.clear()
    run = start(widget, qtbot, until_preview=False)
    wait_for_end(run, qtbot)
    gate.set()
    assert any("the reference is constant" in message for message in messages())


def test_a_reference_of_another_shape_is_told_before_the_start(
    viewer, make_widget, noisy
):
    source = viewer.add_image(noisy, name="noisy")
    reference = viewer.add_image(noisy[:-1], name="clean")
    widget = make_widget()
    widget.form.image.value, widget.form.reference.value = source, reference
    assert "choose one of equal shape" in widget.hint.text()
    assert not widget.start_button.isEnabled()
