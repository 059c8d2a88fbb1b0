"""TIFFs in, a part at a time: equal to the whole, little read, damage told."""

import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_mpi.engine.files.arrays import MappedArray
from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.files.output import write_image
from napari_mpi.engine.files.tiff import segments
from napari_mpi.engine.files.tiff.segments import SegmentedArray
from napari_mpi.engine.files.tiff.series import MappedPages
from napari_mpi.engine.images.arrays import LazyArray
from napari_mpi.engine.runtime.errors import ImageFileError

GREY = {"photometric": "minisblack"}
KINDS = {
    "contiguous": ((3, 70, 90), GREY),
    "big-endian": ((3, 70, 90), {"byteorder": ">", **GREY}),
    "bigtiff": ((3, 70, 90), {"bigtiff": True, **GREY}),
    "one-plane": ((70, 90), {"compression": "zlib", "rowsperstrip": 16}),
    "zlib-strips": ((3, 70, 90), {"compression": "zlib", "rowsperstrip": 16, **GREY}),
    "lzw-tiles": ((3, 70, 90), {"compression": "lzw", "tile": (32, 48), **GREY}),
    "big-endian-tiles": (
        (3, 70, 90),
        {"compression": "zlib", "tile": (32, 48), "byteorder": ">", **GREY},
    ),
    "predictor": ((3, 70, 90), {"compression": "zlib", "predictor": True, **GREY}),
    "bigtiff-tiles": (
        (3, 70, 90),
        {"bigtiff": True, "compression": "zlib", "tile": (32, 48), **GREY},
    ),
    "uncompressed-tiles": ((3, 70, 90), {"tile": (32, 48), **GREY}),
    "volume-tiles": (
        (20, 70, 90),
        {"tile": (16, 32, 48), "volumetric": True, "compression": "zlib", **GREY},
    ),
    "imagej": ((2, 3, 70, 90), {"imagej": True, "metadata": {"axes": "ZCYX"}}),
    "ome-channels": (
        (2, 3, 70, 90),
        {"ome": True, "compression": "zlib", "metadata": {"axes": "ZCYX"}, **GREY},
    ),
    "planar-colour": (
        (2, 3, 70, 90),
        {"photometric": "rgb", "planarconfig": "separate", "compression": "lzw"},
    ),
    "contiguous-colour": (
        (2, 70, 90, 3),
        {"photometric": "rgb", "compression": "zlib", "rowsperstrip": 16},
    ),
    "colour-tiles": (
        (70, 90, 3),
        {"photometric": "rgb", "compression": "zlib", "tile": (32, 48)},
    ),
    "separate-pages": ((3, 70, 90), {"metadata": None, "compression": "zlib", **GREY}),
}
INDICES = [
    np.s_[...],
    np.s_[0],
    np.s_[-1],
    np.s_[..., 5:40, 7:60:3],
    np.s_[..., 1],
    np.s_[0, 1],
    np.s_[1:, ..., 2:3],
    np.s_[..., 3:3],
]


@pytest.fixture(params=KINDS)
def written(request, tmp_path, rng):
    """Return a file of one kind, and its pixels."""
    shape, options = KINDS[request.param]
    dtype = np.uint8 if 3 in shape[-1:] or "rgb" in options.values() else np.uint16
    array = rng.integers(0, 200, shape).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", array, **options)
    return tmp_path / "a.tif", array


def compressed(path, shape=(4, 96, 96)):
    """Write pages of nine tiles, and return their pixels."""
    array = np.random.default_rng(0).integers(0, 999, shape).astype(np.uint16)
    tifffile.imwrite(path, array, tile=(32, 32), compression="zlib", **GREY)
    return array


@pytest.fixture
def decoded(monkeypatch):
    """Return the list of segments that were decoded, as (page, segment)."""
    found, decode = [], SegmentedArray._decoded

    def noted(self, content, number, at):
        found.append((number, at))
        return decode(self, content, number, at)

    monkeypatch.setattr(SegmentedArray, "_decoded", noted)
    return found


