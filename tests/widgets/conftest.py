"""A real viewer for the widget tests, and what they have in common."""

import os
import sys
import threading

import pytest


@pytest.fixture(autouse=True)
def only_the_main_thread(monkeypatch):
    """Let napari raise if a layer or the viewer is touched from another thread."""
    monkeypatch.setenv("NAPARI_ENSURE_PLUGIN_MAIN_THREAD", "1")


@pytest.fixture
def viewer(request):
    """Return a real napari viewer behind the proxy that guards its private parts."""
    pytest.importorskip("napari")
    if sys.platform.startswith("linux") and not _has_display():
        reason = "no display with OpenGL: install xvfb and Mesa"
        required = os.environ.get("NAPARI_MPI_REQUIRE_GUI")
        pytest.fail(reason) if required else pytest.skip(reason)
    make_viewer = request.getfixturevalue("make_napari_viewer_proxy")
    return make_viewer()


def _has_display():
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


@pytest.fixture
def small_file(small_weights, tmp_path):
    """Return the path of a weights file whose network takes milliseconds."""
    from napari_mpi.engine.networks.weight_files import save_weights

    path = tmp_path / "small.safetensors"
    save_weights(small_weights, path)
    return path


@pytest.fixture(autouse=True)
def no_bar_left():
    """Check that every progress bar of a run has been closed."""
    utils = pytest.importorskip("napari.utils")
    before = set(utils.progress._all_instances)
    yield
    assert set(utils.progress._all_instances) <= before


@pytest.fixture
def gate(monkeypatch):
    """Return a gate that holds every iteration until it is opened (open at first)."""
    from napari_mpi.engine.filling import iterative

    gate = threading.Event()
    gate.set()
    true_iterate = iterative._iterate

    def wait(*arguments):
        assert gate.wait(600)
        return true_iterate(*arguments)

    monkeypatch.setattr(iterative, "_iterate", wait)
    return gate
