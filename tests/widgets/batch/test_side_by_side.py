"""Input and result side by side: the same place and looks, one pair at a time."""

from dataclasses import replace

import numpy as np
import pytest
import tifffile

from napari_mpi.batch.outcomes import Outcome, Status
from napari_mpi.batch.request import Folders
from napari_mpi.engine.runtime.errors import ImageFileError
from napari_mpi.widgets.batch.side_by_side import SideBySide
from napari_mpi.widgets.layers.view import camera, grid

pytestmark = pytest.mark.gui
DONE = Outcome("0.tif", "0-clear.tif", Status.DONE)


@pytest.fixture
def folders(tmp_path, rng):
    """Return folders of three calibrated stacks and their results."""
    folders = Folders(tmp_path, tmp_path / "clear")
    folders.output.mkdir()
    for number in range(3):
        image = rng.integers(100, 900, (4, 30, 40)).astype(np.uint16)
        write(folders.source / f"{number}.tif", image)
        write(folders.output / f"{number}-clear.tif", image // 2)
    return folders


def write(path, image):
    calibration = {"axes": "ZYX", "unit": "um", "spacing": 0.5}
    tifffile.imwrite(path, image, imagej=True, resolution=(5, 5), metadata=calibration)


def done(number):
    return replace(DONE, file=f"{number}.tif", output=f"{number}-clear.tif")


def names(viewer):
    return [layer.name for layer in viewer.layers]


def test_both_lie_in_the_same_place_and_look_alike(viewer, folders):
    assert SideBySide(viewer).show(DONE, folders) is None
    source, result = viewer.layers
    assert names(viewer) == ["0.tif", "0-clear.tif"]
    for layer in (source, result):
        np.testing.assert_allclose(layer.scale, (0.5, 0.2, 0.2))
        assert [str(unit) for unit in layer.units] == ["micrometer"] * 3
        assert layer.axis_labels == ("z", "y", "x")
        assert not isinstance(layer.data, np.ndarray)  # read as it is looked at
    assert source.contrast_limits == result.contrast_limits
    assert source.colormap == result.colormap
    assert grid(viewer).enabled


def test_the_next_pair_takes_the_place_of_the_last(viewer, folders):
    viewer.add_image(np.zeros((4, 30, 40)), name="mine")
    pairs = SideBySide(viewer)
    pairs.show(done(0), folders)
    viewer.layers.remove("0.tif")  # the person's right
    pairs.show(done(2), folders)
    assert names(viewer) == ["mine", "2.tif", "2-clear.tif"]


def test_zoom_and_plane_stay_while_one_browses(viewer, folders):
    pairs = SideBySide(viewer)
    pairs.show(done(0), folders)
    camera(viewer).zoom, viewer.dims.current_step = 2.5, (3, 0, 0)
    pairs.show(done(1), folders)
    assert camera(viewer).zoom == 2.5
    assert viewer.dims.current_step[0] == 3


def test_an_image_of_another_size_is_brought_into_view(viewer, folders):
    pairs = SideBySide(viewer)
    pairs.show(done(0), folders)
    camera(viewer).zoom = 250
    write(folders.source / "1.tif", np.ones((4, 300, 400), np.uint16))
    write(folders.output / "1-clear.tif", np.ones((4, 300, 400), np.uint16))
    pairs.show(done(1), folders)
    assert camera(viewer).zoom < 100


@pytest.mark.parametrize(
    ("status", "message", "told"),
    [
        (Status.FAILED, "it holds no numbers: mend it", "it holds no numbers"),
        (Status.NOT_REACHED, "", "it was not denoised"),
        (Status.RUNNING, "", "it was not denoised"),
    ],
)
def test_of_a_file_without_result_the_input_is_shown(
    viewer, folders, status, message, told
):
    # What an earlier run has left behind is no result of this one.
    outcome = replace(DONE, status=status, message=message)
    assert told in SideBySide(viewer).show(outcome, folders)
    assert names(viewer) == ["0.tif"]


@pytest.mark.parametrize("name", ["1.tif", "clear/1-clear.tif"])
def test_what_cannot_be_read_leaves_everything_as_it_was(viewer, folders, name):
    pairs = SideBySide(viewer)
    pairs.show(done(0), folders)
    (folders.source / name).write_bytes(b"no image")
    with pytest.raises(ImageFileError, match="cannot be read"):
        pairs.show(done(1), folders)
    assert names(viewer) == ["0.tif", "0-clear.tif"]


def test_damaged_pixels_are_told_before_anything_is_shown(viewer, folders, rng):
    path = folders.source / "1.tif"
    image = rng.integers(0, 900, (30, 40)).astype(np.uint16)
    tifffile.imwrite(path, image, compression="zlib")
    with tifffile.TiffFile(path) as file:
        start = file.pages[0].dataoffsets[0]
    damaged = bytearray(path.read_bytes())
    damaged[start : start + 200] = bytes(200)
    path.write_bytes(damaged)
    with pytest.raises(ImageFileError, match=r"1\.tif"):
        SideBySide(viewer).show(done(1), folders)
    assert not viewer.layers


def test_colours_are_shown_as_colours(viewer, folders, rng):
    colours = rng.integers(0, 255, (20, 30, 3)).astype(np.uint8)
    tifffile.imwrite(folders.source / "1.tif", colours, photometric="rgb")
    tifffile.imwrite(folders.output / "1-clear.tif", colours, photometric="rgb")
    SideBySide(viewer).show(done(1), folders)
    assert [layer.rgb for layer in viewer.layers] == [True, True]
    assert viewer.layers[0].axis_labels == ("y", "x")
