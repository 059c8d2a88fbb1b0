"""TIFF there and back in all its flavours, and files of others."""

import json
import struct

import numpy as np
import pytest
import tifffile

from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.files.metadata import ImageFile, Metadata
from napari_mpi.engine.files.output import write_image

MADE = {"version": "1.2", "settings": {"seed": 3, "mask_ratio": 0.3}, "note": "5 µm"}
STACKS = [
    "n2v_FA_evolve",
    "neubias_xyc_16bit__hela-cells",
    "neubias_xyc_16bit__nup_nuclei",
    "neubias_xyt_calibrated_16bit__golgi_bfa_sum_projection",
    "neubias_xyz_calibrated_16bit__golgi_bfa",
    "neubias_xyzc_16bit__dna_conf_wf",
    "nucleus_tracking_high",
    "nucleus_tracking_low",
]


def pixels(shape, dtype="uint16"):
    """Return values that differ from each other, and from 0."""
    return (1 + np.arange(np.prod(shape)) % 250).reshape(shape).astype(dtype)


def copied(source, target):
    """Read a file, write what was read with its provenance; return both as read."""
    image = read_image(source)
    write_image(target, image, provenance=MADE)
    return image, read_image(target)


def same_pixels(one, other):
    assert one.axes == other.axes
    assert one.array.dtype == other.array.dtype
    np.testing.assert_array_equal(one.array, other.array)


@pytest.mark.parametrize(
    ("axes", "shape"),
    [
        ("YX", (7, 8)),
        ("ZYX", (3, 7, 8)),
        ("TYX", (3, 7, 8)),
        ("CYX", (2, 7, 8)),
        ("ZCYX", (3, 2, 7, 8)),
        ("TZCYX", (2, 3, 4, 7, 8)),
    ],
)
def test_imagej_file_keeps_axes_and_calibration(axes, shape, tmp_path):
    said = {"unit": "micron", "finterval": 2.5, "spacing": 0.7}
    tifffile.imwrite(
        tmp_path / "a.tif",
        pixels(shape),
        imagej=True,
        resolution=(4.0, 8.0),
        metadata={"axes": axes, **said},
    )
    before, after = copied(tmp_path / "a.tif", tmp_path / "b.tif")
    same_pixels(before, after)
    assert after.axes == axes
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.is_imagej
        assert file.pages.first.resolution == pytest.approx((4.0, 8.0))
        assert file.imagej_metadata.items() >= said.items()


