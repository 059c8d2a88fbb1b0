"""Source minus result, as it is looked at."""

import numpy as np
import pytest

from napari_mpi.engine.images.difference import Removed


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "uint32"])
def test_differences_have_signs_whatever_the_type(rng, dtype):
    source = rng.integers(0, 100, (3, 20, 30)).astype(dtype)
    result = rng.integers(0, 100, (3, 20, 30)).astype(dtype)
    removed = Removed(source, result)
    assert removed.shape == source.shape
    expected = source.astype(float) - result.astype(float)
    np.testing.assert_array_equal(np.asarray(removed), expected)
    np.testing.assert_array_equal(removed[1, 5:9], expected[1, 5:9])


def test_large_integers_are_told_apart():
    source = np.full((4, 4), 2**31 + 1, np.uint32)
    removed = Removed(source, np.full((4, 4), 2**31, np.uint32))
    assert np.all(removed[...] == 1)


def test_of_colours_the_mean_is_shown(rng):
    source, result = rng.uniform(0, 1, (2, 20, 30, 3)).astype(np.float32)
    removed = Removed(source, result, colour=True)
    assert removed.shape == (20, 30)
    np.testing.assert_allclose(
        removed[2:5], (source - result).mean(-1)[2:5], rtol=1e-5, atol=1e-6
    )


def test_only_what_is_looked_at_is_read(rng, counted):
    source = counted(rng.normal(0, 10, (50, 64, 64)).astype(np.float32))
    removed = Removed(source, np.zeros((50, 64, 64), np.float32))
    low, high = removed.limits()
    assert high == -low == pytest.approx(30, rel=0.1)
    assert len(source.reads) == 1
    assert source.reads[0][0] == 25


def test_where_nothing_was_removed_there_still_are_limits():
    flat = np.zeros((8, 8), np.uint8)
    assert Removed(flat, flat).limits() == (-1.0, 1.0)
