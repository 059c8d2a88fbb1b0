"""The look at an image's noise: what it finds of noise that is known."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage import data

from napari_mpi.engine.noise import laws
from napari_mpi.engine.noise.look import look_at_noise


@pytest.fixture(scope="module")
def clean():
    """Return a photograph, 256 x 256."""
    return data.camera().astype(float)[128:384, 128:384]


def found_in(*images, unit=255.0):
    """Look at images, each (Y, X) or (C, Y, X), in grey levels."""
    stacked = [np.reshape(image, (-1, *image.shape[-2:])) for image in images]
    return look_at_noise(torch.from_numpy(np.stack(stacked) / unit).float(), unit)


def under(law, clean, seed=0):
    return law.noisy(clean, rng=np.random.default_rng(seed))


@pytest.mark.parametrize("sigma", [10, 25, 50])
def test_independent_noise_is_found_with_its_level(clean, sigma):
    found = found_in(under(laws.Gaussian(sigma), clean))
    assert found.level == pytest.approx(sigma, rel=0.1)
    assert abs(found.correlation) < 0.1
    assert not found.is_correlated
    assert "pixel-independent, Gaussian-like" in found.words()


def test_photon_noise_is_told_from_read_noise(clean):
    photons = found_in(under(laws.Poisson(4), clean))
    assert photons.signal_dependence > 0.5
    assert "Poisson-like" in photons.words()
    assert found_in(under(laws.Gaussian(20), clean)).signal_dependence < 0.3


@pytest.mark.parametrize(
    ("blur", "words"),
    [
        (0.5, "slightly correlated"),
        (0.6, "slightly correlated"),
        (1.0, "correlated, "),
        (2.0, "correlated over several pixels"),
    ],
)
def test_correlated_noise_is_found_whatever_its_reach(clean, blur, words):
    found = found_in(under(laws.CorrelatedGaussian(25, blur), clean))
    assert found.is_correlated
    assert found.words().startswith(words)
    assert found.level == pytest.approx(25, rel=0.4)


def test_smooth_structure_without_noise_in_it_is_not_correlated_noise(rng):
    smooth = 128 + gaussian_filter(rng.normal(0, 1000, (256, 256)), 12)
    found = found_in(smooth + rng.normal(0, 10, smooth.shape))
    assert not found.is_correlated


def test_a_clean_image_is_not_taken_for_correlated_noise(clean):
    assert not found_in(clean).is_correlated


def test_levels_are_in_the_units_of_the_image(clean):
    noisy = under(laws.Gaussian(25), clean)
    found = found_in(noisy * 100, unit=25500.0)
    assert found.level == pytest.approx(2500, rel=0.1)


def test_several_planes_and_empty_parts_are_looked_at_together(clean):
    noisy = under(laws.Gaussian(25), clean)
    noisy[:112] = 0  # as of a mosaic that is not full
    found = found_in(noisy, under(laws.Gaussian(25), clean, seed=1))
    assert found.level == pytest.approx(25, rel=0.3)
    assert not found.is_correlated


def test_noise_that_colours_share_is_found(clean, rng):
    colours = np.stack([clean, 0.8 * clean, 0.6 * clean])
    apart = found_in(colours + rng.normal(0, 25, colours.shape))
    alike = found_in(colours + rng.normal(0, 25, clean.shape))
    assert not apart.shares_colours
    assert alike.shares_colours


def test_hot_pixels_are_counted_and_not_taken_for_noise(clean, rng):
    noisy = under(laws.Gaussian(10), clean)
    noisy[rng.random(noisy.shape) < 0.002] += 300
    found = found_in(noisy)
    assert found.hot == pytest.approx(0.002, rel=0.3)
    assert found.level == pytest.approx(10, rel=0.15)


@pytest.mark.parametrize("shape", [(63, 256), (64, 10), (1, 1)])
def test_images_that_are_too_small_tell_nothing(shape, rng):
    assert found_in(rng.normal(100, 10, shape)) is None


def test_constant_images_tell_nothing():
    assert found_in(np.full((128, 128), 9.0)) is None
