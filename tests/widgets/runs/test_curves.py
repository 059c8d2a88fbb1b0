"""The curve of a denoising: what it shows, and when there is nothing to show."""

import pytest

pytestmark = pytest.mark.gui


@pytest.fixture
def curve(viewer, qtbot):
    pytest.importorskip("pyqtgraph")
    from napari_mpi.widgets.runs.curves import QualityCurve

    curve = QualityCurve(viewer)
    qtbot.addWidget(curve)
    return curve


def test_a_single_check_is_no_curve(curve):
    curve.take((0.1,), [(0, 0.01)])
    curve.show_all()
    assert curve.isHidden()


def test_the_error_that_falls_is_shown_as_decibels_that_rise(curve):
    curve.take((0.1, 0.1), [(0, 0.01), (12, 0.001)])
    curve.show_all()
    assert not curve.isHidden()
    assert curve.estimated == [(0, 20.0), (12, 30.0)]
    x, y = curve._lines[0].getData()
    assert list(x) == [0, 12]
    assert list(y) == [20.0, 30.0]


def test_against_a_reference_each_iteration_counts_once(curve):
    for iteration, psnr in ((0, 30.0), (0, 30.0), (5, 31.0)):
        curve.measure(iteration, psnr)
    curve.show_all()
    assert curve.measured == [(0, 30.0), (5, 31.0)]
    assert not curve.isHidden()
    curve.clear()
    assert curve.isHidden()


def test_where_it_no_longer_pays_there_is_a_mark(curve):
    for iteration, psnr in ((0, 30.0), (10, 33.0), (20, 33.5), (30, 33.55)):
        curve.measure(iteration, psnr)
    curve.show_all()
    assert curve.paid_until is None  # more may come
    curve.measure(40, 33.56)
    curve.show_all()
    assert curve.paid_until == 20
    assert curve._mark.isVisible()
    assert curve._mark.value() == 20
    for iteration, psnr in ((50, 34.0), (60, 34.5)):
        curve.measure(iteration, psnr)
    curve.show_all()
    assert curve.paid_until is None
    assert not curve._mark.isVisible()


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_text_and_lines_can_be_read_in_both_themes(curve, viewer, theme):
    from napari.utils.theme import get_theme

    from napari_mpi.widgets.runs.live_plot import contrast

    viewer.theme = theme
    curve.take((), [(0, 0.1), (12, 0.01)])
    curve.measure(0, 20.0)
    curve.measure(12, 21.0)
    curve.show_all()
    found = get_theme(theme)
    background = found.background.as_hex("long")
    assert contrast(found.text.as_hex("long"), background) >= 4.5
    colours = [line.opts["pen"].color().name() for line in curve._lines]
    assert len(set(colours)) == 2
    assert all(contrast(colour, background) >= 3 for colour in colours)


def test_the_contrast_of_black_and_white_is_21():
    from napari_mpi.widgets.runs.live_plot import contrast

    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
