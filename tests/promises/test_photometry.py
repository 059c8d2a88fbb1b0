"""Brightness is kept: by the settings that a user gets who chooses none."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_mpi import denoise
from napari_mpi.engine.noise.laws import PoissonGaussian

OFFSET, FULL = 100.3, 1000.0  # grey levels
HALF, STEP = 48, 28  # pixels


@pytest.fixture(scope="module")
def imaged():
    """Return truth, noisy and denoised stack, offset taken off, full scale being 1.

    The first plane holds a ramp above and a stair below, the second nothing.
    """
    ramp, stair = np.linspace(0, 1, 5 * STEP), np.repeat(np.linspace(0, 1, 5), STEP)
    bright = np.concatenate([np.tile(row, (HALF, 1)) for row in (ramp, stair)])
    clean = np.stack([bright, np.zeros_like(bright)])
    rng = np.random.default_rng(0)
    noisy = OFFSET + PoissonGaussian(2, 3).noisy(FULL * clean, rng=rng)
    noisy = np.rint(noisy).astype(np.uint16)
    denoised = denoise(noisy, "ZYX", device="cpu")
    return clean, *((image - OFFSET) / FULL for image in (noisy, denoised))


def regions(plane, top):
    """Return the means of squares beside each other, away from what surrounds them."""
    inner = plane[top + 4 : top + HALF - 4].reshape(HALF - 8, -1, STEP)[..., 4:-4]
    return inner.mean(axis=(0, 2))


def test_flat_regions_keep_their_mean_within_half_a_percent_of_full_scale(imaged):
    (clean, _), _, (denoised, _) = imaged
    np.testing.assert_allclose(
        regions(denoised, HALF), regions(clean, HALF), rtol=0, atol=0.005
    )


@pytest.mark.parametrize("top", [0, HALF], ids=["ramp", "stair"])
def test_brightness_stays_linear(top, imaged):
    (clean, _), _, (denoised, _) = imaged
    true, found = regions(clean, top), regions(denoised, top)
    assert np.corrcoef(true, found)[0, 1] ** 2 > 0.999
    assert np.polyfit(true, found, 1)[0] == pytest.approx(1, abs=0.005)


def test_an_empty_plane_of_a_stack_stays_empty(imaged):
    _, (_, noisy), (_, denoised) = imaged
    assert abs(denoised.mean()) < 0.005
    assert denoised.std() < noisy.std() / 2
    bumps, noise = (
        np.abs(gaussian_filter(plane - plane.mean(), 2)).max()
        for plane in (denoised, noisy)
    )
    assert bumps < noise


@pytest.mark.parametrize("period", [4, pytest.param(6, marks=pytest.mark.slow)])
def test_fine_lines_all_over_an_image_are_kept_under_weak_noise(period):
    y, x = np.indices((96, 96))
    lines = 0.4 * np.sin(2 * np.pi * (x * np.cos(0.4) + y * np.sin(0.4)) / period)
    clean = 4 * FULL * (0.5 + lines)
    rng = np.random.default_rng(0)
    noisy = PoissonGaussian(2, 3).noisy(clean, rng=rng)
    denoised = denoise(noisy, device="cpu")
    kept = (denoised * lines).sum() / (clean * lines).sum()
    assert kept == pytest.approx(1, abs=0.1)
    # They look like correlated noise to what only compares neighbours.
    assert (denoised - clean).std() < 1.2 * (noisy - clean).std()
