"""Metrics: PSNR and SSIM in the units of the reference."""

import math

import numpy as np
import pytest

from napari_mpi.engine.images.axes import ImageAxes
from napari_mpi.engine.images.quality import data_range_of, quality
from napari_mpi.engine.runtime.errors import ImageError


def axes_of(image, letters="YX"):
    return ImageAxes(letters, image.shape)


def pair(rng, *, shape=(16, 16), dtype="uint16", top=4000):
    clean = rng.integers(0, top, shape).astype(dtype)
    noisy = (clean + rng.integers(0, top // 20, shape)).astype(dtype)
    return noisy, clean


def test_psnr_equals_a_hand_computation():
    clean = np.tile(np.array([[0, 100]], np.float32), (8, 4))
    noisy = clean + np.tile(np.array([[3, -1]], np.float32), (8, 4))
    found = quality(noisy, clean, axes_of(clean))
    assert found.data_range == 100
    assert found.psnr == pytest.approx(10 * math.log10(100**2 / 5))  # (9 + 1) / 2


def test_ssim_equals_that_of_scikit_image(rng):
    from skimage.metrics import structural_similarity

    noisy, clean = pair(rng)
    found = quality(noisy, clean, axes_of(clean), data_range=5000)
    expected = structural_similarity(
        clean.astype(float), noisy.astype(float), data_range=5000
    )
    assert found.ssim == pytest.approx(expected)
    assert 0 < found.ssim < 1


@pytest.mark.parametrize(("ours", "theirs"), [(100, 200), (200, 100), (0, 255)])
def test_8_bit_differences_do_not_wrap(ours, theirs):
    image, clean = (np.full((8, 8), value, np.uint8) for value in (ours, theirs))
    image[0, 0] = clean[0, 0] = 7  # a constant image would be no reference
    found = quality(image, clean, axes_of(clean))
    expected = 20 * math.log10(255 / abs(ours - theirs)) - 10 * math.log10(63 / 64)
    assert found.psnr == pytest.approx(expected)


def test_16_bit_differences_do_not_wrap():
    clean = np.tile(np.array([[-30_000, 30_000]], np.int16), (8, 4))
    found = quality(-clean, clean, axes_of(clean))
    assert found.data_range == 60_000
    assert found.psnr == pytest.approx(0)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("uint8", 255), ("uint16", 70), ("int16", 70), ("float32", 70)],
)
def test_data_range_is_255_for_8_bit_and_the_span_of_others(dtype, expected):
    reference = np.array([[10, 80]], dtype)
    assert data_range_of(reference, axes_of(reference)) == expected


def test_data_range_is_that_of_the_reference_not_of_the_image(rng):
    noisy, clean = pair(rng, top=100)
    noisy[0, 0] = 60_000
    assert quality(noisy, clean, axes_of(clean)).data_range == np.ptp(clean)


def test_given_data_range_is_used():
    clean = np.tile(np.array([[0, 100]], np.float32), (8, 4))
    found = quality(clean + 1, clean, axes_of(clean), data_range=1000)
    assert found.data_range == 1000
    assert found.psnr == pytest.approx(60)


def test_equal_images_have_infinite_psnr_and_full_ssim(rng):
    _, clean = pair(rng)
    found = quality(clean.copy(), clean, axes_of(clean))
    assert found.psnr == math.inf
    assert found.ssim == pytest.approx(1)


def test_psnr_of_a_stack_runs_over_all_planes_and_ssim_is_their_mean(rng):
    noisy, clean = pair(rng, shape=(2, 16, 16))
    noisy[1] = clean[1]
    span = float(np.ptp(clean))
    whole = quality(noisy, clean, axes_of(clean, "ZYX"))
    first = quality(noisy[0], clean[0], axes_of(clean[0]), data_range=span)
    assert whole.psnr == pytest.approx(first.psnr + 10 * math.log10(2))
    assert whole.ssim == pytest.approx((first.ssim + 1) / 2)


@pytest.mark.parametrize("letters", ["YXS", "SYX"])
def test_colours_count_the_same_in_any_order_of_axes(letters, rng):
    noisy, clean = pair(rng, shape=(16, 16, 3))
    expected = quality(noisy, clean, axes_of(clean, "YXS"))
    places = ["YXS".index(letter) for letter in letters]
    noisy, clean = noisy.transpose(places), clean.transpose(places)
    found = quality(noisy, clean, axes_of(clean, letters))
    assert found.psnr == pytest.approx(expected.psnr)
    assert found.ssim == pytest.approx(expected.ssim)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_opacity_is_not_counted(dtype, rng):
    noisy, clean = pair(rng, shape=(16, 16, 4), dtype=dtype, top=200)
    clean[..., 3], noisy[..., 3] = np.iinfo(dtype).max, 0
    found = quality(noisy, clean, axes_of(clean, "YXS"))
    colours = clean[..., :3]
    expected = quality(noisy[..., :3], colours, axes_of(colours, "YXS"))
    assert found == expected


def test_shapes_that_differ_are_told(rng):
    noisy, clean = pair(rng)
    with pytest.raises(ImageError) as caught:
        quality(noisy[:8], clean, axes_of(clean))
    message = str(caught.value)
    assert "(16, 16)" in message
    assert "(8, 16)" in message
    assert "choose one of equal shape" in message


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_constant_reference_is_told(dtype, rng):
    noisy, _ = pair(rng, dtype=dtype)
    with pytest.raises(ImageError, match="reference is constant"):
        quality(noisy, np.full_like(noisy, 5), axes_of(noisy))


@pytest.mark.parametrize("shape", [(6, 20), (20, 6), (1, 1)])
def test_planes_smaller_than_the_window_have_a_psnr_but_no_ssim(shape, rng):
    noisy, clean = pair(rng, shape=shape)
    found = quality(noisy, clean, axes_of(clean), data_range=4000)
    assert math.isnan(found.ssim)
    assert not math.isnan(found.psnr)


def test_planes_of_the_windows_size_have_an_ssim(rng):
    noisy, clean = pair(rng, shape=(7, 7))
    assert 0 < quality(noisy, clean, axes_of(clean)).ssim < 1


def test_quality_reads_as_a_person_would_write_it():
    clean = np.tile(np.array([[0, 100]], np.float32), (8, 4))
    found = quality(clean + 1, clean, axes_of(clean))
    assert str(found).startswith("40.00 dB, SSIM ")
