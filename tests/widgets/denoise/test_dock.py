"""The Denoise widget, driven as a person would: a run from its start to its end."""

import gc
import weakref

import numpy as np
import pytest

from napari_mpi.engine.denoising.denoise import denoise
from napari_mpi.engine.denoising.task import prepare
from napari_mpi.engine.networks import filling_network
from napari_mpi.engine.runtime.jobs import run as run_job

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


def test_one_press_gives_a_result_that_equals_the_engine_s(
    real_viewer, make_widget, noisy, small_weights, qtbot
):
    source = real_viewer.add_image(
        noisy, name="cells", scale=(0.2, 0.2), units=("um", "um")
    )
    widget = make_widget(real_viewer)
    run = start(widget, qtbot)
    wait_for_end(run, qtbot)
    (layer,) = result_layers(real_viewer)
    expected = run_job(
        denoise(
            prepare(
                noisy,
                "YX",
                weights=small_weights,
                config=widget.form.settings.config(),
                device="cpu",
            )
        )
    )
    np.testing.assert_array_equal(layer.data, expected)
    assert layer.units == source.units
    np.testing.assert_allclose(layer.scale, source.scale)
    made = layer.metadata["napari-mpi"]
    assert made["weights"]["sha256"] != ""
    assert made["settings"]["iterations"] == 6
    assert made["ended"] == "complete"
    assert len(widget.curve.losses) == 6
    np.testing.assert_array_equal(source.data, noisy)


def test_the_image_changes_while_the_work_goes_on(
    viewer, make_widget, noisy, gate, qtbot
):
    viewer.add_image(noisy)
    widget = make_widget(iterations=10_000)
    run = start(widget, qtbot)
    layer = run.result
    first = layer.data.copy()
    drawn = []
    layer.events.set_data.connect(lambda event: drawn.append(1))
    qtbot.waitUntil(
        lambda: (layer.data != first).any() and len(drawn) > 1, timeout=TIMEOUT
    )
    assert widget.status.text().startswith("Learning the image, ")
    assert "left" in widget.status.text()
    assert "iteration" in widget.details.text()
    widget.cancel_button.click()
    wait_for_end(run, qtbot)


def test_the_buttons_follow_the_state(real_viewer, make_widget, noisy, qtbot):
    widget = make_widget(real_viewer, iterations=10_000)
    buttons = (
        widget.start_button,
        widget.pause_button,
        widget.stop_button,
        widget.cancel_button,
    )

    def enabled():
        return [button.isEnabled() for button in buttons]

    assert enabled() == [False, False, False, False]
    assert "open an image first" in widget.hint.text()
    real_viewer.add_image(noisy)
    assert enabled() == [True, False, False, False]
    run = start(widget, qtbot)
    assert enabled() == [False, True, True, True]
    assert not widget.form.isEnabled()
    widget.pause_button.click()
    assert widget.pause_button.text() == "Continue"
    widget.pause_button.click()
    assert widget.pause_button.text() == "Pause"
    widget.stop_button.click()
    assert enabled() == [False, False, False, False]
    wait_for_end(run, qtbot)
    assert enabled() == [True, True, False, False]
    assert widget.start_button.text() == "Denoise noisy"
    assert widget.pause_button.text() == "Continue"


def test_pause_holds_the_iterations_and_continue_goes_on(
    viewer, make_widget, noisy, qtbot
):
    viewer.add_image(noisy)
    widget = make_widget(iterations=10_000)
    run = start(widget, qtbot)
    widget.pause_button.click()
    qtbot.waitUntil(lambda: run._worker.is_paused, timeout=TIMEOUT)
    qtbot.wait(50)
    reached = run.fraction
    qtbot.wait(300)
    assert run.fraction == reached
    assert "paused" in run.describe()
    widget.pause_button.click()
    qtbot.waitUntil(lambda: run.fraction > reached, timeout=TIMEOUT)
    widget.cancel_button.click()
    wait_for_end(run, qtbot)


def test_stop_and_keep_leaves_what_was_reached_and_continue_completes_it(
    viewer, make_widget, noisy, small_weights, half_way, qtbot
):
    viewer.add_image(noisy)
    widget = make_widget(iterations=30)
    run = start(widget, qtbot)
    widget.stop_button.click()
    half_way.set()
    wait_for_end(run, qtbot)
    (layer,) = result_layers(viewer)
    reached = layer.metadata["napari-mpi"]["reached"]["iteration"]
    assert 0 < reached < 30
    assert layer.metadata["napari-mpi"]["ended"] == "stopped, result kept"
    widget.pause_button.click()
    wait_for_end(run, qtbot)
    config = widget.form.settings.config()
    expected = run_job(
        denoise(
            prepare(noisy, "YX", weights=small_weights, config=config, device="cpu")
        )
    )
    np.testing.assert_array_equal(layer.data, expected)
    assert result_layers(viewer) == [layer]


def test_cancel_removes_the_result_and_frees_the_network(
    viewer, make_widget, noisy, monkeypatch, qtbot
):
    alive = []
    true_init = filling_network.FillingNetwork.__init__

    def remember(self, config):
        true_init(self, config)
        alive.append(weakref.ref(self))

    monkeypatch.setattr(filling_network.FillingNetwork, "__init__", remember)
    viewer.add_image(noisy)
    widget = make_widget(iterations=10_000)
    run = start(widget, qtbot)
    assert any(network() is not None for network in alive)
    widget.cancel_button.click()
    wait_for_end(run, qtbot)
    assert result_layers(viewer) == []
    del run

    def nothing_is_left():
        gc.collect()  # the worker itself goes with its last signal
        return not any(network() is not None for network in alive)

    qtbot.waitUntil(nothing_is_left, timeout=TIMEOUT)


def test_a_second_press_makes_a_layer_of_its_own(viewer, make_widget, noisy, qtbot):
    viewer.add_image(noisy, name="cells")
    widget = make_widget()
    for _ in range(2):
        wait_for_end(start(widget, qtbot), qtbot)
    assert len(result_layers(viewer)) == 2


def test_two_viewers_denoise_at_the_same_time(
    viewer, make_viewer, make_widget, noisy, qtbot
):
    other = make_viewer()
    viewer.add_image(noisy, name="here")
    other.add_image(noisy, name="there")
    runs = [start(make_widget(on), qtbot) for on in (viewer, other)]
    for run in runs:
        wait_for_end(run, qtbot)
    assert [layer.name for layer in result_layers(viewer)] == [
        "here (denoised, independent-fast)"
    ]
    assert [layer.name for layer in result_layers(other)] == [
        "there (denoised, independent-fast)"
    ]


def test_closing_the_window_ends_the_run(
    display, make_napari_viewer_proxy, make_widget, noisy, qtbot
):
    viewer = make_napari_viewer_proxy()
    viewer.add_image(noisy)
    widget = make_widget(viewer, iterations=100_000)
    run = start(widget, qtbot)
    worker = run._worker
    viewer.close()
    qtbot.waitUntil(lambda: not worker.is_running, timeout=TIMEOUT)
    wait_for_end(run, qtbot)


def test_closing_the_dock_ends_the_run_and_keeps_what_was_reached(
    real_viewer, make_widget, noisy, qtbot
):
    real_viewer.add_image(noisy)
    widget = make_widget(real_viewer, iterations=100_000)
    run = start(widget, qtbot)
    real_viewer.window.remove_dock_widget(widget)
    wait_for_end(run, qtbot)
    assert len(result_layers(real_viewer)) == 1
