"""Hot and dead pixels: found, filled, and told from points of light."""

import numpy as np
import pytest
import torch

from napari_mpi.engine.noise.hot_pixels import hot_pixels, without_hot_pixels


@pytest.fixture
def noisy(rng):
    """Return a slope under Gaussian noise."""
    return np.add.outer(np.arange(96.0), np.arange(96.0)) + rng.normal(0, 5, (96, 96))


@pytest.mark.parametrize("value", [500, -300])
def test_pixels_that_stand_out_alone_are_found(noisy, value):
    places = ((10, 10), (0, 40), (95, 95), (50, 50), (50, 51))
    for place in places:
        noisy[place] = value
    assert sorted(zip(*np.nonzero(hot_pixels(noisy)), strict=True)) == sorted(places)


def test_noise_has_none(noisy, rng):
    assert not hot_pixels(noisy).any()
    photons = rng.poisson(np.full((128, 128), 3.0)).astype(float)
    assert not hot_pixels(photons).any()


def test_points_of_light_are_not_taken_for_hot(rng):
    scene, rows, columns = np.full((96, 96), 20.0), *np.mgrid[:96, :96]
    for centre in rng.uniform(8, 88, (12, 2)):
        away = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2
        scene += 300 * np.exp(-away / 2)  # one pixel wide (sigma)
    assert not hot_pixels(rng.poisson(scene).astype(float)).any()


@pytest.mark.parametrize("scene", ["few photons", "constant", "two values"])
def test_where_most_pixels_equal_their_neighbours_none_is_hot(scene, rng):
    image = {
        "few photons": rng.poisson(np.full((64, 64), 0.02)).astype(float),
        "constant": np.full((64, 64), 7.0),
        "two values": (rng.random((64, 64)) < 0.001).astype(float),
    }[scene]
    assert not hot_pixels(image).any()


def test_they_alone_are_replaced_by_what_is_predicted_of_them(noisy):
    image = torch.from_numpy(np.stack([noisy, noisy])[None]).float()
    image[0, 0, 30, 30] = 900
    seen = []

    def predict(noisy, masked):
        seen.append(masked)
        return torch.full_like(noisy, -1)

    filled = without_hot_pixels(image, predict)
    changed = (filled != image).nonzero().tolist()
    assert changed == [[0, 0, 30, 30]]
    assert filled[0, 0, 30, 30] == -1
    (masked,) = seen
    assert masked.shape == (1, 1, 96, 96)
    assert masked.nonzero().tolist() == [[0, 0, 30, 30]]


def test_nothing_is_predicted_where_there_is_none(noisy):
    image = torch.from_numpy(noisy[None, None]).float()
    assert without_hot_pixels(image, lambda *_: pytest.fail("predicted")) is image
