"""Docks fit a laptop's screen: their width, their height, and their keys."""

import itertools

import pytest

pytestmark = pytest.mark.gui


@pytest.fixture(params=["denoise", "batch", "pretrain"])
def docked(request, real_viewer):
    from napari_mpi.widgets.batch.dock import BatchWidget
    from napari_mpi.widgets.denoise.dock import DenoiseWidget
    from napari_mpi.widgets.pretrain.dock import PretrainWidget

    kinds = {
        "denoise": DenoiseWidget, "batch": BatchWidget, "pretrain": PretrainWidget
    }  # fmt: skip
    widget = kinds[request.param](real_viewer)
    real_viewer.window.resize(1000, 620)
    real_viewer.window.add_dock_widget(widget)
    return widget


def fold_of(widget):
    form = getattr(widget.form, "method", widget.form)
    return form.advanced


def in_scroll_area(widget):
    from qtpy.QtWidgets import QScrollArea

    return widget.findChild(QScrollArea).widget()


def test_a_dock_asks_for_320_pixels_and_its_parts_for_less(docked, qtbot):
    assert docked.sizeHint().width() == 320
    inside = in_scroll_area(docked)
    for is_open in (False, True):
        fold_of(docked)._head.setChecked(is_open)
        qtbot.wait(20)
        assert inside.minimumSizeHint().width() <= 300


def test_opening_and_closing_the_fold_leaves_the_window_as_it_was(
    docked, real_viewer, qtbot
):
    window = docked.window()
    before = window.size()
    least = window.minimumSizeHint()
    fold_of(docked).expand()
    qtbot.wait(50)
    assert window.size() == before
    assert window.minimumSizeHint() == least
    fold_of(docked).collapse()
    qtbot.wait(50)
    assert window.size() == before


def tabbed(widget):
    """Return what the tab key comes to inside a widget, in its order."""
    from qtpy.QtCore import Qt

    found, at = [], widget.nextInFocusChain()
    while at is not widget:
        can = at.focusPolicy() & Qt.FocusPolicy.TabFocus
        if can and widget.isAncestorOf(at) and at.isVisibleTo(widget):
            found.append(at)
        at = at.nextInFocusChain()
    return found


def test_keys_come_to_nothing_that_is_folded_away(docked):
    fold = fold_of(docked)
    closed = tabbed(docked)
    assert not [one for one in closed if fold.content().isAncestorOf(one)]
    assert len(closed) <= 22
    fold.expand()
    assert len(tabbed(docked)) > len(closed)


def test_keys_go_from_above_to_below(docked, qtbot):
    from qtpy.QtCore import QPoint
    from qtpy.QtWidgets import QWidget

    inside = in_scroll_area(docked)
    docked.show()
    inside.resize(300, inside.sizeHint().height())
    for part in [inside, *inside.findChildren(QWidget)]:
        if part.layout() is not None:
            part.layout().activate()
    parts = [one for one in tabbed(docked) if inside.isAncestorOf(one)]
    places = [one.mapTo(inside, QPoint(0, one.height() // 2)).y() for one in parts]
    back = [b - a for a, b in itertools.pairwise(places) if b < a]
    assert all(step > -20 for step in back)
