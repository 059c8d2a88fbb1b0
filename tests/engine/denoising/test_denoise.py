"""Denoising of n-D images: planes, types, photometry."""

import dataclasses

import numpy as np
import pytest
import torch

from napari_mpi.engine.denoising.denoise import denoise
from napari_mpi.engine.denoising.task import effective_config, prepare
from napari_mpi.engine.images.axes import ImageAxes
from napari_mpi.engine.networks.loading import load_weights
from napari_mpi.engine.networks.weights import random_weights
from napari_mpi.engine.runtime.jobs import run
from napari_mpi.engine.settings.filling import FillingConfig
from napari_mpi.engine.settings.network import NetworkConfig
from napari_mpi.engine.settings.presets import preset

CONFIG = FillingConfig(iterations=3)


def result_of(image, axes, weights, config=CONFIG, *, tile=None, **options):
    return run(
        denoise(
            prepare(
                image, axes, weights=weights, config=config, device="cpu", tile=tile
            ),
            **options,
        )
    )


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
@pytest.mark.parametrize(
    ("axes", "shape"),
    [
        ("YX", (24, 20)),
        ("XY", (24, 20)),
        ("ZYX", (2, 24, 20)),
        ("YXS", (24, 20, 3)),
        ("SYX", (3, 24, 20)),
        ("CYX", (2, 24, 20)),
        ("TCYXS", (1, 2, 24, 20, 3)),
        ("YX", (1, 20)),
    ],
)
def test_shape_and_type_survive_and_every_plane_changes(
    axes, shape, dtype, rng, small_weights
):
    image = (rng.random(shape) * 200).astype(dtype)
    result = result_of(image, axes, small_weights)
    assert (result.shape, result.dtype) == (image.shape, image.dtype)
    layout = ImageAxes(axes, shape)
    assert all((result[plane] != image[plane]).any() for plane in layout.planes())


def test_the_source_is_left_alone(rng, small_weights):
    image = rng.integers(0, 200, (24, 20)).astype(np.uint8)
    before = image.copy()
    result_of(image, "YX", small_weights)
    np.testing.assert_array_equal(image, before)


def test_swapped_axes_give_the_same_image_swapped(rng, small_weights):
    image = rng.random((24, 20, 3)).astype(np.float32)
    upright = result_of(image, "YXS", small_weights)
    planar = result_of(image.transpose(2, 0, 1), "SYX", small_weights)
    np.testing.assert_array_equal(planar.transpose(1, 2, 0), upright)


def test_opacity_is_left_alone(rng, small_weights):
    image = rng.integers(0, 255, (24, 20, 4)).astype(np.uint8)
    result = result_of(image, "YXS", small_weights)
    np.testing.assert_array_equal(result[..., 3], image[..., 3])
    assert (result[..., :3] != image[..., :3]).any()


def test_planes_of_one_channel_share_one_map_of_intensities(rng, small_weights):
    # Were each plane mapped by itself, the dim one would be blown up to full range.
    bright = rng.normal(1000, 100, (24, 20))
    stack = np.stack([bright, bright * 0 + rng.normal(10, 1, (24, 20))])
    swapped = result_of(stack[::-1], "ZYX", small_weights)[::-1]
    both = result_of(stack, "ZYX", small_weights)
    alone = result_of(stack[1:], "ZYX", small_weights)
    np.testing.assert_array_equal(both, swapped)
    assert not np.allclose(both[1], alone[0])


def test_channels_are_mapped_each_by_itself(rng, small_weights):
    image = rng.normal(100, 10, (24, 20))
    both = result_of(np.stack([image, image * 1000]), "CYX", small_weights)
    alone = result_of(image, "YX", small_weights)
    np.testing.assert_allclose(both[0], alone, rtol=1e-6)
    np.testing.assert_allclose(both[1], alone * 1000, rtol=1e-5)


def test_scaling_and_shifting_the_image_scales_and_shifts_the_result(
    rng, small_weights
):
    image = rng.normal(100, 10, (24, 20))
    plain = result_of(image, "YX", small_weights)
    moved = result_of(image * 7 - 3000, "YX", small_weights)
    np.testing.assert_allclose(moved, plain * 7 - 3000, rtol=0, atol=0.05)


def test_constant_images_and_channels_come_back_as_they_are(rng, small_weights):
    empty = np.full((24, 20), 7, dtype=np.uint16)
    np.testing.assert_array_equal(result_of(empty, "YX", small_weights), empty)
    both = np.stack([empty, rng.integers(0, 99, (24, 20)).astype(np.uint16)])
    result = result_of(both, "CYX", small_weights)
    np.testing.assert_array_equal(result[0], empty)
    assert (result[1] != both[1]).any()


