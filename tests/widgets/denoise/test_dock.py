"""The Denoise widget, driven as a person would in a real viewer."""

import gc
import weakref

import dask.array as da
import numpy as np
import pytest
import torch
from napari.utils.notifications import notification_manager
from qtpy.QtWidgets import QApplication

from napari_mpi.engine.denoising.denoise import denoise
from napari_mpi.engine.denoising.task import prepare
from napari_mpi.engine.networks import filling_network
from napari_mpi.engine.runtime.jobs import run as run_job
from napari_mpi.engine.settings.presets import preset
from napari_mpi.widgets.denoise import job as denoise_job_
from napari_mpi.widgets.denoise import result_layer
from napari_mpi.widgets.denoise import run as _denoise_run
from napari_mpi.widgets.denoise.dock import DenoiseWidget
from napari_mpi.widgets.layers.selection import Scope

pytestmark = pytest.mark.gui
TIMEOUT = 600_000  # ms; ends once there, however busy the machine


@pytest.fixture
def noisy(rng):
    """Return a 16-bit image of a bright square in noise."""
    image = np.full((40, 36), 300.0)
    image[10:30, 10:30] = 900
    return np.rint(rng.normal(image, 60)).astype(np.uint16)


@pytest.fixture
def make_widget(viewer, small_file, qtbot):
    """Return a maker of docked widgets with small weights and few iterations."""

    def make(on=viewer, *, iterations=6):
        widget = DenoiseWidget(on)
        on.window.add_dock_widget(widget, name="Denoise")
        widget.form.method.add_weights_file(str(small_file))
        widget.form.settings["iterations"].value = iterations
        return widget

    return make


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


def test_one_press_gives_a_result_that_equals_the_engine_s(
    viewer, make_widget, noisy, small_weights, qtbot
):
    source = viewer.add_image(noisy, name="cells", scale=(0.2, 0.2), units=("um", "um"))
    widget = make_widget()
    run = start(widget, qtbot)
    wait_for_end(run, qtbot)
    (layer,) = result_layers(viewer)
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
    assert "iteration" in widget.status.text()
    assert "left" in widget.status.text()
    widget.cancel_button.click()
    wait_for_end(run, qtbot)


def test_the_buttons_follow_the_state(viewer, make_widget, noisy, qtbot):
    widget = make_widget(iterations=10_000)
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
    viewer.add_image(noisy)
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
    assert widget.start_button.text() == "Denoise again"
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
    viewer, make_widget, noisy, small_weights, gate, qtbot
):
    viewer.add_image(noisy)
    widget = make_widget(iterations=400)
    run = start(widget, qtbot)
    gate.clear()
    widget.stop_button.click()
    gate.set()
    wait_for_end(run, qtbot)
    (layer,) = result_layers(viewer)
    reached = layer.metadata["napari-mpi"]["reached"]["iteration"]
    assert 0 < reached < 400
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


@pytest.mark.parametrize("change", ["rename", "reorder", "delete"])
def test_the_source_may_change_while_it_is_denoised(
    change, viewer, make_widget, noisy, qtbot
):
    source = viewer.add_image(noisy, name="cells")
    viewer.add_image(noisy * 2, name="other")
    widget = make_widget(iterations=400)
    widget.form.image.value = source
    run = start(widget, qtbot)
    if change == "rename":
        source.name = "other cells"
    elif change == "reorder":
        viewer.layers.move(0, 2)
    else:
        viewer.layers.remove(source)
    wait_for_end(run, qtbot)
    assert run.ending.value == "complete"
    assert run.result in viewer.layers
    assert (run.result.data != noisy).any()


def test_a_deleted_result_comes_back_when_it_is_done(
    viewer, make_widget, noisy, gate, qtbot
):
    viewer.add_image(noisy, name="cells")
    widget = make_widget(iterations=400)
    run = start(widget, qtbot)
    gate.clear()
    viewer.layers.remove(run.result)
    gate.set()
    wait_for_end(run, qtbot)
    (layer,) = result_layers(viewer)
    assert (layer.data != noisy).any()


def test_a_renamed_result_goes_on_to_its_end(viewer, make_widget, noisy, qtbot):
    viewer.add_image(noisy, name="cells")
    widget = make_widget(iterations=400)
    run = start(widget, qtbot)
    run.result.name = "mine"
    wait_for_end(run, qtbot)
    assert viewer.layers["mine"].metadata["napari-mpi"]["ended"] == "complete"


