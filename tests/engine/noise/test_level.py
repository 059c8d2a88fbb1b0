"""White noise, told from the image alone."""

import numpy as np
import pytest
from skimage import data

from napari_mpi.engine.images.axes import ImageAxes
from napari_mpi.engine.noise.level import noise_level, white_noise_level


@pytest.mark.parametrize("sigma", [5.0, 10.0, 40.0])
def test_noise_on_a_photograph_is_told_from_its_structure(rng, sigma):
    clean = data.camera().astype(np.float32)
    noisy = clean + rng.normal(0, sigma, clean.shape)
    assert white_noise_level(noisy) == pytest.approx(sigma, rel=0.15)


def test_of_an_image_without_noise_little_is_found(rng):
    smooth = np.hypot(*np.mgrid[:200, :200]) * 10
    assert white_noise_level(smooth) < 0.1
    assert white_noise_level(np.full((50, 50), 7)) == 0


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "uint64"])
def test_every_type_is_measured_in_its_own_units(rng, dtype):
    noisy = (100 + rng.normal(0, 10, (128, 128))).round().astype(dtype)
    assert white_noise_level(noisy) == pytest.approx(10, rel=0.1)


def test_stacks_and_colours_are_looked_at_plane_by_plane(rng, counted):
    stack = counted((100 + rng.normal(0, 10, (40, 2, 64, 64))).astype(np.float32))
    found = noise_level(stack, ImageAxes("TCYX", stack.shape))
    assert found == pytest.approx(10, rel=0.1)
    assert len(stack.reads) == 8
    colour = rng.normal(0, 10, (64, 64, 3))
    assert noise_level(colour, ImageAxes("YXS", colour.shape)) == pytest.approx(
        10, rel=0.1
    )


def test_of_a_line_nothing_can_be_said():
    assert noise_level(np.zeros((2, 50)), ImageAxes("YX", (2, 50))) is None