def test_a_flat_noisy_region_keeps_its_mean(shared_data, authors_weights, rng):
    image = np.full((48, 48), 400.0)
    image[12:36, 12:36] = 1200
    noisy = np.rint(rng.normal(image, 60)).astype(np.uint16)
    weights = load_weights(authors_weights["mpi-pixelwise-30"])
    config = preset("independent-fast")
    result = result_of(noisy, "YX", weights, config)
    for region in (np.s_[18:30, 18:30], np.s_[:, :6]):
        assert result[region].mean() == pytest.approx(noisy[region].mean(), rel=0.005)
    assert result[18:30, 18:30].std() < 0.5 * noisy[18:30, 18:30].std()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
def test_integers_are_clipped_to_their_type_and_never_wrapped(
    dtype, rng, small_weights
):
    limits = np.iinfo(dtype)
    low, high = limits.min, limits.max
    image = np.where(rng.random((24, 20)) < 0.5, low, high).astype(dtype)
    config = dataclasses.replace(CONFIG, ema_decay=0.99)
    result = result_of(image, "YX", small_weights, config)
    # Three fills at decay 0.99 move a pixel by 3 % of the range at the most.
    distance = np.abs(result.astype(float) - image.astype(float))
    assert distance.max() < 0.04 * (float(high) - float(low))


def test_grey_images_get_one_shared_mask_whatever_the_settings(small_weights):
    per_channel = FillingConfig(shared_mask=False)
    grey, colour = ImageAxes("ZYX", (2, 9, 9)), ImageAxes("YXS", (9, 9, 3))
    cpu = torch.device("cpu")
    assert effective_config(per_channel, grey, small_weights, cpu).shared_mask
    assert not effective_config(per_channel, colour, small_weights, cpu).shared_mask
    one_plane = random_weights(NetworkConfig(width=8, scales=2, mask_channels=1))
    assert effective_config(per_channel, colour, one_plane, cpu).shared_mask


@pytest.mark.parametrize(
    ("axes", "shape", "shared"),
    [("YXS", (24, 20, 3), False), ("YXS", (24, 20, 3), True), ("YX", (24, 20), False)],
    ids=["colour, mask per channel", "colour, shared mask", "grey"],
)
def test_the_blind_spot_holds_for_whole_images(
    axes, shape, shared, rng, small_weights, monkeypatch
):
    # One iteration with the ensemble taking the fill as it is: where a pixel was
    # hidden, the result must not depend on its value.
    hidden = []
    true_mask = torch.rand

    def remember(*arguments, **options):
        drawn = true_mask(*arguments, **options)
        hidden.append(drawn)
        return drawn

    monkeypatch.setattr("napari_mpi.engine.filling.masks.torch.rand", remember)
    config = FillingConfig(iterations=1, ema_decay=0.0, shared_mask=shared)
    image = rng.random(shape)
    image.flat[:2] = 0, 1  # fixes the range of intensities, whatever else changes
    first = result_of(image, axes, small_weights, config)
    planes = (hidden[-1][0] < config.mask_ratio).numpy()
    masked = planes.transpose(1, 2, 0) if axes == "YXS" else planes[0]
    masked = np.broadcast_to(masked, shape).copy()
    masked.flat[:2] = False
    changed = np.where(masked, rng.random(shape), image)
    second = result_of(changed, axes, small_weights, config)
    assert masked.any()
    assert (first[masked] != image[masked]).any()
    np.testing.assert_allclose(second[masked], first[masked], rtol=0, atol=1e-6)


def test_one_hot_pixel_changes_the_image_around_it_only(rng, small_weights):
    config = dataclasses.replace(CONFIG, iterations=20)
    image = rng.normal(1000, 100, (48, 48)).astype(np.float32)
    spoilt = image.copy()
    spoilt[24, 24] = 1e6
    plain = result_of(image, "YX", small_weights, config)
    result = result_of(spoilt, "YX", small_weights, config)
    far = np.ones_like(image, bool)
    far[16:33, 16:33] = False
    assert np.abs(result - plain)[far].max() < 2 * image.std()
    assert result[24, 24] == spoilt[24, 24]  # nobody asked to fill it
    filled = dataclasses.replace(config, hot_pixels=True)
    result = result_of(spoilt, "YX", small_weights, filled)
    assert result.max() < 2 * image.max()
