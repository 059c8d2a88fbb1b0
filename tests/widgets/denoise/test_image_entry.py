"""Which image is meant: the selected layer, until a person picks another."""

import numpy as np
import pytest

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
def plane(rng):
    return rng.random((24, 20)).astype(np.float32)


def test_it_follows_the_selected_image_layer(viewer, make_widget, plane):
    first, second = (viewer.add_image(plane, name=name) for name in "ab")
    widget = make_widget()
    image = widget.form.image
    viewer.layers.selection.active = first
    assert image.value == first
    viewer.layers.selection.active = second
    assert image.value == second
    viewer.add_points(np.zeros((1, 2)))  # what is no image changes nothing
    assert image.value == second


def test_what_a_person_picks_stays_until_it_is_unpinned_or_gone(
    viewer, make_widget, plane
):
    first, second, third = (viewer.add_image(plane, name=name) for name in "abc")
    widget = make_widget()
    image = widget.form.image
    image.value = first
    assert image.pin.isChecked()
    viewer.layers.selection.active = second
    assert image.value == first
    image.pin.setChecked(False)
    assert image.value == second
    image.value = first
    viewer.layers.remove(first)
    assert not image.pin.isChecked()
    viewer.layers.selection.active = third
    assert image.value == third


def test_the_sample_s_noisy_layer_is_meant_not_its_clean_one(
    real_viewer, make_widget, qtbot
):
    real_viewer.open_sample("napari-mpi", "noisy_retina")
    widget = make_widget(real_viewer)
    assert widget.form.image.value.name == "retina (noisy)"
    assert widget.start_button.text() == "Denoise retina (noisy)"
    real_viewer.layers.selection.active = real_viewer.layers["retina (clean)"]
    assert widget.form.image.value.name == "retina (noisy)"
    listed = [
        widget.form.image.native.itemText(n)
        for n in range(widget.form.image.native.count())
    ]
    assert "retina (clean) [reference]" in listed


def test_a_result_never_takes_the_place_of_its_source(
    viewer, make_widget, plane, qtbot
):
    source = viewer.add_image(plane, name="cells")
    widget = make_widget()
    run = start(widget, qtbot)
    wait_for_end(run, qtbot)
    viewer.layers.selection.active = run.result
    assert widget.form.image.value == source
    viewer.layers.remove(source)
    assert widget.form.image.value is None
    assert not widget.start_button.isEnabled()
    widget.form.image.value = run.result  # it may be asked for
    assert widget.start_button.isEnabled()


def test_the_preview_of_a_pre_training_is_never_meant(viewer, make_widget, plane):
    from napari_mpi.widgets.layers.roles import shows

    source = viewer.add_image(plane, name="cells")
    widget = make_widget()
    image = widget.form.image
    viewer.add_image(plane, name="w: input | filled | truth", metadata=shows("preview"))
    assert image.value == source


def test_the_button_names_the_image_and_cuts_a_long_name(viewer, make_widget, plane):
    viewer.add_image(plane, name="a-very-long-name-of-a-file-from-a-microscope")
    widget = make_widget()
    assert widget.start_button.text().startswith("Denoise a-very-long-")
    assert len(widget.start_button.text()) < 40
