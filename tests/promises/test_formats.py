"""From one format into another: what the steps measure and what channels are called."""

import numpy as np
import pytest
import tifffile

from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.files.metadata import Calibration, ImageFile, Metadata
from napari_mpi.engine.files.output import write_image

pytest.importorskip("zarr")
pytest.importorskip("nibabel")

SPACE = {"Z": (0.7, "um"), "Y": (0.25, "um"), "X": (0.5, "um")}


def pixels(shape, dtype="uint16"):
    return (1 + np.arange(np.prod(shape)) % 250).reshape(shape).astype(dtype)


def imagej(path, **said):
    """Write a stack as ImageJ does: its unit is a word, its pixels are per unit."""
    tifffile.imwrite(
        path,
        pixels((2, 3, 7, 8)),
        imagej=True,
        resolution=(2.0, 4.0),
        metadata={"axes": "TZYX", "spacing": 0.7, "finterval": 2.5, **said},
    )
    return read_image(path, lazy=True)


def ome(path):
    metadata = {
        "axes": "CZYX",
        "PhysicalSizeX": 500,
        "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": 0.25,
        "PhysicalSizeZ": 0.7,
        "PhysicalSizeZUnit": "µm",
        "Channel": {"Name": ["nuclei", "Müller"], "Color": [-16776961, 16711935]},
    }
    array = pixels((2, 3, 7, 8))
    tifffile.imwrite(path, array, ome=True, photometric="minisblack", metadata=metadata)
    return read_image(path, lazy=True)


@pytest.mark.parametrize("unit", ["micron", "um", "\\u00B5m", "µm", "micrometer"])
def test_sizes_of_imagej_are_understood(unit, tmp_path):
    description = f"ImageJ=1.54f\nimages=1\nunit={unit}\n".encode()
    tifffile.imwrite(
        tmp_path / "a.tif",
        pixels((7, 8)),
        description=description,
        metadata=None,
        resolution=(2.0, 4.0),
    )
    steps = read_image(tmp_path / "a.tif").calibration.steps
    assert steps == {"X": (0.5, "um"), "Y": (0.25, "um")}


@pytest.mark.parametrize(
    "options",
    [
        {"imagej": True, "metadata": {"axes": "YX", "unit": "pixel"}},
        {"resolutionunit": 2},  # 72 dpi of a picture say nothing of what is on it
    ],
    ids=["pixels", "inches"],
)
def test_what_is_no_size_is_not_taken_for_one(options, tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif", pixels((7, 8)), resolution=(72.0, 72.0), **options
    )
    assert read_image(tmp_path / "a.tif").calibration.steps == {}


def test_pixels_per_centimetre_are_sizes(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif", pixels((7, 8)), resolution=(2e4, 4e4), resolutionunit=3
    )
    steps = read_image(tmp_path / "a.tif").calibration.steps
    assert steps["X"] == (pytest.approx(0.00005), "cm")


@pytest.mark.parametrize("suffix", [".zarr", ".nii", ".nii.gz"])
def test_a_calibrated_stack_of_imagej_goes_into_other_formats(suffix, tmp_path):
    image = imagej(tmp_path / "a.tif", unit="micron")
    assert image.calibration.steps == SPACE | {"T": (2.5, "s")}
    write_image(tmp_path / f"b{suffix}", image)
    other = read_image(tmp_path / f"b{suffix}")
    assert other.axes == ("TZYX" if suffix == ".zarr" else "XYZT")
    steps = {axis: step for axis, (step, _) in other.calibration.steps.items()}
    assert steps == pytest.approx({"X": 0.5, "Y": 0.25, "Z": 0.7, "T": 2.5})
    assert {unit for _, unit in other.calibration.steps.values()} == {"um", "s"}
    write_image(tmp_path / "c.tif", other)
    back = read_image(tmp_path / "c.tif")
    assert (back.axes, back.metadata.flavour) == ("TZYX", "ome")
    assert {unit for _, unit in back.calibration.steps.values()} == {"um", "s"}
    np.testing.assert_array_equal(back.array, pixels((2, 3, 7, 8)))


def test_channels_of_ome_keep_names_and_colours(tmp_path):
    image = ome(tmp_path / "a.ome.tif")
    assert image.calibration == Calibration(
        SPACE | {"X": (500.0, "nm")}, ("nuclei", "Müller"), ("FF0000", "00FF00")
    )
    write_image(tmp_path / "b.ome.tif", image)
    assert read_image(tmp_path / "b.ome.tif").calibration == image.calibration
    write_image(tmp_path / "c.zarr", image)
    zarred = read_image(tmp_path / "c.zarr", lazy=True)
    assert zarred.axes == "CZYX"
    assert zarred.calibration == image.calibration
    write_image(tmp_path / "d.tif", zarred)
    back = read_image(tmp_path / "d.tif")
    assert back.axes == "CZYX"
    assert back.calibration == image.calibration
    np.testing.assert_array_equal(back.array, pixels((2, 3, 7, 8)))


@pytest.mark.parametrize("dtype", ["float16", "int64"])
def test_what_ome_cannot_hold_keeps_its_sizes_in_a_plain_file(dtype, tmp_path):
    metadata = Metadata("zarr", calibration=Calibration(SPACE))
    image = ImageFile(pixels((3, 7, 8), dtype), "ZYX", metadata)
    write_image(tmp_path / "a.tif", image)
    after = read_image(tmp_path / "a.tif")
    assert (after.axes, after.metadata.flavour) == ("ZYX", "plain")
    assert after.calibration.steps == SPACE
    np.testing.assert_array_equal(after.array, image.array)


def test_axes_given_by_hand_take_along_what_they_share(tmp_path):
    read = imagej(tmp_path / "a.tif", unit="micron")
    image = ImageFile(read.array, "CZYX", read.metadata)
    write_image(tmp_path / "b.zarr", image)
    after = read_image(tmp_path / "b.zarr")
    assert after.axes == "CZYX"
    assert after.calibration.steps == SPACE


def test_stacks_of_the_evaluation_data_come_back_from_ome_zarr(shared_data, tmp_path):
    folder = shared_data / "data" / "eval"
    paths = [*folder.glob("stacks/*.tif"), *folder.glob("medical/oct/*.tif")]
    assert len(paths) == 12
    for path in paths:
        image = read_image(path, lazy=True)
        write_image(tmp_path / f"{path.stem}.zarr", image)
        after = read_image(tmp_path / f"{path.stem}.zarr", lazy=True)
        assert (after.axes, after.array.dtype) == (image.axes, image.array.dtype)
        assert after.calibration.steps == image.calibration.steps
        assert after.calibration.channels == image.calibration.channels
        np.testing.assert_array_equal(after.array, image.array)
