"""Several images one after another, and settings that come back."""

import dataclasses

import numpy as np
import pytest

from napari_mpi.widgets.layers.selection import Scope

pytestmark = pytest.mark.gui
TIMEOUT = 600_000  # ms; ends once there, however busy the machine


@pytest.fixture
def images(viewer, rng):
    """Return three image layers, of which the first two are selected."""
    layers = [
        viewer.add_image(rng.random((24, 20)).astype(np.float32), name=name)
        for name in "abc"
    ]
    viewer.layers.selection.active = layers[0]
    viewer.layers.selection.add(layers[1])
    return layers


def results(viewer):
    return [layer.name[0] for layer in viewer.layers if "denoised" in layer.name]


def is_idle(widget):
    return widget.run is not None and widget.run.is_over and not widget._waiting


def test_all_that_are_selected_get_a_result_of_their_own(
    viewer, make_widget, images, qtbot
):
    widget = make_widget()
    viewer.layers.selection.active = images[0]
    viewer.layers.selection.add(images[1])
    assert widget.start_button.text() == "Denoise 2 images"
    widget.start_button.click()
    qtbot.waitUntil(lambda: is_idle(widget), timeout=TIMEOUT)
    assert sorted(results(viewer)) == ["a", "b"]


def test_a_cancelled_one_ends_those_that_wait(viewer, make_widget, images, gate, qtbot):
    widget = make_widget()
    viewer.layers.selection.active = images[0]
    viewer.layers.selection.add(images[1])
    gate.clear()
    widget.start_button.click()
    run = widget.run
    widget._refresh()
    assert "1 more image after it" in widget.status.text()
    widget.cancel_button.click()
    gate.set()
    qtbot.waitUntil(lambda: run.is_over, timeout=TIMEOUT)
    qtbot.wait(100)
    assert is_idle(widget) or widget.run is None
    assert results(viewer) == []


def test_what_went_wrong_with_one_stands_while_the_next_is_denoised(
    viewer, make_widget, images, monkeypatch, qtbot
):
    from napari_mpi.engine.denoising import task
    from napari_mpi.engine.runtime.errors import ImageError

    true_prepare = task.prepare

    def prepare(image, *arguments, **options):
        if image[0, 0] == images[0].data[0, 0]:
            raise ImageError("it is no image")
        return true_prepare(image, *arguments, **options)

    monkeypatch.setattr(task, "prepare", prepare)
    widget = make_widget()
    viewer.layers.selection.active = images[0]
    viewer.layers.selection.add(images[1])
    widget.start_button.click()
    qtbot.waitUntil(lambda: is_idle(widget), timeout=TIMEOUT)
    assert results(viewer) == ["b"]
    assert widget.error.text() == "a: it is no image"


def test_a_pinned_image_is_denoised_alone(viewer, make_widget, images):
    widget = make_widget()
    widget.form.image.value = images[2]
    viewer.layers.selection.active = images[0]
    viewer.layers.selection.add(images[1])
    assert widget.form.image.together == [images[2]]
    assert widget.start_button.text() == "Denoise c"


def test_a_result_s_settings_can_be_used_again(viewer, make_widget, images, qtbot):
    widget = make_widget()
    widget.form.settings["mask_ratio"].value = 0.4
    made = widget.form.settings.config()
    viewer.layers.selection.active = images[2]
    widget.start_button.click()
    run = widget.run
    qtbot.waitUntil(lambda: run.is_over, timeout=TIMEOUT)
    widget.form.effort.value = "full"
    assert widget.form.settings.config() != made
    viewer.layers.selection.active = run.result
    widget.form.method.again_button.click()
    again = widget.form.settings.config()
    # Of a grey image the mask is shared, whatever was asked for.
    assert dataclasses.replace(again, shared_mask=made.shared_mask) == made


def test_a_layer_that_says_nothing_of_settings_changes_none(
    viewer, make_widget, images
):
    from napari.utils.notifications import notification_manager

    widget = make_widget()
    before = widget.form.settings.config()
    viewer.layers.selection.active = images[2]
    widget.form.method.again_button.click()
    assert widget.form.settings.config() == before
    told = notification_manager.records[-1].message
    assert "does not say how it was made" in told


def test_what_was_used_last_comes_back(viewer, make_widget, images, qtbot):
    widget = make_widget()
    widget.form.noise.value, widget.form.effort.value = "real", "fast"
    widget.form.settings["iterations"].value = 3
    widget.start_button.click()
    qtbot.waitUntil(lambda: is_idle(widget), timeout=TIMEOUT)
    from napari_mpi.widgets.denoise.dock import DenoiseWidget

    again = DenoiseWidget(viewer)
    qtbot.addWidget(again)
    assert (again.form.noise.value, again.form.effort.value) == ("real", "fast")
    assert again.form.settings["iterations"].value == 3
    assert again.form.scope.value in (Scope.IMAGE, Scope.LAYER)


@pytest.mark.parametrize("content", ["", "[1, 2]", '{"denoise": {"settings": 5}}'])
def test_a_damaged_memory_is_forgotten(viewer, qtbot, home, content):
    from napari_mpi.widgets.denoise.dock import DenoiseWidget

    home.mkdir()
    (home / "last-used.json").write_text(content)
    widget = DenoiseWidget(viewer)
    qtbot.addWidget(widget)
    assert widget.form.method.preset_name == "auto"


def test_settings_that_contradict_each_other_are_told_and_nothing_starts(
    viewer, make_widget, images
):
    from napari.utils.notifications import notification_manager

    widget = make_widget()
    widget.form.settings["mask_ratio"].value = 0
    widget.start_button.click()
    assert widget.run is None
    assert "nothing is hidden" in notification_manager.records[-1].message


def test_an_image_that_does_not_fit_the_reference_is_left_out_by_name(
    viewer, make_widget, images, rng, qtbot
):
    from napari.utils.notifications import notification_manager

    wide = viewer.add_image(rng.random((24, 30)).astype(np.float32), name="wide")
    widget = make_widget()
    widget.form.reference.value = images[2]
    viewer.layers.selection.active = images[0]
    viewer.layers.selection.add(wide)
    widget.start_button.click()
    qtbot.waitUntil(lambda: is_idle(widget), timeout=TIMEOUT)
    assert results(viewer) == ["a"]
    told = [record.message for record in notification_manager.records]
    assert any("wide is left out: the reference" in message for message in told)
