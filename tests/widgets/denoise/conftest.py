"""A noisy image, the Denoise widget that is about to denoise it, and a run half-way."""

import itertools
import threading
import time

import numpy as np
import pytest


@pytest.fixture
def noisy(rng):
    """Return a 16-bit image of a bright square in noise."""
    image = np.full((40, 36), 300.0)
    image[10:30, 10:30] = 900
    return np.rint(rng.normal(image, 60)).astype(np.uint16)


@pytest.fixture
def make_widget(viewer, small_file, dock):
    """Return a maker of docked widgets with small weights and few iterations."""
    from napari_mpi.widgets.denoise.dock import DenoiseWidget

    def make(on=viewer, *, iterations=6):
        widget = DenoiseWidget(on)
        dock(widget, on)
        widget.form.method.add_weights_file(str(small_file))
        widget.form.settings["iterations"].value = iterations
        return widget

    return make


@pytest.fixture
def half_way(monkeypatch):
    """Return a gate at which a run waits after 15 iterations, its preview shown.

    Iterations sleep, so that a preview is due by then.
    """
    from napari_mpi.engine.filling import iterative

    gate, count, true_iterate = (
        threading.Event(),
        itertools.count(1),
        iterative._iterate,
    )

    def wait(*arguments):
        time.sleep(0.02)
        assert next(count) <= 15 or gate.wait(600)
        return true_iterate(*arguments)

    monkeypatch.setattr(iterative, "_iterate", wait)
    return gate