def failure_of(action):
    with pytest.raises(ImageFileError) as caught:
        action()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_read_a_part_at_a_time_is_what_is_read_at_once(written):
    path, array = written
    whole, lazily = read_image(path), read_image(path, lazy=True)
    assert isinstance(lazily.array, LazyArray)
    assert (lazily.axes, lazily.metadata) == (whole.axes, whole.metadata)
    assert lazily.array.shape == array.shape
    assert lazily.array.dtype == array.dtype
    assert lazily.array.dtype.isnative
    for index in INDICES:
        part = lazily.array[index]
        assert part.dtype == array.dtype
        np.testing.assert_array_equal(part, array[index])


def test_a_copy_of_a_lazy_image_is_that_of_a_whole_one(written, tmp_path):
    path, _ = written
    write_image(tmp_path / "whole.tif", read_image(path))
    write_image(tmp_path / "lazy.tif", read_image(path, lazy=True))
    one, other = (read_image(tmp_path / f"{name}.tif") for name in ("whole", "lazy"))
    assert (one.axes, one.metadata) == (other.axes, other.metadata)
    np.testing.assert_array_equal(one.array, other.array)


@pytest.mark.parametrize("folder", ["stacks", "medical/oct"])
def test_evaluation_data_is_the_same_lazily(folder, shared_data):
    paths = sorted((shared_data / "data" / "eval" / folder).glob("*.tif"))
    assert paths
    for path in paths:
        whole, lazily = read_image(path), read_image(path, lazy=True)
        assert isinstance(lazily.array, LazyArray), path
        assert lazily.axes == whole.axes
        np.testing.assert_equal(lazily.metadata.fields, whole.metadata.fields)
        np.testing.assert_array_equal(lazily.array, whole.array)


def test_opening_decodes_nothing_and_a_window_only_the_tiles_it_touches(
    tmp_path, decoded
):
    array = compressed(tmp_path / "a.tif")
    lazily = read_image(tmp_path / "a.tif", lazy=True).array
    assert decoded == []
    np.testing.assert_array_equal(lazily[2, 40:60, 30:34], array[2, 40:60, 30:34])
    assert decoded == [(2, 3), (2, 4)]
    lazily[2, 32:64, 0:64]  # the same tiles are decoded only once
    assert decoded == [(2, 3), (2, 4)]
    lazily[1]
    assert decoded[2:] == [(1, n) for n in range(9)]


def test_decoded_tiles_are_kept_within_a_bound(tmp_path, decoded, monkeypatch):
    array = compressed(tmp_path / "a.tif")
    tile = 32 * 32 * 2
    monkeypatch.setattr(segments, "_CACHE", 3 * tile)
    lazily = read_image(tmp_path / "a.tif", lazy=True).array
    np.testing.assert_array_equal(lazily, array)
    assert sum(segment.nbytes for segment in lazily.inside._cache.values()) <= 3 * tile
    lazily[3, 64:, 64:]
    assert len(decoded) == 4 * 9
    lazily[0, :8, :8]
    assert len(decoded) == 4 * 9 + 1


def test_of_a_contiguous_file_only_windows_are_mapped(tmp_path, monkeypatch):
    array = np.arange(40 * 60 * 50, dtype=np.uint16).reshape(40, 60, 50)
    tifffile.imwrite(tmp_path / "a.tif", array, **GREY)
    monkeypatch.setattr("napari_mpi.engine.files.arrays._WINDOW", 700)
    lazily = read_image(tmp_path / "a.tif", lazy=True).array
    assert isinstance(lazily.inside, MappedArray)
    for index in [*INDICES, np.s_[3:30:4, 5:50:7, 2:40:3]]:
        np.testing.assert_array_equal(lazily[index], array[index])
    for window in lazily.inside._windows(
        (slice(0, 40, 1), slice(0, 60, 1), slice(0, 50, 1))
    ):
        first = sum(
            part.start * n for part, n in zip(window, (6000, 100, 2), strict=True)
        )
        last = sum(
            (p.stop - 1) * n for p, n in zip(window, (6000, 100, 2), strict=True)
        )
        assert last - first < 2 * 700


