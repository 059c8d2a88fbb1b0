"""The Pre-train widget, driven as a person would in a real viewer."""

import threading

import imageio.v3 as imageio
import numpy as np
import pytest
from napari.utils.notifications import notification_manager

from napari_mpi.engine.networks.catalogue import weights_names
from napari_mpi.engine.networks.loading import load_weights
from napari_mpi.engine.pretraining import pretrain
from napari_mpi.engine.pretraining import run as pretraining_run
from napari_mpi.engine.runtime.folders import data_folder
from napari_mpi.widgets.denoise.dock import DenoiseWidget
from napari_mpi.widgets.pretrain.dock import PretrainWidget

pytestmark = pytest.mark.gui
TIMEOUT = 600_000  # ms; ends once there, however busy the machine


@pytest.fixture
def folder(tmp_path, rng):
    """Return a folder of four small images and a file that is none."""
    images = tmp_path / "images"
    images.mkdir()
    for number in range(4):
        rows = np.add.outer(np.arange(40), rng.integers(0, 3) * np.arange(48))
        imageio.imwrite(images / f"{number}.png", (rows % 97 * 2).astype(np.uint8))
    (images / "notes.txt").write_text("no image")
    return images


@pytest.fixture
def make_widget(folder, dock):
    """Return a maker of widgets with a network that takes milliseconds a step."""

    def make(on):
        widget = PretrainWidget(on)
        dock(widget, on)
        form = widget.form
        form.folder.value = folder
        form.name.value = "lab"
        form.time.value = 0
        for name, value in {"width": 4, "scales": 2}.items():
            form.network[name].value = value
        small = {"crop_size": 32, "batch_size": 2, "iterations": 30, "warmup": 1}
        for name, value in small.items():
            form.settings[name].value = value
        return widget

    return make


@pytest.fixture
def widget(viewer, make_widget):
    """Return a widget that is about to learn from the folder."""
    return make_widget(viewer)


@pytest.fixture
def gate(monkeypatch):
    """Return a gate that holds every step until it is opened (open at first)."""
    gate = threading.Event()
    gate.set()
    true_step = pretraining_run.PretrainingRun._step

    def wait(*arguments):
        assert gate.wait(600)
        return true_step(*arguments)

    monkeypatch.setattr(pretraining_run.PretrainingRun, "_step", wait)
    monkeypatch.setattr(pretrain, "SNAPSHOT_INTERVAL", 0.0)
    return gate


def wait_for_end(widget, qtbot):
    run = widget.run
    qtbot.waitUntil(lambda: run.ending.value != "running", timeout=TIMEOUT)
    return run


def wait_for_step(widget, qtbot):
    qtbot.waitUntil(lambda: widget.run.has_result, timeout=TIMEOUT)


def texts():
    return [str(notification.message) for notification in notification_manager.records]


def test_a_run_ends_with_weights_in_the_denoise_list(viewer, widget, dock, qtbot):
    denoise = DenoiseWidget(viewer)
    dock(denoise, viewer)
    assert "lab" not in denoise.form.weights.choices
    widget.start_button.click()
    assert not widget.start_button.isEnabled()
    assert wait_for_end(widget, qtbot).ending.value == "complete"
    assert "lab" in denoise.form.weights.choices
    weights = load_weights("lab")
    assert weights.provenance["iterations"] == 30
    assert weights.network.width == 4
    assert not list(data_folder().glob("*.checkpoint"))
    assert any("left out notes.txt" in text for text in texts())
    assert "30 iterations" in widget.status.text()


def test_preview_and_curve_show_what_is_learnt(viewer, widget, qtbot):
    widget.start_button.click()
    wait_for_end(widget, qtbot)
    (layer,) = viewer.layers
    assert layer.name == "lab: input | filled | truth"
    assert layer.data.shape == (32, 3 * 32 + 8)
    assert len(widget.curve.losses) == 30
    iterations = [iteration for iteration, _ in widget.curve.held_out]
    assert iterations[-1] == 30
    truth = layer.data[:, -32:]
    assert truth.std() > 0.05
    assert not np.allclose(layer.data[:, :32], truth)  # noisy, and partly hidden


def test_stop_keeps_weights_and_resume_goes_on(widget, qtbot, gate):
    gate.clear()
    widget.start_button.click()
    qtbot.waitUntil(lambda: widget.run.begun is not None, timeout=TIMEOUT)
    assert not widget.stop_button.isEnabled()  # nothing to keep yet
    gate.set()
    wait_for_step(widget, qtbot)
    gate.clear()
    widget.stop_button.click()
    assert not widget.cancel_button.isEnabled()
    gate.set()
    assert wait_for_end(widget, qtbot).ending.value == "stopped, result kept"
    reached = load_weights("lab").provenance["iterations"]
    assert 0 < reached < 30
    assert widget.resume_button.isEnabled()
    assert not widget.start_button.isEnabled()
    widget.form.settings["iterations"].value = 7  # the checkpoint's settings count
    widget.resume_button.click()
    assert wait_for_end(widget, qtbot).ending.value == "complete"
    assert load_weights("lab").provenance["iterations"] == 30
    assert len(widget.curve.losses) == 30
    assert not widget.resume_button.isEnabled()


