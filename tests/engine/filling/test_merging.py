"""The pixel's own value, merged into a prediction by the errors of both."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from napari_mpi.engine.filling.merging import merged


def tensor(image):
    return torch.from_numpy(np.asarray(image, dtype=np.float32))[None, None]


@pytest.fixture
def clean(rng):
    """Return smooth structure between 0.2 and 0.8."""
    image = gaussian_filter(rng.normal(size=(256, 256)), 12)
    return 0.2 + 0.6 * (image - image.min()) / np.ptp(image)


def error(image, clean):
    return float((image - tensor(clean)).square().mean())


def test_a_blind_prediction_is_merged_by_inverse_variances(clean, rng):
    sigma, blur = 0.05, 0.05
    noisy = tensor(clean + rng.normal(0, sigma, clean.shape))
    predicted = tensor(clean + rng.normal(0, blur, clean.shape))
    variance = torch.full_like(noisy, sigma**2)
    result = merged(noisy, predicted, torch.zeros_like(noisy), variance)
    # Two measurements of equal error, independent of each other.
    assert error(result, clean) == pytest.approx(sigma**2 / 2, rel=0.1)


def test_a_prediction_that_took_the_pixel_over_gains_from_it_no_more(clean, rng):
    noise = rng.normal(0, 0.05, clean.shape)
    best = tensor(clean + 0.5 * noise + rng.normal(0, 0.025, clean.shape))
    noisy = tensor(clean + noise)
    variance = torch.full_like(noisy, 0.05**2)
    taken = torch.full_like(noisy, 0.5)
    told = error(merged(noisy, best, taken, variance), clean)
    untold = error(merged(noisy, best, torch.zeros_like(noisy), variance), clean)
    # <(y - D)^2> = 2 (0.025)^2, of which s2 (1 - c) would explain all and more.
    assert told == pytest.approx(error(best, clean), rel=0.02)
    assert untold == pytest.approx(error(best, clean), rel=0.02)
    blind = tensor(clean + rng.normal(0, 0.025, clean.shape))
    assert error(merged(noisy, blind, 0 * taken, variance), clean) < error(blind, clean)


def test_a_good_prediction_gets_no_noise_back(clean, rng):
    noisy = tensor(clean + rng.normal(0, 0.1, clean.shape))
    variance = torch.full_like(noisy, 0.1**2)
    result = merged(noisy, tensor(clean), torch.zeros_like(noisy), variance)
    assert error(result, clean) < 0.002 * 0.1**2


def test_where_a_prediction_fails_the_pixels_own_values_stay(clean, rng):
    noisy = tensor(clean + rng.normal(0, 0.01, clean.shape))
    predicted = tensor(clean)
    predicted[..., :128] += 0.2
    variance = torch.full_like(noisy, 0.01**2)
    result = merged(noisy, predicted, torch.zeros_like(noisy), variance)
    torch.testing.assert_close(result[..., :96], noisy[..., :96], rtol=0, atol=1e-3)
    assert error(result[..., 160:], clean[:, 160:]) < 0.1 * 0.01**2
