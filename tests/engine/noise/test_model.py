"""The noise's variance by intensity, estimated from one image."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from napari_mpi.engine.filling.merging import merged
from napari_mpi.engine.noise.laws import PoissonGaussian
from napari_mpi.engine.noise.model import NoiseModel, estimate_noise


def tensor(image):
    return torch.from_numpy(np.asarray(image, dtype=np.float32))[None, None]


@pytest.fixture
def clean(rng):
    """Return smooth structure between 0.2 and 0.8."""
    image = gaussian_filter(rng.normal(size=(256, 256)), 12)
    return 0.2 + 0.6 * (image - image.min()) / np.ptp(image)


@pytest.mark.parametrize("sigma", [0.01, 0.1])
def test_the_variance_of_gaussian_noise_is_found(sigma, clean, rng):
    noisy = tensor(clean + rng.normal(0, sigma, clean.shape))
    model = estimate_noise(noisy, tensor(clean), tensor(clean))
    variance = model.variance(tensor(clean))
    assert float(variance.mean()) == pytest.approx(sigma**2, rel=0.1)
    assert model.is_white


def test_photon_noise_grows_with_intensity(clean, rng):
    noisy = PoissonGaussian(0.02, 0.02).noisy(clean, rng=rng)
    model = estimate_noise(tensor(noisy), tensor(clean), tensor(clean))
    for level in (0.25, 0.5, 0.75):
        found = float(model.variance(torch.tensor(level)))
        assert found == pytest.approx(0.02 * level + 0.02**2, rel=0.15)


def test_correlated_noise_is_recognised(clean, rng):
    grain = gaussian_filter(rng.normal(size=clean.shape), 1)
    noisy = tensor(clean + 0.05 * grain / grain.std())
    assert not estimate_noise(noisy, tensor(clean), tensor(clean)).is_white


@pytest.mark.parametrize("period", [4, 6])
def test_missed_lines_are_no_correlated_noise(period, clean, rng):
    y, x = np.indices(clean.shape)
    lines = 0.1 * np.sin(2 * np.pi * (0.9 * x + 0.4 * y) / period)
    noise = rng.normal(0, 0.01, clean.shape)
    model = estimate_noise(tensor(clean + lines + noise), tensor(clean), tensor(clean))
    assert model.spread > 1.5
    assert model.is_white
    # Less of the lines is in the finest detail than in what two pixels show.
    assert float(model.variance(tensor(clean)).mean()) < 0.25 * (lines**2).mean()


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (7, 5)])
def test_the_smallest_images_have_a_noise_too(size):
    noisy = torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(0))
    model = estimate_noise(noisy, torch.zeros_like(noisy), torch.zeros_like(noisy))
    assert torch.isfinite(model.variance(noisy)).all()
    variance = torch.full_like(noisy, 0.1)
    result = merged(noisy, torch.zeros_like(noisy), torch.zeros_like(noisy), variance)
    assert torch.isfinite(result).all()


def test_variance_stays_above_zero_below_the_darkest():
    model = NoiseModel(slope=0.1, floor=0.0, darkest=0.2, spread=1.0)
    assert (model.variance(torch.tensor([-1.0, 0.2, 0.3])) > 0).all()
