"""Noise with the mean and the variance that its formula says."""

import numpy as np
import pytest

from napari_mpi.engine.noise import poisson_gaussian


@pytest.mark.parametrize("level", [50.0, 800.0])
def test_poisson_gaussian_noise_has_its_moments(level, rng):
    clean = np.full((500, 500), level)
    noisy = poisson_gaussian(clean, gain=4.0, read_noise=10.0, rng=rng)
    assert noisy.mean() == pytest.approx(level, rel=0.005)
    assert noisy.var() == pytest.approx(4.0 * level + 100, rel=0.02)