def test_two_viewers_denoise_at_the_same_time(
    viewer, make_napari_viewer_proxy, make_widget, noisy, qtbot
):
    other = make_napari_viewer_proxy()
    viewer.add_image(noisy, name="here")
    other.add_image(noisy, name="there")
    runs = [start(make_widget(on), qtbot) for on in (viewer, other)]
    for run in runs:
        wait_for_end(run, qtbot)
    assert [layer.name for layer in result_layers(viewer)] == ["here (denoised)"]
    assert [layer.name for layer in result_layers(other)] == ["there (denoised)"]


def test_closing_the_window_ends_the_run(
    make_napari_viewer_proxy, make_widget, noisy, qtbot
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
    viewer, make_widget, noisy, qtbot
):
    viewer.add_image(noisy)
    widget = make_widget(iterations=100_000)
    run = start(widget, qtbot)
    viewer.window.remove_dock_widget(widget)
    wait_for_end(run, qtbot)
    assert len(result_layers(viewer)) == 1


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
    widget = make_widget(iterations=50)
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
    viewer.dims.ndisplay = 3
    assert "shows no plane" in widget.hint.text()
    widget.form.scope.value = Scope.LAYER
    assert widget.start_button.isEnabled()
    widget.form.scope.value = Scope.PLANE
    viewer.dims.ndisplay = 2
    assert widget.start_button.isEnabled()


def test_values_that_are_not_finite_are_told(viewer, make_widget, noisy, qtbot):
    holes = noisy.astype(np.float32)
    holes[3, 3] = np.nan
    viewer.add_image(holes)
    widget = make_widget()
    run = start(widget, qtbot, until_preview=False)
    wait_for_end(run, qtbot)
    assert any("NaN or infinite" in message for message in messages())
    assert result_layers(viewer) == []


def test_psnr_is_shown_against_a_reference(viewer, make_widget, noisy, qtbot):
    clean = np.full((40, 36), 300, np.uint16)
    clean[10:30, 10:30] = 900
    reference = viewer.add_image(clean, name="clean")
    source = viewer.add_image(noisy, name="noisy")
    widget = make_widget()
    widget.form.image.value, widget.form.reference.value = source, reference
    run = start(widget, qtbot)
    assert " dB" in run.describe()
    wait_for_end(run, qtbot)
    assert "SSIM" in widget.status.text()


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


@pytest.mark.parametrize(
    ("scope", "shape"), [(Scope.PLANE, (1, 40, 36)), (Scope.LAYER, (3, 40, 36))]
)
def test_a_stack_is_denoised_by_its_plane_or_as_a_whole(
    scope, shape, viewer, make_widget, noisy, qtbot
):
    stack = np.stack([noisy, noisy + 1, noisy + 2])
    source = viewer.add_image(stack, scale=(2, 1, 1))
    viewer.dims.set_point(0, 2 * 2)  # in world units
    widget = make_widget()
    widget.form.scope.value = scope
    run = start(widget, qtbot)
    wait_for_end(run, qtbot)
    (layer,) = result_layers(viewer)
    assert layer.data.shape == shape
    plane = layer.data[-1]
    assert (plane != stack[2]).any()
    np.testing.assert_allclose(
        layer.data_to_world((shape[0] - 1, 0, 0)), source.data_to_world((2, 0, 0))
    )


def test_a_colour_image_stays_one(viewer, make_widget, rng, qtbot):
    image = rng.integers(0, 255, (40, 36, 3)).astype(np.uint8)
    viewer.add_image(image, rgb=True)
    run = start(make_widget(), qtbot)
    wait_for_end(run, qtbot)
    assert run.result.rgb
    assert run.result.data.shape == image.shape


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
    assert any("not only this plane" in message for message in messages())
    viewer.add_image(noisy, name="another")  # napari has all choices made anew
    assert form.axes.value == "TYX"
    stack.axis_labels = ("c", "y", "x")
    assert not form.axes.native.isVisibleTo(form)
    assert form.request().selection.axes == "CYX"


