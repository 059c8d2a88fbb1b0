"""Colours by their opponents: a turn that changes no noise, there and back."""

import dataclasses

import numpy as np
import pytest
import torch

from napari_mpi.engine.denoising import task
from napari_mpi.engine.denoising.adapted import tile_filling
from napari_mpi.engine.denoising.denoise import denoise
from napari_mpi.engine.denoising.planes import Plane
from napari_mpi.engine.denoising.sampling.take import SAMPLED_PLANES, take_sample
from napari_mpi.engine.denoising.state import DenoisingState
from napari_mpi.engine.denoising.task import prepare
from napari_mpi.engine.filling.merging import variance_of
from napari_mpi.engine.filling.passes import learn_noise
from napari_mpi.engine.images.axes import ImageAxes
from napari_mpi.engine.images.colours import colours_of, noise_sources, opponents
from napari_mpi.engine.images.intensity import measure
from napari_mpi.engine.networks.weights import random_weights
from napari_mpi.engine.runtime.jobs import run
from napari_mpi.engine.settings.filling import FillingConfig
from napari_mpi.engine.settings.network import NetworkConfig
from napari_mpi.engine.settings.presets import preset

SMALL = NetworkConfig(
    architecture="residual", channels=1, mask_channels=1, width=8, scales=2, blocks=1
)
CONFIG = preset("blind-fast", iterations=3, crop=24)
PAPER = FillingConfig(iterations=3)


@pytest.fixture(scope="module")
def weights():
    """Return random weights of a small network for grey images."""
    return random_weights(SMALL, seed=0)


@pytest.fixture
def image(rng):
    """Return a noisy colour image."""
    ramp = np.add.outer(np.linspace(0, 90, 48), np.linspace(0, 60, 40))
    colours = np.stack([ramp, 20 + ramp[::-1], 0.5 * ramp + 40], axis=-1)
    return rng.normal(50 + colours, 10).clip(0, 255).astype(np.uint8)


def result_of(image, axes, weights, config=CONFIG, *, tile=None, **options):
    job = denoise(
        prepare(image, axes, weights=weights, config=config, device="cpu", tile=tile),
        **options,
    )
    return run(job)


# The turn


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
def test_the_turn_is_orthonormal_and_begins_with_the_mean(channels):
    matrix = opponents(channels)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(channels), atol=1e-12)
    np.testing.assert_allclose(matrix[0], channels**-0.5)
    np.testing.assert_allclose(matrix[1:].sum(axis=1), 0, atol=1e-12)


def test_of_three_colours_it_is_the_usual_one():
    _, red_blue, green = opponents(3)
    np.testing.assert_allclose(red_blue, np.array([1, 0, -1]) / 2**0.5, atol=1e-12)
    np.testing.assert_allclose(green, np.array([1, -2, 1]) / 6**0.5, atol=1e-12)


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_there_and_back_is_the_same(channels, rng):
    values = rng.random((channels, 9, 8))
    colours = colours_of(values)
    planes = colours.to_opponents(values)
    assert planes.min() >= 0
    assert planes.max() <= 1
    np.testing.assert_allclose(colours.from_opponents(planes), values, atol=1e-12)


def test_the_extreme_colours_stay_in_the_range_of_the_network():
    corners = np.stack(np.meshgrid([0, 1], [0, 1], [0, 1])).reshape(3, 2, 4)
    planes = colours_of(corners).to_opponents(corners.astype(float))
    assert planes.min() >= 0
    assert planes.max() <= 1


def test_noise_is_as_strong_in_all_planes_and_independent(rng):
    noise = rng.normal(0, 1, (3, 300, 300))
    colours = colours_of(noise)
    planes = colours.gain * colours.to_opponents(noise)
    np.testing.assert_allclose(np.cov(planes.reshape(3, -1)), np.eye(3), atol=0.02)


def test_variances_are_turned_back_by_the_squared_matrix(rng):
    noise = rng.normal(0, 1, (3, 300, 300)) * np.array([1, 2, 3])[:, None, None]
    colours = colours_of(noise)
    made = colours.from_opponents(noise)
    variances = colours.variances(
        np.broadcast_to([[[1.0]], [[4.0]], [[9.0]]], (3, 1, 1))
    )
    np.testing.assert_allclose(variances[:, 0, 0], made.var(axis=(1, 2)), rtol=0.03)


# Colours that say nothing of their own


