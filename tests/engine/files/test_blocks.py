"""Large arrays are cut into blocks that cover them, in the order of a file."""

import io

import numpy as np
import pytest

from napari_mpi.engine.files.blocks import blocks, rearranged, write_blocks


class Foreign:
    """An array that is not numpy's."""

    def __init__(self, array):
        self._array, self.shape, self.dtype = array, array.shape, array.dtype

    def __getitem__(self, index):
        return self._array[index]


@pytest.mark.parametrize("most", [2, 13, 16, 100, 500, 10**6])
@pytest.mark.parametrize("shape", [(7,), (6, 8), (3, 6, 8), (2, 3, 1, 8), (1, 1, 5)])
def test_blocks_follow_each_other_and_are_no_larger_than_allowed(shape, most):
    numbers = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    parts = [numbers[index] for index in blocks(shape, 2, most)]
    np.testing.assert_array_equal(
        np.concatenate([np.ravel(p) for p in parts]), numbers.ravel()
    )
    assert max(part.nbytes for part in parts) <= most


@pytest.mark.parametrize("dtype", ["<u2", ">u2"])
def test_what_is_written_has_the_order_of_the_file(dtype):
    array = np.arange(3 * 6 * 8, dtype=np.uint16).reshape(3, 6, 8)
    file = io.BytesIO()
    write_blocks(file, Foreign(array), np.dtype(dtype))
    assert file.getvalue() == array.astype(dtype).tobytes()


def test_a_rearranged_array_is_read_in_its_new_order():
    array = np.arange(3 * 6 * 8).reshape(3, 6, 8)
    expected = array.transpose(2, 0, 1)
    for source in (array, Foreign(array)):
        found = rearranged(source, "ZYX", "XZY")
        assert found.shape == (8, 3, 6)
        for index in (np.s_[...], np.s_[1], np.s_[:, 2, 1:5:2], np.s_[3, :, 4]):
            np.testing.assert_array_equal(found[index], expected[index])
    assert rearranged(array, "ZYX", "ZYX") is array
