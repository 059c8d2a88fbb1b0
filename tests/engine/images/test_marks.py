"""What the value of a pixel is taken for."""

import numpy as np
import pytest

from napari_mpi.engine.images.extremes import look_in
from napari_mpi.engine.images.marks import Mark, MarkRule, is_kept, is_void

SHAPE = (96, 104)


@pytest.fixture
def plane(rng):
    """Return a noisy plane of whole numbers."""
    slope = np.add.outer(np.linspace(200, 500, SHAPE[0]), np.linspace(0, 300, SHAPE[1]))
    return np.rint(rng.normal(slope, 30)).astype(np.uint16)


def marks_of(plane, no_data=()):
    marks = look_in(plane[None], no_data).rule.marks(plane[None])
    return np.zeros(plane.shape, np.uint8) if marks is None else marks


def octagon():
    rows, columns = np.ogrid[: SHAPE[0], : SHAPE[1]]
    down, across = abs(rows - 48), abs(columns - 52)
    return np.maximum(np.maximum(down, across), 0.7 * (down + across)) < 40


def test_noise_alone_is_measured(plane):
    assert look_in(plane[None]).rule.marks(plane[None]) is None


@pytest.mark.parametrize("value", [0, 7, 65535])
def test_what_lies_around_a_field_of_view_is_constant(plane, value):
    inside = octagon()
    marks = marks_of(np.where(inside, plane, np.uint16(value)))
    np.testing.assert_array_equal(marks == Mark.CONSTANT, ~inside)


def test_areas_of_several_values_are_constant(plane):
    plane[:20], plane[:, :15], plane[70:, 60:] = 0, 11, 3000
    marks = marks_of(plane)
    assert (marks[:20, 15:] == Mark.CONSTANT).all()
    assert (marks[:, :15] == Mark.CONSTANT).all()
    assert (marks[70:, 60:] == Mark.CONSTANT).all()
    assert not marks[20:60, 15:].any()


def test_a_constant_plane_is_constant():
    assert (marks_of(np.full(SHAPE, 3.5, np.float32)) == Mark.CONSTANT).all()


@pytest.mark.parametrize("photons", [0.01, 0.05, 0.3, 1])
def test_pixels_without_a_photon_are_measured(rng, photons):
    marks = marks_of(rng.poisson(photons, SHAPE).astype(np.uint16))
    assert not is_kept(marks).any()


def test_a_background_that_is_half_cut_off_is_measured(rng):
    plane = np.clip(rng.normal(5, 30, SHAPE), 0, None).round().astype(np.uint16)
    marks = marks_of(plane)
    assert not is_kept(marks).any()
    np.testing.assert_array_equal(marks == Mark.CUT_OFF, plane == 0)


def test_what_is_cut_off_above_is_saturated(plane):
    cut = np.minimum(plane, 600)
    np.testing.assert_array_equal(marks_of(cut) == Mark.SATURATED, cut == 600)


@pytest.mark.parametrize("value", [-9999, -3.4028235e38, 1e20])
@pytest.mark.parametrize("share", [0.001, 0.08, 0.3])
def test_a_value_that_dwarfs_all_others_is_far_out(rng, plane, value, share):
    scattered = rng.random(SHAPE) < share
    marks = marks_of(np.where(scattered, value, plane).astype(np.float32))
    np.testing.assert_array_equal(is_void(marks), scattered)


def test_burnt_clusters_are_far_out_and_single_pixels_hot(rng, plane):
    spoilt = plane.copy()
    spoilt[10:12, 20:23] = rng.integers(40000, 65000, (2, 3))
    spoilt[60, 70] = 65535
    marks = marks_of(spoilt)
    assert (marks[10:12, 20:23] == Mark.FAR_OUT).all()
    assert marks[60, 70] == Mark.HOT
    assert np.count_nonzero(marks) == 7


def test_bright_structure_with_flanks_is_measured(rng):
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    bead = 9000 * np.exp(-((rows - 40) ** 2 + (columns - 50) ** 2) / 2 / 2**2)
    assert not marks_of(rng.normal(100 + bead, 5).astype(np.float32)).any()


def test_no_data_and_what_is_not_finite_is_told_apart(plane):
    image = plane.astype(np.float32)
    image[5, 6], image[7, 8], image[9, 10] = np.nan, np.inf, -2000
    marks = marks_of(image, ((-2000, -1990),))
    assert marks[5, 6] == marks[7, 8] == Mark.NOT_FINITE
    assert marks[9, 10] == Mark.NO_DATA
    assert np.count_nonzero(marks) == 3


def test_a_pixel_is_cut_off_if_all_of_its_colours_are():
    part = np.array([[[255, 255, 10]], [[255, 20, 10]]], np.uint8)
    marks = MarkRule(highest=255).marks(part)
    assert marks.tolist() == [[Mark.SATURATED, 0, 0]]