def test_cancel_keeps_nothing(viewer, widget, qtbot, gate):
    widget.start_button.click()
    wait_for_step(widget, qtbot)
    gate.clear()
    widget.cancel_button.click()
    gate.set()
    assert wait_for_end(widget, qtbot).ending.value == "cancelled"
    assert "lab" not in weights_names()
    assert not list(data_folder().glob("*"))
    assert not viewer.layers
    assert widget.start_button.isEnabled()


def test_pause_holds_and_continue_goes_on(widget, qtbot, gate):
    widget.start_button.click()
    wait_for_step(widget, qtbot)
    widget.pause_button.click()
    assert widget.pause_button.text() == "Continue"
    qtbot.waitUntil(lambda: widget.run._worker.is_paused, timeout=TIMEOUT)
    qtbot.wait(50)  # what was told before the pause arrives
    held = len(widget.curve.losses)
    qtbot.wait(300)
    assert len(widget.curve.losses) == held < 30
    widget.pause_button.click()
    assert wait_for_end(widget, qtbot).ending.value == "complete"


def test_the_preview_layer_may_be_deleted(viewer, widget, qtbot, gate):
    widget.start_button.click()
    qtbot.waitUntil(lambda: widget.run.preview is not None, timeout=TIMEOUT)
    viewer.layers.clear()
    assert wait_for_end(widget, qtbot).ending.value == "complete"
    assert not viewer.layers


def test_what_is_missing_is_said_before_the_start(widget, tmp_path, qtbot):
    widget.form.name.value = " "
    assert "name" in widget.hint.text()
    assert not widget.start_button.isEnabled()
    widget.form.name.value = "grey"
    assert "taken" in widget.hint.text()
    widget.form.name.value = "lab"
    assert widget.start_button.isEnabled()
    widget.form.folder.value = tmp_path / "missing"
    assert "folder" in widget.hint.text()
    assert not widget.start_button.isEnabled()


def test_finished_weights_are_not_overwritten(widget, qtbot):
    widget.start_button.click()
    wait_for_end(widget, qtbot)
    assert "is there already" in widget.hint.text()
    assert not widget.start_button.isEnabled()
    assert not widget.resume_button.isEnabled()
    widget.form.name.value = "lab-2"
    assert widget.start_button.isEnabled()


def test_an_empty_folder_is_an_error_that_names_it(widget, tmp_path, qtbot):
    empty = tmp_path / "nothing"
    empty.mkdir()
    widget.form.folder.value = empty
    widget.start_button.click()
    assert wait_for_end(widget, qtbot).ending.value == "failed"
    assert any(str(empty) in text for text in texts())
    assert widget.start_button.isEnabled()


def test_a_full_gpu_is_told_and_ends_the_run(widget, qtbot, monkeypatch):
    def step(*_):
        raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB")

    monkeypatch.setattr(pretraining_run.PretrainingRun, "_step", step)
    widget.start_button.click()
    assert wait_for_end(widget, qtbot).ending.value == "failed"
    assert any("not enough memory for 2 crops" in text for text in texts())


def test_closing_the_dock_keeps_what_was_learnt(real_viewer, make_widget, qtbot, gate):
    widget = make_widget(real_viewer)
    widget.start_button.click()
    wait_for_step(widget, qtbot)
    run = widget.run
    real_viewer.window.remove_dock_widget(widget)
    qtbot.waitUntil(lambda: run.ending.value != "running", timeout=TIMEOUT)
    assert run.ending.value == "stopped, result kept"
    assert load_weights("lab").provenance["iterations"] > 0
    assert list(data_folder().glob("lab.checkpoint"))


def test_the_viewer_answers_while_files_are_read(widget, qtbot, monkeypatch):
    from napari_mpi.engine.files import formats
    from napari_mpi.engine.pretraining import images as training_images

    reading, go_on = threading.Event(), threading.Event()
    true_read = formats.read_image

    def slow(path):
        reading.set()
        assert go_on.wait(600)
        return true_read(path)

    monkeypatch.setattr(training_images, "read_image", slow)
    widget.start_button.click()
    qtbot.waitUntil(reading.is_set, timeout=TIMEOUT)
    widget.cancel_button.click()  # handled while the worker is held in a file
    assert "stopping" in widget.status.text()
    go_on.set()
    assert wait_for_end(widget, qtbot).ending.value == "cancelled"


def test_a_time_becomes_as_many_iterations_as_fit_in_it(
    viewer, widget, qtbot, monkeypatch
):
    from napari_mpi.widgets.pretrain import job

    monkeypatch.setattr(job, "_TRIAL", 0.2)
    monkeypatch.setattr(form_of(widget), "_TIMES", [("a blink", 0.02)])
    widget.form.time.choices = [("a blink", 0.02)]
    assert widget.form.request(resume=False).seconds == pytest.approx(1.2)
    widget.start_button.click()
    wait_for_end(widget, qtbot)
    made = load_weights("lab").provenance
    assert made["iterations"] >= 10
    assert made["iterations"] != 30
    assert f"{made['iterations']:,} iterations" in widget.status.text()


def form_of(widget):
    from napari_mpi.widgets.pretrain import form

    return form


def test_the_list_of_weights_tells_how_long_they_were_trained(
    viewer, widget, dock, qtbot
):
    widget.start_button.click()
    wait_for_end(widget, qtbot)
    denoise = DenoiseWidget(viewer)
    dock(denoise, viewer)
    entry = denoise.form.weights.native
    listed = [entry.itemText(n) for n in range(entry.count())]
    assert "lab: 30 iterations" in listed
    assert "lab" in denoise.form.weights.choices
