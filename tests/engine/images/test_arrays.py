"""Lazy arrays: they show what numpy would, and read no more than they are asked for."""

import numpy as np
import pytest

from napari_mpi.engine.images import arrays
from napari_mpi.engine.images.arrays import View, full_index, part_of
from napari_mpi.engine.images.axes import ImageAxes
from napari_mpi.engine.images.results import DiskArray, GrowingResult

INDICES = [
    np.s_[...],
    np.s_[1],
    np.s_[-1],
    np.s_[1:3],
    np.s_[..., 2],
    np.s_[1, :, 2:7:3],
    np.s_[:, 5, 6],
    np.s_[2:, -2:, 1],
    np.s_[np.int64(1), 0, 0],
]


@pytest.fixture
def array(rng):
    return rng.integers(0, 999, (4, 6, 8)).astype(np.uint16)


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_views_and_results_give_the_parts_that_numpy_gives(counted, index, array):
    disk = DiskArray(array.shape, array.dtype)
    disk[...] = array
    growing = GrowingResult(counted(array), ImageAxes("ZYX", array.shape))
    growing[1] = array[1]
    for same in (View(counted(array), ...), disk, growing):
        found = same[index]
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array[index])
        assert np.shape(found) == np.shape(array[index])


def test_a_view_of_a_part_keeps_the_part_s_order_and_dimensions(counted, array):
    part = part_of(counted(array), np.s_[1:4:2, 3, 2:6])
    np.testing.assert_array_equal(part, array[1:4:2, 3, 2:6])
    np.testing.assert_array_equal(part[1, 1:3], array[3, 3, 3:5])
    assert (part.shape, part.ndim, part.nbytes) == ((2, 4), 2, 16)


def test_a_view_reads_only_what_is_asked_of_it(counted, array):
    source = counted(array)
    part = part_of(source, np.s_[1:3, :, 2:6])
    assert source.reads == []
    part[1, 0]
    assert source.reads == [np.s_[2, 0, 2:6:1]]


def test_a_part_of_a_numpy_array_is_numpy_s_own_view(array):
    part = part_of(array, np.s_[1:3])
    assert part.base is array


@pytest.mark.parametrize("index", [np.s_[4], np.s_[0, 0, 0, 0], np.s_[::-1]], ids=str)
def test_what_is_not_inside_is_an_index_error(index, array):
    with pytest.raises(IndexError):
        full_index(index, array.shape)


def test_a_result_shows_its_source_until_something_is_written(counted, array):
    source = counted(array)
    result = GrowingResult(source, ImageAxes("ZYX", array.shape))
    assert source.reads == []
    result[2, 1:3, 4:] = 7
    expected = array.copy()
    expected[2, 1:3, 4:] = 7
    np.testing.assert_array_equal(result, expected)
    result[0] = 5
    np.testing.assert_array_equal(result[0], np.full((6, 8), 5))


def test_a_result_with_colours_grows_plane_by_plane(counted, rng):
    image = rng.integers(0, 99, (2, 6, 8, 3)).astype(np.uint8)
    result = GrowingResult(counted(image), ImageAxes("TYXS", image.shape))
    result[1, :, :, slice(0, 2)] = 3
    expected = image.copy()
    expected[1, ..., :2] = 3
    np.testing.assert_array_equal(result, expected)


def test_a_result_leaves_no_file_behind(tmp_path, array):
    result = DiskArray(array.shape, array.dtype, tmp_path)
    result[...] = array
    del result
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_room_is_told_before_the_work(array, tmp_path, monkeypatch):
    full = lambda folder: type("Usage", (), {"free": 10})  # noqa: E731
    monkeypatch.setattr(arrays.shutil, "disk_usage", full)
    with pytest.raises(OSError, match="no room on the disk"):
        DiskArray(array.shape, array.dtype, tmp_path)


def test_a_plane_that_is_written_as_a_whole_is_not_read(counted, array):
    source = counted(array)
    result = GrowingResult(source, ImageAxes("ZYX", array.shape))
    result[2] = 7
    assert source.reads == []
    result[1, 2:4] = 7
    assert len(source.reads) == 1
