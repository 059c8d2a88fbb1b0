"""The Denoise widget on stacks: filled in the order of looking, read no more."""

import threading

import dask.array as da
import numpy as np
import pytest

from napari_mpi.engine.denoising.adapted import shared_adaptation
from napari_mpi.engine.denoising.neighbours import start
from napari_mpi.engine.denoising.neighbours.places import REACHES
from napari_mpi.engine.denoising.sampling import judged
from napari_mpi.engine.denoising.sampling import take as sampling
from napari_mpi.engine.denoising.sampling.windows import WINDOWS
from napari_mpi.engine.images.results import GrowingResult
from napari_mpi.engine.networks.weight_files import save_weights
from napari_mpi.widgets.denoise.dock import DenoiseWidget
from napari_mpi.widgets.layers.selection import Scope

pytestmark = pytest.mark.gui
TIMEOUT = 600_000  # ms; ends once there, however busy the machine


@pytest.fixture
def filled(monkeypatch):
    """Return the planes in the order in which they are filled, and a gate before it."""
    order, gate = [], threading.Event()
    true_fill = shared_adaptation.SharedAdaptation.fill

    def wait(self, plane, *arguments):
        order.append(plane.number)
        assert gate.wait(600)
        yield from true_fill(self, plane, *arguments)

    monkeypatch.setattr(shared_adaptation.SharedAdaptation, "fill", wait)
    return order, gate


@pytest.fixture
def docked(viewer, small_grey_weights, tmp_path, dock):
    """Return a maker of docked widgets with small weights, the whole layer, few steps.

    It is made once the layer is there, which the scope depends on. The weights are of
    our own kind: those of the paper's have all planes read first.
    """
    path = tmp_path / "grey.safetensors"
    save_weights(small_grey_weights, path)

    def docked():
        widget = DenoiseWidget(viewer)
        dock(widget, viewer)
        widget.form.method.add_weights_file(str(path))
        widget.form.noise.value, widget.form.effort.value = "auto", "fast"
        widget.form.settings["iterations"].value = 2
        widget.form.part.scope.value = Scope.LAYER
        return widget

    return docked


def planes_of(rng, count):
    """Return a stack of noise around a bright square."""
    clean = np.full((count, 40, 36), 300.0)
    clean[:, 10:30, 10:30] = 900
    return np.rint(rng.normal(clean, 60)).astype(np.uint16)


def test_the_slider_decides_which_plane_is_filled_next(
    viewer, docked, filled, rng, qtbot
):
    order, gate = filled
    stack = planes_of(rng, 9)
    viewer.add_image(stack)
    viewer.dims.set_current_step(0, 6)
    widget = docked()
    widget.start_button.click()
    run = widget.run
    qtbot.waitUntil(lambda: order == [6], timeout=TIMEOUT)
    viewer.dims.set_current_step(0, 1)
    gate.set()
    qtbot.waitUntil(lambda: run.ending.value != "running", timeout=TIMEOUT)
    assert order[:2] == [6, 1]
    assert sorted(order) == list(range(9))
    assert "9 of 9 planes done" in widget.details.text()
    assert all((run.result.data[n] != stack[n]).any() for n in range(9))
    assert run.result.metadata["napari-mpi"]["reached"]["planes"] == 9


def test_of_ten_thousand_planes_few_are_read_until_it_is_cancelled(
    viewer, docked, filled, rng, qtbot
):
    order, gate = filled
    some = planes_of(rng, 7)
    read = []

    def plane(block_info=None):
        number = block_info[None]["chunk-location"][0]
        read.append(number)
        return some[number % 7][None]

    image = da.map_blocks(
        plane,
        chunks=((1,) * 10_000, 40, 36),
        dtype=some.dtype,
        meta=np.empty((0, 0, 0), some.dtype),
    )
    viewer.add_image(image, contrast_limits=(0, 1200))
    viewer.dims.set_current_step(0, 5000)
    shown = len(read)
    widget = docked()
    assert len(read) == shown
    widget.start_button.click()
    run = widget.run
    qtbot.waitUntil(lambda: bool(order) and run.result is not None, timeout=TIMEOUT)
    assert order == [5000]
    assert isinstance(run.result.data, GrowingResult)
    gate.set()
    qtbot.waitUntil(lambda: len(order) > 2, timeout=TIMEOUT)
    widget.cancel_button.click()
    qtbot.waitUntil(lambda: run.ending.value == "cancelled", timeout=TIMEOUT)
    # The sample, those whose noise is judged, the preview, what was filled; and what
    # napari itself showed of it. Of some of them the planes beside them, too.
    before = sampling.SAMPLED_PLANES + judged.PLANES
    looked_beside = start._TRIALS + WINDOWS + len(order)
    most = before + len(order) + 2 + 2 * max(REACHES) * looked_beside
    assert len(set(read)) <= most < 500
    assert set(order) <= set(range(5000 - len(order), 5001 + len(order)))
    assert len(viewer.layers) == 1


def test_stop_and_keep_leaves_the_source_where_nothing_is_done(
    viewer, docked, filled, rng, qtbot
):
    order, gate = filled
    stack = planes_of(rng, 40)
    viewer.add_image(da.from_array(stack, chunks=(1, 40, 36)), contrast_limits=(0, 999))
    viewer.dims.set_current_step(0, 20)
    widget = docked()
    widget.start_button.click()
    run = widget.run
    gate.set()
    qtbot.waitUntil(lambda: len(order) > 3 and run.result is not None, timeout=TIMEOUT)
    widget.stop_button.click()
    qtbot.waitUntil(lambda: run.ending.value != "running", timeout=TIMEOUT)
    result = np.asarray(run.result.data)
    changed = {n for n in range(40) if (result[n] != stack[n]).any()}
    assert 20 in changed
    assert changed <= set(order)
    reached = run.result.metadata["napari-mpi"]["reached"]["planes"]
    assert len(changed) - 1 <= reached <= len(changed)
