"""Chunks that are kept: the same pixels, each chunk read once while there is room."""

import numpy as np
import pytest

from napari_mpi.engine.denoising.regions.cached import CachedChunks

ARRAY = np.arange(7 * 13 * 11, dtype=np.int32).reshape(7, 13, 11)
CHUNKS = (3, 4, 5)


class Counted:
    """An array that notes what is read of it."""

    shape, dtype = ARRAY.shape, ARRAY.dtype

    def __init__(self):
        self.reads = []

    def __getitem__(self, index):
        self.reads.append(tuple(part.start for part in index))
        return ARRAY[index]


def parts(rng, length):
    if rng.random() < 0.3:
        return int(rng.integers(length))
    first = int(rng.integers(length))
    last = int(rng.integers(first, length + 1))
    return slice(first, last, int(rng.choice([1, 1, 2, 3])))


@pytest.mark.parametrize("room", [0, 400, 10**6])
def test_any_part_is_what_the_array_holds(room, rng):
    cached = CachedChunks(Counted(), CHUNKS, room)
    for _ in range(300):
        index = tuple(parts(rng, length) for length in ARRAY.shape)
        np.testing.assert_array_equal(cached[index], ARRAY[index])


def test_each_chunk_is_read_once_while_there_is_room(rng):
    source = Counted()
    cached = CachedChunks(source, CHUNKS, ARRAY.nbytes)
    for _ in range(50):
        cached[tuple(parts(rng, length) for length in ARRAY.shape)]
    assert len(source.reads) == len(set(source.reads))


def test_what_was_read_last_stays_where_there_is_little_room():
    source = Counted()
    cached = CachedChunks(source, CHUNKS, 3 * 60 * 4)
    for plane in range(3):  # of three chunks along X, one deep
        cached[plane, :4]
    assert len(source.reads) == 3
    cached[3, :4]
    cached[2, :4]
    assert len(source.reads) == 9


def test_a_copy_is_returned():
    cached = CachedChunks(ARRAY, CHUNKS, 10**6)
    cached[:3, :4, :5][:] = -1
    np.testing.assert_array_equal(cached[:3, :4, :5], ARRAY[:3, :4, :5])
