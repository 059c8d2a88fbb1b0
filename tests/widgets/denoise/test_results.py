"""Denoise: what the result is of, where it lies, and what is told about it."""

import numpy as np
import pytest

from napari_mpi.widgets.denoise import result_layer
from napari_mpi.widgets.denoise import run as _denoise_run
from napari_mpi.widgets.denoise.jobs import job as denoise_job_
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
    assert " \N{RIGHTWARDS ARROW} " in widget.status.text()
    assert "SSIM" in widget.details.text()


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


def test_the_field_of_view_is_denoised_where_it_is_shown(
    real_viewer, make_widget, rng, qtbot
):
    image = rng.integers(300, 900, (2, 80, 90)).astype(np.uint16)
    source = real_viewer.add_image(image, scale=(1, 2, 2))
    clean = real_viewer.add_image(image // 2, scale=(1, 2, 2), name="clean")
    real_viewer.show()
    widget = make_widget(real_viewer)
    widget.form.image.value = source
    widget.form.reference.value = clean
    widget.form.scope.value = Scope.VIEW
    real_viewer.scene.camera.zoom, real_viewer.scene.camera.center = 8, (0, 80, 90)
    qtbot.waitUntil(lambda: source.corner_pixels[0, -1] > 0, timeout=TIMEOUT)
    rows, columns = widget.form.request().selection.index[1:]
    assert widget.form.request().reference.index[1:] == (rows, columns)
    assert 16 <= rows.stop - rows.start < 80
    run = start(widget, qtbot)
    wait_for_end(run, qtbot)
    assert run.result.data.shape == (1, *np.zeros((80, 90))[rows, columns].shape)
    np.testing.assert_allclose(
        run.result.data_to_world((0, 0, 0)),
        source.data_to_world(
            (real_viewer.dims.current_step[0], rows.start, columns.start)
        ),
    )
    real_viewer.scene.camera.center = (0, -9000, 90)
    qtbot.waitUntil(lambda: "move it into view" in widget.hint.text(), timeout=TIMEOUT)
    assert not widget.start_button.isEnabled()
    real_viewer.reset_view()
    qtbot.waitUntil(lambda: widget.hint.text() == "", timeout=TIMEOUT)


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


def test_what_the_noise_is_like_is_told_and_kept(viewer, make_widget, rng, qtbot):
    viewer.add_image(rng.normal(100, 10, (96, 96)).astype(np.float32))
    widget = make_widget()
    widget.form.noise.value, widget.form.effort.value = "auto", "fast"
    widget.form.settings["iterations"].value = 6
    run = start(widget, qtbot)
    wait_for_end(run, qtbot)
    words = "pixel-independent, Gaussian-like, about 9.9 grey levels; masks 30 %"
    assert "noise of about 9.9 grey levels" in widget.status.text()
    assert f"noise: {words}" in widget.details.text()
    assert "correlated" not in widget.details.text()
    (layer,) = result_layers(viewer)
    (noise,) = layer.metadata["napari-mpi"]["reached"]["noise"]
    assert noise["words"] == words


def test_the_theme_s_colours_reach_the_curve(viewer, make_widget):
    pytest.importorskip("pyqtgraph")
    widget = make_widget()
    widget.curve.take((), [(0, 0.1), (12, 0.01)])
    widget.curve.show_all()
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
    assert not widget.comparing.removed.isEnabled()
    run = start(widget, qtbot)
    wait_for_end(run, qtbot)
    widget.comparing.removed.click()
    layer = viewer.layers["cells (noise removed, Z 1)"]
    assert layer is not run.result
    left = stack[1:].astype(float) - run.result.data
    np.testing.assert_array_equal(np.asarray(layer.data), left)
    np.testing.assert_allclose(layer.translate, run.result.translate)
    np.testing.assert_allclose(layer.scale, run.result.scale)
    low, high = layer.contrast_limits
    assert high == -low == pytest.approx(3 * left.std())
    viewer.layers.remove(run.result)
    assert not widget.comparing.removed.isEnabled()


def test_what_was_removed_from_colours_is_grey(viewer, make_widget, rng, qtbot):
    tissue = rng.integers(0, 256, (24, 20, 3)).astype(np.uint8)
    viewer.add_image(tissue, name="tissue", rgb=True)
    widget = make_widget()
    wait_for_end(start(widget, qtbot), qtbot)
    widget.comparing.removed.click()
    layer = viewer.layers["tissue (noise removed)"]
    assert not layer.rgb
    assert layer.data.shape == (24, 20)
    left = tissue.astype(float) - widget.run.result.data
    np.testing.assert_allclose(layer.data, left.mean(-1), atol=1e-4)
