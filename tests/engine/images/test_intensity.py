"""Intensities: to the network's range and exactly back, hot pixels, unusable images."""

import numpy as np
import pytest

from napari_mpi.engine.images.intensity import (
    NETWORK_MARGIN,
    IntensityMap,
    measure,
    require_finite,
    require_usable,
)
from napari_mpi.engine.runtime.errors import ImageError

INTEGERS = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"]


def bead(*, row=32.0, column=32.0, side=64):
    """Return a plane (1, side, side) of 100 with a Gaussian spot, sigma 1, to 1100."""
    y, x = np.mgrid[:side, :side]
    distance = (y - row) ** 2 + (x - column) ** 2
    return 100 + 1000 * np.exp(-distance / 2)[None]


def there_and_back(plane):
    intensities = measure([plane])
    return intensities.from_network(intensities.to_network(plane), plane.dtype)


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [
        ("uint8", 0, 255),
        ("uint16", 0, 65535),
        ("uint16", 40_000, 40_100),
        ("int16", -32768, 32767),
    ],
)
def test_integers_come_back_exactly(dtype, low, high, rng):
    plane = rng.integers(low, high, (3, 40, 50), endpoint=True).astype(dtype)
    back = there_and_back(plane)
    assert back.dtype == plane.dtype
    np.testing.assert_array_equal(back, plane)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("offset", "span"), [(0, 1), (-1e-6, 1e-7), (5e4, 1e5)])
def test_reals_come_back_to_the_precision_of_the_network(dtype, offset, span, rng):
    plane = (offset + span * rng.random((1, 40, 50))).astype(dtype)
    back = there_and_back(plane)
    assert back.dtype == plane.dtype
    np.testing.assert_allclose(back, plane, rtol=0, atol=1e-6 * (span + abs(offset)))


def test_small_differences_on_a_large_offset_survive_in_double_precision(rng):
    plane = 1e9 + rng.random((1, 40, 50))
    np.testing.assert_allclose(there_and_back(plane), plane, rtol=0, atol=1e-6)


def test_range_lies_inside_that_of_the_network_with_a_margin(rng):
    plane = rng.integers(0, 4000, (1, 40, 50)).astype(np.uint16)
    inside = measure([plane]).to_network(plane)
    assert inside.dtype == np.float32
    assert inside.min() == pytest.approx(NETWORK_MARGIN)
    assert inside.max() == pytest.approx(1 - NETWORK_MARGIN)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_are_clipped_to_their_type_never_wrapped(dtype):
    limits = np.iinfo(dtype)
    intensities = IntensityMap(float(limits.min), float(limits.max))
    predicted = np.array([[[-0.5, 0.0, 1.0, 1.5]]], np.float32)
    clipped = intensities.from_network(predicted, np.dtype(dtype))
    assert clipped.dtype == dtype
    # The largest 64-bit integers have no double: the next lower one is as good.
    slack = 2048 if np.dtype(dtype).itemsize == 8 else 0
    assert clipped[0, 0, :2].tolist() == [limits.min] * 2
    assert limits.max - slack <= clipped[0, 0, 2] == clipped[0, 0, 3] <= limits.max


def test_integers_are_rounded_to_the_nearest():
    values = np.array([[[10.4, 10.6, 19.6]]], np.float32)
    intensities = IntensityMap(0.0, 100.0)
    predicted = intensities.to_network(values)
    rounded = intensities.from_network(predicted, np.dtype("uint8"))
    assert rounded[0, 0].tolist() == [10, 11, 20]


@pytest.mark.parametrize("hot", [65535, 30_000])
def test_hot_pixel_does_not_squeeze_the_range(hot, rng):
    plane = rng.normal(1000, 10, (1, 64, 64)).astype(np.uint16)
    usual = int(plane.max())
    plane[0, 20, 30] = hot
    assert measure([plane]).high <= usual


def test_hot_pixel_in_a_corner_does_not_squeeze_the_range(rng):
    plane = rng.normal(1000, 10, (1, 64, 64)).astype(np.uint16)
    usual = int(plane.max())
    plane[0, 0, 0] = 65535
    assert measure([plane]).high <= usual


def test_dead_pixel_does_not_squeeze_the_range(rng):
    plane = rng.normal(30_000, 10, (1, 64, 64)).astype(np.uint16)
    usual = int(plane.min())
    plane[0, 20, 30] = 0
    assert measure([plane]).low >= usual


