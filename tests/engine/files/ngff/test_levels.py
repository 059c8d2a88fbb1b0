"""Levels of OME-Zarr: read by number, written as the source has them."""

import numpy as np
import pytest

from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.files.ngff.levels import block_means, factors_of
from napari_mpi.engine.files.output import write_image
from napari_mpi.engine.runtime.errors import ImageFileError

zarr = pytest.importorskip("zarr", reason="the extra is not installed")

PIXELS = np.arange(4 * 21 * 30, dtype=np.uint16).reshape(4, 21, 30)


def write(path, levels, *, beside=()):
    """Write a stack of levels, each told twice as coarse as the one before."""
    group = zarr.open_group(str(path), mode="w", zarr_format=2)
    datasets = []
    for number, data in enumerate(levels):
        group.create_array(f"s{number}", data=data, chunks=(1, 16, 16))
        told = [{"type": "scale", "scale": [2.0, 0.5 * 2**number, 0.5 * 2**number]}]
        datasets.append({"path": f"s{number}", "coordinateTransformations": told})
    axes = [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "zyx"]
    for name in beside:
        group.create_group(name)
    group.attrs["multiscales"] = [
        {"version": "0.4", "axes": axes, "datasets": datasets}
    ]


@pytest.fixture
def source(tmp_path):
    """Return an image of three levels, with labels."""
    levels = [PIXELS, PIXELS[:, ::2, ::2], PIXELS[::2, ::4, ::4]]
    write(tmp_path / "a.zarr", levels, beside=["labels", "tables"])
    return tmp_path / "a.zarr"


def test_any_level_is_read_with_its_own_scale(source):
    for level, step in enumerate((0.5, 1.0, 2.0)):
        image = read_image(source, level=level)
        assert image.calibration.steps["X"] == (step, "um")
        assert image.array.shape[-1] == -(-30 // 2**level)


def test_a_level_that_there_is_not_is_told(source, tmp_path):
    with pytest.raises(ImageFileError, match="no level 3: it has 3, from 0 to 2"):
        read_image(source, level=3)
    zarr.save_array(str(tmp_path / "plain.zarr"), PIXELS)
    with pytest.raises(ImageFileError, match="one array: it has no level 1"):
        read_image(tmp_path / "plain.zarr", level=1)
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(ImageFileError, match="has no levels: do without --level 1"):
        read_image(tmp_path / "a.png", level=1)


@pytest.mark.parametrize("first", [0, 1, 2])
def test_what_is_written_has_the_level_that_was_read_and_coarser_ones(
    first, source, tmp_path
):
    write_image(tmp_path / "b.zarr", read_image(source, lazy=True, level=first))
    group = zarr.open_group(str(tmp_path / "b.zarr"), mode="r")
    datasets = group.attrs["multiscales"][0]["datasets"]
    model = zarr.open_group(str(source), mode="r")
    told = model.attrs["multiscales"][0]["datasets"][first:]
    assert datasets == [one | {"path": str(n)} for n, one in enumerate(told)]
    shapes = [group[one["path"]].shape for one in datasets]
    assert shapes == [model[one["path"]].shape for one in told]
    assert read_image(tmp_path / "b.zarr", level=0).array.shape == shapes[0]


def test_what_lies_beside_the_levels_is_not_copied_and_that_is_told(source, tmp_path):
    from napari_mpi.engine.files.output import notes_on_writing

    image = read_image(source, lazy=True)
    (note,) = notes_on_writing(tmp_path / "b.zarr", image)
    assert note == "what lies beside the image is not copied: labels and tables"
    write_image(tmp_path / "b.zarr", image)
    group = zarr.open_group(str(tmp_path / "b.zarr"), mode="r")
    assert sorted(group) == ["0", "1", "2"]


def test_levels_that_are_no_whole_fractions_are_left_out_and_that_is_told(tmp_path):
    write(tmp_path / "a.zarr", [PIXELS, PIXELS[:, :10, :15], PIXELS[:, :9, :14]])
    image = read_image(tmp_path / "a.zarr", lazy=True)
    with pytest.warns(UserWarning, match="its 1 coarsest level cannot be written"):
        write_image(tmp_path / "b.zarr", image)
    group = zarr.open_group(str(tmp_path / "b.zarr"), mode="r")
    assert len(group.attrs["multiscales"][0]["datasets"]) == 2


@pytest.mark.parametrize(
    ("finer", "coarser", "factors"),
    [
        ((4, 21, 30), (4, 11, 15), (1, 2, 2)),
        ((4, 21, 30), (4, 10, 15), (1, 2, 2)),
        ((4, 21, 30), (1, 5, 7), (4, 4, 4)),
        ((100,), (33,), (3,)),
        ((30,), (14,), None),
        ((5,), (7,), None),
    ],
)
def test_by_how_much_a_level_is_coarser(finer, coarser, factors):
    assert factors_of(finer, coarser) == factors


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32", "float64"])
def test_means_are_those_of_what_there_is(dtype, rng):
    block = rng.integers(-50, 200, (3, 7, 5)).clip(0 if dtype[0] == "u" else -50, None)
    block = block.astype(dtype)
    means = block_means(block, (1, 2, 4))
    assert (means.dtype, means.shape) == (block.dtype, (3, 4, 2))
    for row in range(4):
        for column in range(2):
            rows = slice(2 * row, 2 * row + 2)
            part = block[:, rows, 4 * column : 4 * column + 4]
            wanted = part.astype(float).mean((1, 2))
            wanted = wanted if dtype[0] == "f" else np.rint(wanted)
            np.testing.assert_allclose(means[:, row, column], wanted, rtol=1e-6)