def test_imagej_file_keeps_its_info_and_gets_the_provenance(tmp_path):
    info = "Objective = 63x\nGain = 5 µm Müller"
    metadata = {"axes": "YX", "Info": info}
    tifffile.imwrite(tmp_path / "a.tif", pixels((7, 8)), imagej=True, metadata=metadata)
    copied(tmp_path / "a.tif", tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        kept, _, made = file.imagej_metadata["Info"].partition("\nnapari-mpi: ")
    assert kept == info
    assert json.loads(made) == MADE


def test_provenance_of_an_earlier_run_is_kept(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", pixels((7, 8)), imagej=True)
    copied(tmp_path / "a.tif", tmp_path / "b.tif")
    write_image(tmp_path / "c.tif", read_image(tmp_path / "b.tif"), provenance={"n": 2})
    info = read_image(tmp_path / "c.tif").metadata.fields["Info"]
    first, second = info.splitlines()
    assert json.loads(first.removeprefix("napari-mpi: ")) == MADE
    assert json.loads(second.removeprefix("napari-mpi: ")) == {"n": 2}


def test_imagej_unit_written_in_utf8_does_not_prevent_the_result(tmp_path):
    description = "ImageJ=1.54f\nimages=1\nunit=µm\n".encode()
    tifffile.imwrite(
        tmp_path / "a.tif",
        pixels((7, 8)),
        description=description,
        metadata=None,
        resolution=(4.0, 4.0),
    )
    before, after = copied(tmp_path / "a.tif", tmp_path / "b.tif")
    assert before.metadata.flavour == "imagej"
    same_pixels(before, after)
    assert after.metadata.fields["unit"] in ("µm", r"\u00B5m")


def test_ome_file_keeps_axes_sizes_times_and_channel_names(tmp_path):
    said = {
        "PhysicalSizeX": 0.25,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": 0.5,
        "PhysicalSizeYUnit": "µm",
        "PhysicalSizeZ": 2.0,
        "PhysicalSizeZUnit": "µm",
        "TimeIncrement": 2.5,
        "TimeIncrementUnit": "s",
        "Channel": {"Name": ["nuclei", "Müller"]},
        "Name": "cells",
        "Description": "day 3",
    }
    tifffile.imwrite(
        tmp_path / "a.ome.tif",
        pixels((2, 2, 3, 7, 8)),
        ome=True,
        photometric="minisblack",
        metadata={"axes": "TCZYX", **said},
    )
    before, after = copied(tmp_path / "a.ome.tif", tmp_path / "b.ome.tif")
    same_pixels(before, after)
    assert after.axes == "TCZYX"
    kept, _, made = after.metadata.fields["Description"].partition("\nnapari-mpi: ")
    assert {**after.metadata.fields, "Description": kept} == said
    assert json.loads(made) == MADE


@pytest.mark.parametrize("axes", ["YX", "ZYX", "ZCYX", "TYX"])
def test_ome_file_of_any_order_keeps_its_axes(axes, tmp_path):
    array = pixels({"YX": (7, 8), "ZCYX": (3, 2, 7, 8)}.get(axes, (3, 7, 8)))
    metadata = {"axes": axes, "Channel": {"Name": ["a", "b"][: 1 + ("C" in axes)]}}
    tifffile.imwrite(tmp_path / "a.ome.tif", array, ome=True, metadata=metadata)
    before, after = copied(tmp_path / "a.ome.tif", tmp_path / "b.ome.tif")
    same_pixels(before, after)
    assert after.metadata.fields["Channel"] == metadata["Channel"]


@pytest.mark.parametrize("unit", [2, 3], ids=["inch", "centimetre"])
def test_plain_file_keeps_resolution_and_description(unit, tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif",
        pixels((7, 8)),
        resolution=(300.0, 150.0),
        resolutionunit=unit,
        description="from the facility",
        metadata=None,
    )
    before, after = copied(tmp_path / "a.tif", tmp_path / "b.tif")
    same_pixels(before, after)
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        page = file.pages.first
        assert page.resolution == pytest.approx((300.0, 150.0))
        assert page.resolutionunit == unit
    assert after.metadata.fields["description"] == "from the facility"
    assert after.metadata.fields["napari-mpi"] == MADE


def test_file_without_resolution_gets_none(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", pixels((7, 8)), metadata=None)
    before, after = copied(tmp_path / "a.tif", tmp_path / "b.tif")
    assert after.metadata.resolution == before.metadata.resolution


@pytest.mark.parametrize("axes", ["ZYX", "TYX", "XY", "RYX", "TZCYX"])
def test_plain_file_keeps_its_axes(axes, tmp_path):
    array = pixels((2, 3, 4, 7, 8)[-len(axes) :])
    tifffile.imwrite(
        tmp_path / "a.tif", array, photometric="minisblack", metadata={"axes": axes}
    )
    before, after = copied(tmp_path / "a.tif", tmp_path / "b.tif")
    same_pixels(before, after)
    assert after.axes == axes


def test_provenance_can_be_read_by_other_programs(tmp_path):
    write_image(tmp_path / "a.tif", ImageFile(pixels((7, 8)), "YX"), provenance=MADE)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert json.loads(file.pages.first.description)["napari-mpi"] == MADE
        assert file.pages.first.software == "napari-mpi 1.2"


@pytest.mark.parametrize("flavour", ["plain", "imagej", "ome"])
@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "uint16", "int16", "int32", "float32", "float64"]
)
def test_type_and_values_are_kept(dtype, flavour, tmp_path):
    array = pixels((3, 7, 8), dtype)
    if array.dtype.kind != "u":
        array = -array  # signs and, below, fractions
    if array.dtype.kind == "f":
        array /= 3
    image = ImageFile(array, "ZYX", Metadata(flavour))
    write_image(tmp_path / "a.tif", image, provenance=MADE)
    same_pixels(read_image(tmp_path / "a.tif"), image)


@pytest.mark.parametrize(
    ("flavour", "axes", "shape", "dtype"),
    [
        ("ome", "XY", (7, 8), "uint16"),
        ("ome", "YXS", (7, 8, 2), "uint16"),
        ("ome", "YX", (7, 8), "int64"),
        ("ome", "YX", (7, 8), "float16"),
        ("imagej", "XY", (7, 8), "uint16"),
        ("imagej", "RYX", (3, 7, 8), "uint16"),
        ("imagej", "CZYX", (2, 3, 7, 8), "uint16"),
        ("imagej", "YXS", (7, 8, 2), "uint16"),
    ],
)
def test_image_that_its_flavour_cannot_hold_is_written_all_the_same(
    flavour, axes, shape, dtype, tmp_path
):
    fields = {"unit": "micron"} if flavour == "imagej" else {"PhysicalSizeX": 0.5}
    metadata = Metadata(flavour, (4.0, 8.0), 1, fields)
    image = ImageFile(pixels(shape, dtype), axes, metadata)
    write_image(tmp_path / "a.tif", image, provenance=MADE)
    after = read_image(tmp_path / "a.tif")
    same_pixels(after, image)
    assert after.metadata.resolution == pytest.approx((4.0, 8.0))
    assert after.metadata.fields.items() >= fields.items()


@pytest.mark.parametrize("name", STACKS)
def test_stack_of_the_evaluation_data_comes_back(name, shared_data, tmp_path):
    source = shared_data / "data" / "eval" / "stacks" / f"{name}.tif"
    before, after = copied(source, tmp_path / "b.tif")
    same_pixels(before, after)
    assert after.metadata.flavour == before.metadata.flavour
    if before.metadata.resolution is not None:
        assert after.metadata.resolution_unit == before.metadata.resolution_unit
        assert after.metadata.resolution == pytest.approx(before.metadata.resolution)
    for key, value in before.metadata.fields.items():
        if key == "Info":
            assert after.metadata.fields[key].startswith(value.strip())
        elif key != "mode":
            np.testing.assert_equal(after.metadata.fields[key], value)
    added = after.metadata.fields.keys() - before.metadata.fields.keys()
    assert added <= {"Info", "mode", "napari-mpi"}


def test_no_stack_of_the_evaluation_data_is_forgotten(shared_data):
    folder = shared_data / "data" / "eval" / "stacks"
    assert {path.stem for path in folder.glob("*.tif")} == set(STACKS)


def test_lzw_tiff_is_read(tmp_path):
    array = pixels((33, 34))
    tifffile.imwrite(tmp_path / "a.tif", array, compression="lzw")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.pages.first.compression == tifffile.COMPRESSION.LZW
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").array, array)


def test_of_several_series_the_first_is_read(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(pixels((7, 8)))
        file.write(pixels((9, 10)))
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").array, pixels((7, 8)))


def test_an_odd_tag_is_no_damage(tmp_path):
    array = np.arange(72, dtype=np.uint16).reshape(8, 9)
    tifffile.imwrite(tmp_path / "a.tif", array, extratags=[(65000, 3, 1, 7, True)])
    content = bytearray((tmp_path / "a.tif").read_bytes())
    at = content.index(struct.pack("<HH", 65000, 3))
    content[at + 2 : at + 4] = struct.pack("<H", 99)  # a type that does not exist
    (tmp_path / "a.tif").write_bytes(content)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").array, array)