def test_what_holds_for_two_parts_holds_for_both():
    part = np.arange(12.0).reshape(3, 2, 2)
    same, other = part.copy(), part.copy()
    same[1], same[2] = same[0], 7
    other[1], other[2] = other[0], 8
    assert colours_of(same).distinct == (0,)
    both = colours_of(same) & colours_of(other)
    assert (both.firsts, both.constants) == ((0, 0, 2), (None, None, None))
    assert (colours_of(same) & colours_of(part)).distinct == (0, 1, 2)


@pytest.mark.parametrize("config", [CONFIG, PAPER], ids=["passes", "paper"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_grey_that_is_saved_as_colour_comes_back_as_grey_does(
    config, dtype, image, weights
):
    grey = image[..., 0].astype(dtype)
    result = result_of(np.stack([grey] * 3, axis=-1), "YXS", weights, config)
    expected = result_of(grey, "YX", weights, config)
    for colour in range(3):
        np.testing.assert_array_equal(result[..., colour], expected)


@pytest.mark.parametrize("constant", [0, 37])
def test_one_colour_leaves_no_trace_in_those_that_are_constant(
    constant, image, weights
):
    image[..., 0] = constant
    image[..., 2] = constant
    result = result_of(image, "YXS", weights)
    assert (result[..., [0, 2]] == constant).all()
    assert (result[..., 1] != image[..., 1]).any()


def test_two_colours_that_are_equal_stay_so(image, weights):
    image[..., 2] = image[..., 0]
    result = result_of(image, "YXS", weights)
    np.testing.assert_array_equal(result[..., 2], result[..., 0])
    assert (result[..., 1] != result[..., 0]).any()


def test_colours_that_are_each_constant_come_back(weights):
    image = np.broadcast_to(np.array([3, 50, 9], np.uint8), (32, 30, 3))
    state = DenoisingState(wants_spread=True)
    np.testing.assert_array_equal(result_of(image, "YXS", weights, state=state), image)
    assert np.isnan(state.spread).all()  # nothing is denoised, nothing known


def test_a_plane_in_colour_among_many_grey_ones_keeps_its_colours(rng, weights):
    grey = rng.integers(50, 200, (2 * SAMPLED_PLANES, 24, 20, 1))
    stack = np.repeat(grey, 3, axis=-1).astype(np.uint8)
    stack[0, ..., 1] //= 2  # the sample starts at the second
    result = result_of(stack, "TYXS", weights)
    assert (result[0, ..., 1].mean() / result[0, ..., 0].mean()) < 0.6


def test_a_stack_of_grey_planes_stays_grey(rng, weights):
    grey = rng.integers(50, 200, (2 * SAMPLED_PLANES, 24, 20))
    stack = np.stack([grey] * 3, axis=-1).astype(np.uint8)
    result = result_of(stack, "TYXS", weights)
    for colour in (1, 2):
        np.testing.assert_array_equal(result[..., colour], result[..., 0])


# Denoising


@pytest.mark.parametrize("axes", ["YXS", "SYX"])
def test_every_colour_is_denoised(axes, image, weights):
    given = image if axes == "YXS" else np.moveaxis(image, -1, 0)
    result = result_of(given, axes, weights)
    assert (result.shape, result.dtype) == (given.shape, given.dtype)
    moved = result if axes == "YXS" else np.moveaxis(result, 0, -1)
    np.testing.assert_array_equal(moved, result_of(image, "YXS", weights))
    assert (moved != image).any(axis=(0, 1)).all()


def test_opacity_is_left_alone(image, weights, rng):
    opacity = rng.integers(0, 256, (48, 40, 1)).astype(np.uint8)
    result = result_of(np.concatenate([image, opacity], axis=-1), "YXS", weights)
    np.testing.assert_array_equal(result[..., 3:], opacity)
    np.testing.assert_array_equal(result[..., :3], result_of(image, "YXS", weights))


def test_a_network_for_colours_sees_colours(small_weights, weights):
    layout = ImageAxes("YXS", (9, 9, 3))
    assert not task.sees_opponents(small_weights, layout)
    assert task.sees_opponents(weights, layout)
    assert not task.sees_opponents(weights, ImageAxes("CYX", (3, 9, 9)))


def test_tiles_leave_no_trace(rng, weights, monkeypatch):
    ramp = np.add.outer(np.linspace(0, 90, 200), np.linspace(0, 60, 180))
    colours = np.stack([ramp, ramp[::-1], 150 - ramp], axis=-1)
    stack = rng.normal(100 + colours, 10, (2, 200, 180, 3)).astype(np.float32)
    config = dataclasses.replace(CONFIG, seed=3)
    whole, tiled = (DenoisingState(wants_spread=True) for _ in range(2))
    result_of(stack, "ZYXS", weights, config, state=whole)
    monkeypatch.setattr(tile_filling, "SMALLEST", 64)
    result_of(stack, "ZYXS", weights, config, state=tiled, tile=64)
    np.testing.assert_allclose(tiled.result, whole.result, rtol=1e-3)
    np.testing.assert_allclose(tiled.spread, whole.spread, rtol=1e-3)


def test_a_large_plane_is_filled_tile_by_tile(image, weights, monkeypatch):
    monkeypatch.setattr(task, "WHOLE", 0)
    result = result_of(image, "YXS", weights)
    assert (result != image).any(axis=(0, 1)).all()


def test_the_blind_spot_holds_for_every_opponent(rng, weights, monkeypatch):
    """What is hidden of a plane's opponent changes no prediction made for it."""
    noisy = torch.from_numpy(rng.random((3, 1, 24, 20))).float()
    masked = torch.from_numpy(rng.random((3, 1, 24, 20)) < 0.3)
    network = weights.to_network()
    changed = torch.where(masked, torch.rand(noisy.shape), noisy)
    with torch.no_grad():
        first, second = network(noisy, masked), network(changed, masked)
    torch.testing.assert_close(first, second)


def test_hot_pixels_of_one_colour_are_filled_in_all_planes(rng, weights):
    image = rng.normal(100, 5, (64, 64, 3)).astype(np.float32)
    image[30, 30, 0] = 1000
    config = dataclasses.replace(CONFIG, hot_pixels=True, learning_rate=0.0)
    result = result_of(image, "YXS", weights, config)
    assert np.ptp(result[28:33, 28:33].mean(axis=(0, 1))) < 30


# Noise


def test_what_noise_goes_with_is_the_colours_by_their_squared_shares(rng):
    colours = rng.random((3, 4, 5))
    planes = colours_of(colours).to_opponents(colours)
    found = np.tensordot(noise_sources(3), planes, axes=1)
    red, green, blue = colours
    expected = [colours.mean(axis=0), (red + blue) / 2, (red + 4 * green + blue) / 6]
    constant = found - np.stack(expected)
    np.testing.assert_allclose(np.ptp(constant, axis=(1, 2)), 0, atol=1e-12)


@pytest.mark.parametrize("shares", [(1, 0.8, 0.9), (1, 0.1, 0.2)])
def test_photon_noise_of_colours_is_found_in_their_opponents(shares, rng):
    ramp = np.broadcast_to(np.linspace(20, 200, 256), (256, 256))
    clean = np.multiply.outer(shares, ramp)
    noisy = rng.poisson(clean).astype(np.float64)
    intensities = measure([noisy], opponents=True)
    truth, planes = (
        torch.from_numpy(intensities.to_network(values))[:, None]
        for values in (clean, noisy)
    )
    models = learn_noise(planes, lambda noisy, masked: truth, CONFIG, images=3)
    found = variance_of(models, truth)[:, 0] * intensities.noise_slope**2
    expected = np.tensordot(np.square(opponents(3)), clean, axes=1)
    np.testing.assert_allclose(found[..., 64:], expected[..., 64:], rtol=0.15)


def test_the_spread_of_a_pixel_is_that_of_its_colours(rng):
    layout = ImageAxes("YXS", (40, 30, 3))
    values = rng.uniform(0, 255, (3, 40, 30))
    intensities = measure([values], opponents=True)
    plane = Plane(layout, intensities, layout.planes()[0], 0)
    spread = plane.deviations(np.full((3, 1, 40, 30), 0.02, "f4"), np.dtype("f4"))
    # Three independent errors of one size in the turned planes are so in the colours.
    np.testing.assert_allclose(spread, 0.02 * intensities.noise_slope, rtol=1e-5)


def test_a_sample_knows_the_colours_of_all_its_planes(rng):
    stack = rng.random((3, 20, 20, 3))
    stack[:2, ..., 2] = stack[:2, ..., 0]
    layout = ImageAxes("TYXS", stack.shape)
    job = take_sample(stack, layout, layout.planes(), side=0, seed=0, opponents=True)
    assert run(job).intensities.colours.distinct == (0, 1, 2)