def test_hot_and_dead_pixels_come_to_the_ends_of_the_range(rng):
    plane = rng.normal(30_000, 10, (1, 64, 64)).astype(np.uint16)
    plane[0, 20, 30], plane[0, 40, 30] = 65535, 0
    intensities = measure([plane])
    inside = intensities.to_network(plane)
    assert (inside[0, 20, 30], inside[0, 40, 30]) == (1, 0)
    usual = np.ones_like(plane, bool)
    usual[0, [20, 40], 30] = False
    back = there_and_back(plane)
    np.testing.assert_array_equal(back[usual], plane[usual])


@pytest.mark.parametrize("side", [64, 512])
@pytest.mark.parametrize("row", [32.0, 32.25, 32.5])
@pytest.mark.parametrize("column", [32.0, 32.5])
def test_blurred_bead_keeps_its_full_height(row, column, side, rng):
    plane = bead(row=row, column=column, side=side)
    plane += rng.normal(0, 3, plane.shape)
    assert measure([plane]).high == plane.max()


@pytest.mark.parametrize(("row", "column"), [(0, 32), (63, 32), (32, 0), (0, 0)])
def test_bead_at_the_border_keeps_its_full_height(row, column, rng):
    plane = bead(row=row, column=column)
    plane += rng.normal(0, 3, plane.shape)
    assert measure([plane]).high == plane.max()


def test_dark_hole_of_the_optics_keeps_its_full_depth():
    plane = 2000 - bead()
    assert measure([plane]).low == plane.min()


@pytest.mark.parametrize("mean", [0.005, 0.02, 0.1])
def test_sparse_photon_counts_are_not_taken_for_hot(mean, rng):
    plane = rng.poisson(mean, (1, 64, 64)).clip(0, 2).astype(np.uint16)
    plane[0, 10, 10] = 2
    intensities = measure([plane])
    assert (intensities.low, intensities.high) == (0, 2)


def test_all_planes_of_an_item_share_one_range(rng):
    dim = rng.integers(100, 110, (1, 16, 16)).astype(np.uint16)
    bright = rng.integers(500, 900, (1, 16, 16)).astype(np.uint16)
    dim[0, 0, :8], bright[0, 0, :8] = 100, 899
    shared = measure(iter([dim, bright]))
    assert (shared.low, shared.high) == (100, 899)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_constant_image_is_flat(dtype):
    assert measure([np.full((1, 16, 16), 7, dtype)]).is_flat


def test_image_of_two_values_is_not_flat():
    plane = np.zeros((1, 16, 16), np.uint8)
    plane[0, 8:] = 1
    assert not measure([plane]).is_flat


def test_single_pixel_is_flat():
    assert measure([np.full((1, 1, 1), 7, np.uint8)]).is_flat


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (np.array([[1, np.nan], [2, np.nan]]), ["2 values", "NaN", "replace or crop"]),
        (np.array([[1, np.inf]], np.float32), ["1 values", "infinite", "replace"]),
        (np.array([[1, -np.inf]]), ["1 values", "infinite", "replace"]),
        (np.ones((2, 2), complex), ["complex", "complex128", "give integers or real"]),
        (np.ones((2, 2), bool), ["mask", "bool", "give integers or real"]),
        (np.array([["a", "b"]]), ["no numbers", "give integers or real"]),
    ],
    ids=["nan", "inf", "minus-inf", "complex", "bool", "text"],
)
def test_unusable_image_is_told_with_the_way_out(image, said):
    with pytest.raises(ImageError) as caught:
        require_finite(image)
    message = str(caught.value)
    assert all(part in message for part in said), message


@pytest.mark.parametrize("dtype", [*INTEGERS, "float16", "float32", "float64"])
def test_integers_and_finite_reals_are_usable(dtype):
    image = np.array([[0, 1]], dtype)
    require_usable(image)
    np.testing.assert_allclose(there_and_back(image[None]), image[None], atol=1e-6)


def test_a_hot_pixel_in_one_colour_needs_nothing_bright_in_the_others():
    dark = np.full((3, 8, 9), 10.0)
    dark[0] = np.arange(72).reshape(8, 9) / 8
    dark[0, 4, 4] = 5000
    found = measure([dark])
    assert found.low == 0
    assert 8 < found.high < 100