def test_of_pages_with_gaps_between_them_only_windows_are_mapped(tmp_path):
    array = np.arange(6 * 60 * 50, dtype=np.uint16).reshape(6, 60, 50)
    with tifffile.TiffWriter(tmp_path / "a.tif", byteorder=">") as file:
        for number, page in enumerate(array):
            file.write(page, metadata=None, description="x" * number)
    lazily = read_image(tmp_path / "a.tif", lazy=True).array
    assert isinstance(lazily.inside, MappedPages)
    for index in [*INDICES, np.s_[1:5:2, 5:50:7, 2:40:3]]:
        np.testing.assert_array_equal(lazily[index], array[index])


@pytest.mark.parametrize("colour", ["grey", "rgb"])
def test_tiles_of_jpeg_are_read_like_the_whole(colour, tmp_path, rng):
    array = rng.integers(0, 255, (90, 130, 3)).astype(np.uint8)
    array = array if colour == "rgb" else array[..., 0]
    options = {"photometric": "rgb"} if colour == "rgb" else GREY
    tifffile.imwrite(
        tmp_path / "a.tif", array, compression="jpeg", tile=(32, 32), **options
    )
    lazily = read_image(tmp_path / "a.tif", lazy=True).array
    assert isinstance(lazily.inside, SegmentedArray)
    whole = read_image(tmp_path / "a.tif").array
    np.testing.assert_array_equal(lazily[20:70, 40:], whole[20:70, 40:])


def test_tiles_that_a_file_leaves_out_are_empty(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.ones((64, 64), np.uint8), tile=(32, 32), compression=8)
    with tifffile.TiffFile(path, mode="r+") as file:
        page = file.pages.first
        for name, values in (
            ("TileOffsets", page.dataoffsets),
            ("TileByteCounts", page.databytecounts),
        ):
            page.tags[name].overwrite([0, *values[1:]])
    lazily = read_image(path, lazy=True).array
    assert not lazily[:32, :32].any()
    assert lazily[32:].all()


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_no_file_is_left_open(written):
    path, _ = written
    lazily = read_image(path, lazy=True).array
    lazily[..., 1]
    links = (link for link in Path("/proc/self/fd").iterdir() if link.exists())
    assert str(path) not in {str(link.resolve()) for link in links}


def test_other_threads_may_read(tmp_path):
    array = compressed(tmp_path / "a.tif")
    lazily = read_image(tmp_path / "a.tif", lazy=True).array
    found = {}
    threads = [
        threading.Thread(target=lambda n=n: found.__setitem__(n, lazily[n % 4]))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n in range(8):
        np.testing.assert_array_equal(found[n], array[n % 4])


def test_a_file_cut_short_is_told_when_it_is_opened(written):
    path, _ = written
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 3 // 5])
    message = failure_of(lambda: read_image(path, lazy=True))
    assert str(path) in message
    assert "damaged" in message


def test_damage_that_is_met_later_names_page_and_way_out(tmp_path):
    path = tmp_path / "a.tif"
    array = compressed(path)
    with tifffile.TiffFile(path) as file:
        offset = file.pages[2].dataoffsets[4]
    content = bytearray(path.read_bytes())
    content[offset : offset + 40] = b"\xff" * 40
    path.write_bytes(content)
    lazily = read_image(path, lazy=True).array
    np.testing.assert_array_equal(lazily[2, :32], array[2, :32])
    message = failure_of(lambda: lazily[2])
    assert f"{path} is damaged in page 3" in message
    assert "copy it again" in message


def test_a_file_that_changes_after_it_was_opened_is_told(written):
    path, _ = written
    lazily = read_image(path, lazy=True).array
    tifffile.imwrite(path, np.zeros((7, 8), np.uint8))
    assert "open it again" in failure_of(lambda: lazily[..., 0])
    path.unlink()
    assert "open it again" in failure_of(lambda: lazily[..., 0])
