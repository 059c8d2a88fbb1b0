"""Noise with the mean and the variance that its formula says."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from napari_mpi.engine.noise.correlation import (
    REPEATED,
    neighbour_correlation,
    repeated_share,
)
from napari_mpi.engine.noise.laws import PoissonGaussian
from napari_mpi.engine.noise.smoothing import smoothed


@pytest.mark.parametrize("level", [50.0, 800.0])
def test_poisson_gaussian_noise_has_its_moments(level, rng):
    clean = np.full((500, 500), level)
    noisy = PoissonGaussian(4.0, 10.0).noisy(clean, rng=rng)
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


def tensor(image):
    return torch.from_numpy(np.asarray(image, dtype=np.float32))[None, None]


def wave(period, shape=(128, 160)):
    """Return lines across an image, of variance 1."""
    y, x = np.indices(shape)
    return 2**0.5 * np.sin(2 * np.pi * (0.9 * x + 0.4 * y) / period)


@pytest.mark.parametrize("blur", [0, 0.6, 1.0, 2.0])
def test_noise_does_not_repeat_however_correlated(blur, rng):
    noise = gaussian_filter(rng.normal(size=(128, 160)), blur)
    assert repeated_share(tensor(noise / noise.std())) < REPEATED / 2


@pytest.mark.parametrize("period", [3, 4.4, 6, 8])
def test_of_lines_under_noise_their_share_of_the_variance_repeats(period, rng):
    noise = rng.normal(size=(128, 160))
    for strength in (0.5, 1.0, 2.0):
        share = repeated_share(tensor(noise + strength * wave(period)))
        assert share == pytest.approx(strength**2 / (1 + strength**2), abs=0.1)


def test_windows_repeat_each_in_its_own_way_and_count_by_their_power(rng):
    noise = tensor(rng.normal(size=(128, 160)))
    lines = [tensor(wave(period)) for period in (4, 6)]
    assert repeated_share(torch.cat(lines)) > 0.8
    assert repeated_share(torch.cat(lines, dim=1)) > 0.8
    assert repeated_share(torch.cat([*lines, 10 * noise])) < 0.1
    assert repeated_share(torch.cat([*lines, 0.1 * noise])) > 0.8


def test_slow_changes_of_brightness_do_not_repeat(rng):
    noise = rng.normal(size=(128, 160))
    drift = gaussian_filter(rng.normal(size=noise.shape), 40)
    assert repeated_share(tensor(noise + 5 * drift / drift.std())) < 0.2
    # Nor does an offset hide what does.
    assert repeated_share(tensor(100 + noise + 2 * wave(6))) > 0.6


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 1, 63, 200), (1, 3, 80, 70)])
def test_nothing_repeats_where_nothing_is_left_or_can_be_told(shape):
    assert repeated_share(torch.full(shape, 0.3)) == 0
    assert repeated_share(torch.zeros(shape)) == 0
    lines = torch.arange(shape[-1]).remainder(4.0).expand(shape)
    assert (repeated_share(lines) > 0) == (min(shape[-2:]) >= 64)


@pytest.mark.gpu
def test_what_repeats_is_the_same_on_cuda(rng):
    image = tensor(rng.normal(size=(128, 160)) + wave(5))
    assert repeated_share(image.cuda()) == pytest.approx(
        repeated_share(image), abs=1e-3
    )


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
