"""Denoise: what there is to choose, and the command line that does the same."""

import dask.array as da
import numpy as np
import pytest
import torch
from napari.utils.notifications import notification_manager
from qtpy.QtWidgets import QApplication

from napari_mpi.engine.settings.presets import preset
from napari_mpi.widgets.layers.selection import Scope

pytestmark = pytest.mark.gui
TIMEOUT = 600_000  # ms; ends once there, however busy the machine


def messages():
    return [notice.message for notice in notification_manager.records]


def test_the_command_line_is_copied(viewer, make_widget, noisy):
    viewer.add_image(noisy)
    widget = make_widget(iterations=77)
    widget.form.command_button.click()
    command = QApplication.clipboard().text()
    assert command.startswith("napari-mpi denoise IN.tif -o IN-denoised.tif --preset")
    assert "--iterations 77" in command
    assert "--axes" not in command  # the file knows its axes, the layer does not
    viewer.layers[0].axis_labels = ("y", "x")
    widget.form.command_button.click()
    assert "--axes YX" in QApplication.clipboard().text()


def test_the_axes_are_asked_for_only_where_they_are_not_certain(
    viewer, make_widget, noisy
):
    stack = viewer.add_image(np.stack([noisy] * 3), name="stack")
    single = viewer.add_image(noisy, name="single")
    widget = make_widget()
    form = widget.form
    form.image.value = single
    assert not form.axes.native.isVisibleTo(form)
    form.image.value = stack
    assert form.axes.native.isVisibleTo(form)
    assert "depth 3" in form.axes.current_choice
    form.axes.value = "TYX"
    assert form.request().selection.axes == "TYX"
    form.command_button.click()
    assert "--axes TYX" in QApplication.clipboard().text()
    form.scope.value = Scope.PLANE
    form.command_button.click()
    assert any("not only this plane" in message for message in messages())
    viewer.add_image(noisy, name="another")  # napari has all choices made anew
    assert form.axes.value == "TYX"
    stack.axis_labels = ("c", "y", "x")
    assert not form.axes.native.isVisibleTo(form)
    assert form.request().selection.axes == "CYX"


def test_a_huge_lazy_layer_is_chosen_without_reading_it(viewer, make_widget):
    computed = []

    def plane():
        computed.append(1)
        return np.zeros((1, 40, 36), np.uint16)

    chunks = ((1,) * 10_000, (40,), (36,))
    meta = np.empty((0, 0, 0), np.uint16)
    stack = da.map_blocks(plane, chunks=chunks, dtype=np.uint16, meta=meta)
    viewer.add_image(stack, contrast_limits=(0, 1))
    before = len(computed)
    widget = make_widget()
    for scope in widget.form.scope.choices:
        widget.form.scope.value = scope
        assert widget.form.request().selection.axes == "ZYX"
    widget.form.command_button.click()
    assert widget.start_button.isEnabled()
    assert len(computed) == before


def test_devices_are_shown_by_their_real_names(viewer, make_widget, noisy, qtbot):
    from napari_mpi.engine.runtime.devices import describe_device

    widget = make_widget()
    name = describe_device(torch.device("cpu"))
    qtbot.waitUntil(lambda: len(widget.form.device.choices) > 1, timeout=TIMEOUT)
    viewer.add_image(noisy)  # napari has all choices made anew
    texts = [
        widget.form.device.native.itemText(i)
        for i in range(widget.form.device.native.count())
    ]
    assert name in texts


def test_a_preset_fills_the_settings_and_keeps_the_seed(viewer, make_widget):
    widget = make_widget()
    widget.form.settings["seed"].value = 9
    widget.form.noise.value, widget.form.effort.value = "correlated", "full"
    config = widget.form.settings.config()
    assert (config.mask_ratio, config.iterations, config.seed) == (0.9, 800, 9)


def test_efforts_are_those_of_the_kind_of_noise(viewer, make_widget):
    form = make_widget().form
    form.weights.value = "auto"
    assert (form.noise.value, form.effort.value) == ("auto", "auto")
    assert form.settings.config().stop
    form.noise.value = "real"  # for which the paper has no such effort
    assert form.effort.choices == ("fast", "full")
    assert form.settings.config() == preset("real-fast")
    form.effort.value = "full"
    form.noise.value = "blind"
    assert form.effort.choices == ("auto", "fast", "full")
    assert form.settings.config() == preset("blind-full")
