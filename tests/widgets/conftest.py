"""Viewers for the widget tests, with a window or without, and what is in common."""

import os
import sys
import threading

import pytest


def pytest_collection_modifyitems():
    """Let Qt do without a display, where tests are to be skipped and not aborted."""
    if not _has_display():
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


def _has_display():
    named = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return bool(named) or not sys.platform.startswith("linux")


@pytest.fixture(autouse=True)
def only_the_main_thread(monkeypatch):
    """Let napari raise if a layer or the viewer is touched from another thread."""
    monkeypatch.setenv("NAPARI_ENSURE_PLUGIN_MAIN_THREAD", "1")


@pytest.fixture
def display():
    """Require a display, or skip; skipping is a failure where that is asked for."""
    pytest.importorskip("napari")
    if not _has_display():
        reason = "no display with OpenGL: install xvfb and Mesa"
        required = os.environ.get("NAPARI_MPI_REQUIRE_GUI")
        pytest.fail(reason) if required else pytest.skip(reason)


@pytest.fixture
def make_viewer(display, qtbot):
    """Return a maker of viewers without a window, behind the proxy that guards them.

    They have layers, sliders, a camera and a theme.
    """
    from napari.components import ViewerModel
    from napari.utils._proxies import PublicOnlyProxy

    return lambda: PublicOnlyProxy(ViewerModel())


@pytest.fixture
def viewer(make_viewer):
    """Return a viewer without a window."""
    return make_viewer()


@pytest.fixture
def real_viewer(display, request):
    """Return a viewer with a window, for what is drawn and docked."""
    return request.getfixturevalue("make_napari_viewer_proxy")()


@pytest.fixture
def dock(qtbot):
    """Return what puts a widget beside a viewer, as a person does from the menu."""

    def dock(widget, viewer):
        if hasattr(viewer, "window"):
            viewer.window.add_dock_widget(widget)
            return
        qtbot.addWidget(widget)
        if hasattr(widget, "reset_choices"):  # as a window does
            for name in ("inserted", "removed", "reordered", "renamed"):
                getattr(viewer.layers.events, name).connect(widget.reset_choices)

    return dock


@pytest.fixture(autouse=True)
def no_messages():
    """Forget what was told in the tests before."""
    notifications = pytest.importorskip("napari.utils.notifications")
    notifications.notification_manager.records.clear()


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
