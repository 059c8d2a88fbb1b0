"""Noise with the mean and the variance that its formula says."""

import numpy as np
import pytest
import torch

from napari_mpi.engine.noise import (
    neighbour_correlation,
    poisson_gaussian,
    smoothed,
)


@pytest.mark.parametrize("level", [50.0, 800.0])
def test_poisson_gaussian_noise_has_its_moments(level, rng):
    clean = np.full((500, 500), level)
    noisy = poisson_gaussian(clean, gain=4.0, read_noise=10.0, rng=rng)
    assert noisy.mean() == pytest.approx(level, rel=0.005)
    assert noisy.var() == pytest.approx(4.0 * level + 100, rel=0.02)


def test_neighbours_share_nothing_of_white_noise_and_all_of_a_slope():
    white = torch.randn(1, 2, 128, 128, generator=torch.Generator().manual_seed(0))
    assert neighbour_correlation(white) == pytest.approx(0, abs=0.02)
    pairs = white.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    assert neighbour_correlation(pairs) == pytest.approx(0.5, abs=0.02)
    assert neighbour_correlation(pairs, distance=2) == pytest.approx(0, abs=0.02)
    slope = torch.arange(128.0).expand(1, 1, 128, 128)
    assert neighbour_correlation(slope) > 0.9


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 1, 1, 9), (2, 3, 8, 8)])
@pytest.mark.parametrize("value", [0.5, 0.0])
def test_what_has_no_neighbours_or_no_noise_shares_nothing(shape, value):
    assert neighbour_correlation(torch.full(shape, value)) == 0.0


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (64, 61)])
def test_smoothing_keeps_what_is_constant(size):
    image = torch.full((2, 3, *size), 0.7)
    torch.testing.assert_close(smoothed(image), image)


def test_smoothing_spreads_a_point_over_a_bell_of_8_pixels():
    image = torch.zeros(1, 1, 128, 128)
    image[..., 62:66, 62:66] = 1
    bell = smoothed(image)[0, 0].double()
    assert float(bell.sum()) == pytest.approx(16, rel=0.01)
    away = torch.arange(128) - 63.5
    spread = float((bell.sum(dim=0) * away**2).sum() / bell.sum()) ** 0.5
    assert 7.5 < spread < 9