def test_the_field_of_view_is_denoised_where_it_is_shown(
    viewer, make_widget, rng, qtbot
):
    image = rng.integers(300, 900, (2, 80, 90)).astype(np.uint16)
    source = viewer.add_image(image, scale=(1, 2, 2))
    clean = viewer.add_image(image // 2, scale=(1, 2, 2), name="clean")
    viewer.show()
    widget = make_widget()
    widget.form.image.value = source
    widget.form.reference.value = clean
    widget.form.scope.value = Scope.VIEW
    viewer.scene.camera.zoom, viewer.scene.camera.center = 8, (0, 80, 90)
    qtbot.waitUntil(lambda: source.corner_pixels[0, -1] > 0, timeout=TIMEOUT)
    rows, columns = widget.form.request().selection.index[1:]
    assert widget.form.request().reference.index[1:] == (rows, columns)
    assert 16 <= rows.stop - rows.start < 80
    run = start(widget, qtbot)
    wait_for_end(run, qtbot)
    assert run.result.data.shape == (1, *np.zeros((80, 90))[rows, columns].shape)
    np.testing.assert_allclose(
        run.result.data_to_world((0, 0, 0)),
        source.data_to_world((viewer.dims.current_step[0], rows.start, columns.start)),
    )
    viewer.scene.camera.center = (0, -9000, 90)
    qtbot.waitUntil(lambda: "move it into view" in widget.hint.text(), timeout=TIMEOUT)
    assert not widget.start_button.isEnabled()
    viewer.reset_view()
    qtbot.waitUntil(lambda: widget.hint.text() == "", timeout=TIMEOUT)


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


def test_the_work_is_told_which_plane_a_person_looks_at(
    viewer, make_widget, noisy, gate, monkeypatch, qtbot
):
    asked = []
    true_job = denoise_job_.denoise_job

    def job(request, state, looking_at):
        asked.append(looking_at)
        yield from true_job(request, state, looking_at)

    monkeypatch.setattr(_denoise_run, "denoise_job", job)
    viewer.add_image(np.stack([noisy] * 3))
    widget = make_widget()
    widget.form.scope.value = Scope.LAYER
    gate.clear()
    run = start(widget, qtbot, until_preview=False)
    qtbot.waitUntil(lambda: bool(asked), timeout=600_000)
    for number in (2, 0):
        viewer.dims.set_current_step(0, number)
        assert asked[0]() == {"Z": number}
    gate.set()
    wait_for_end(run, qtbot)
    viewer.dims.set_current_step(0, 1)
    assert asked[0]() == {"Z": 0}  # nothing is followed any more


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


def test_what_the_noise_is_like_is_told_and_kept(viewer, make_widget, rng, qtbot):
    viewer.add_image(rng.normal(100, 10, (96, 96)).astype(np.float32))
    widget = make_widget()
    widget.form.noise.value, widget.form.effort.value = "auto", "fast"
    widget.form.settings["iterations"].value = 6
    run = start(widget, qtbot)
    wait_for_end(run, qtbot)
    words = "pixel-independent, Gaussian-like, about 9.9 grey levels; masks 30 %"
    assert f"noise: {words}" in widget.status.text()
    assert "correlated" not in widget.status.text()
    (layer,) = result_layers(viewer)
    (noise,) = layer.metadata["napari-mpi"]["reached"]["noise"]
    assert noise["words"] == words


def test_the_theme_s_colours_reach_the_curve(viewer, make_widget):
    pytest.importorskip("pyqtgraph")
    widget = make_widget()
    widget.curve.extend((0.1, 0.01))
    dark = widget.curve._plot.backgroundBrush().color().name()
    viewer.theme = "light"
    assert widget.curve._plot.backgroundBrush().color().name() != dark


@pytest.mark.parametrize("small", [True, False])
def test_what_was_removed_is_shown_on_request(
    viewer, make_widget, noisy, qtbot, monkeypatch, small
):
    monkeypatch.setattr(result_layer, "is_small", lambda _: small)
    stack = np.stack([noisy, noisy + 7])
    viewer.add_image(stack, name="cells", scale=(1, 0.2, 0.2), axis_labels="zyx")
    viewer.dims.set_current_step(0, 1)
    widget = make_widget()
    widget.form.scope.value = Scope.PLANE
    assert not widget.removed_button.isEnabled()
    run = start(widget, qtbot)
    wait_for_end(run, qtbot)
    widget.removed_button.click()
    layer = viewer.layers["cells (noise removed)"]
    assert layer is not run.result
    left = stack[1:].astype(float) - run.result.data
    np.testing.assert_array_equal(np.asarray(layer.data), left)
    np.testing.assert_allclose(layer.translate, run.result.translate)
    np.testing.assert_allclose(layer.scale, run.result.scale)
    low, high = layer.contrast_limits
    assert high == -low == pytest.approx(3 * left.std())
    viewer.layers.remove(run.result)
    assert not widget.removed_button.isEnabled()


def test_what_was_removed_from_colours_is_grey(viewer, make_widget, rng, qtbot):
    tissue = rng.integers(0, 256, (24, 20, 3)).astype(np.uint8)
    viewer.add_image(tissue, name="tissue", rgb=True)
    widget = make_widget()
    wait_for_end(start(widget, qtbot), qtbot)
    widget.removed_button.click()
    layer = viewer.layers["tissue (noise removed)"]
    assert not layer.rgb
    assert layer.data.shape == (24, 20)
    left = tissue.astype(float) - widget.run.result.data
    np.testing.assert_allclose(layer.data, left.mean(-1), atol=1e-4)
