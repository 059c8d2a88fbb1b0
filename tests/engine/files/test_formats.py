"""Image files: TIFF there and back with its calibration, pictures in, clear errors."""

import gc
import json
import struct
import sys

import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_mpi.engine.files.formats import read_image, require_writable, write_image
from napari_mpi.engine.files.metadata import ImageFile, Metadata
from napari_mpi.engine.files.tiff import files
from napari_mpi.engine.runtime.errors import ImageFileError

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


def failure_of_reading(path):
    """Return the sentence of a file that cannot be read."""
    with pytest.raises(ImageFileError) as caught:
        read_image(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def half_of(path):
    """Cut a file to half of its bytes."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path


@pytest.fixture
def results(tmp_path):
    """Return an empty folder."""
    path = tmp_path / "results"
    path.mkdir()
    return path


# TIFF there and back


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


@pytest.mark.parametrize("axes", ["ZYX", "TYX", "XY", "QYX", "TZCYX"])
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
        ("imagej", "QYX", (3, 7, 8), "uint16"),
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


# Colour


@pytest.mark.parametrize("flavour", ["plain", "imagej", "ome"])
@pytest.mark.parametrize(
    ("axes", "shape"),
    [("YXS", (7, 8, 3)), ("YXS", (7, 8, 4)), ("ZYXS", (2, 7, 8, 3))],
)
def test_8_bit_colour_stays_colour(axes, shape, flavour, tmp_path):
    image = ImageFile(pixels(shape, "uint8"), axes, Metadata(flavour))
    write_image(tmp_path / "a.tif", image)
    same_pixels(read_image(tmp_path / "a.tif"), image)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        page = file.pages.first
        assert page.photometric == tifffile.PHOTOMETRIC.RGB
        assert page.samplesperpixel == shape[-1]
        assert len(page.extrasamples) == shape[-1] - 3


def test_opacity_is_marked_as_such(tmp_path):
    source, target = tmp_path / "a.tif", tmp_path / "b.tif"
    tifffile.imwrite(
        source,
        pixels((7, 8, 4), "uint8"),
        photometric="rgb",
        extrasamples=["unassalpha"],
    )
    same_pixels(*copied(source, target))
    with tifffile.TiffFile(target) as file:
        assert file.pages.first.extrasamples == (tifffile.EXTRASAMPLE.UNASSALPHA,)


def test_separate_colour_planes_are_kept(tmp_path):
    image = ImageFile(pixels((3, 7, 8), "uint8"), "SYX")
    write_image(tmp_path / "a.tif", image)
    same_pixels(read_image(tmp_path / "a.tif"), image)


def test_16_bit_colour_of_imagej_stays_a_composite(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif",
        pixels((7, 8, 3)),
        imagej=True,
        photometric="minisblack",
        planarconfig="contig",
        metadata={"axes": "YXS", "mode": "composite", "unit": "micron"},
    )
    before, after = copied(tmp_path / "a.tif", tmp_path / "b.tif")
    same_pixels(before, after)
    assert after.axes == "YXS"
    assert after.metadata.flavour == "imagej"
    assert after.metadata.fields["unit"] == "micron"
    assert after.metadata.fields["mode"] == "composite"


# Files of others


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


@pytest.mark.parametrize(
    ("shape", "dtype", "axes"),
    [
        ((7, 8), "uint8", "YX"),
        ((7, 8), "uint16", "YX"),
        ((7, 8, 3), "uint8", "YXS"),
        ((7, 8, 4), "uint8", "YXS"),
    ],
    ids=["grey", "grey-16", "colour", "colour-opacity"],
)
@pytest.mark.parametrize("suffix", [".png", ".PNG"])
def test_png_is_read(shape, dtype, axes, suffix, tmp_path):
    array = pixels(shape, dtype) * (200 if dtype == "uint16" else 1)
    imageio.imwrite(tmp_path / f"a{suffix}", array, extension=".png")
    image = read_image(tmp_path / f"a{suffix}")
    same_pixels(image, ImageFile(array, axes))


def test_png_of_grey_with_opacity_is_read_as_grey(tmp_path):
    array = pixels((7, 8, 2), "uint8")
    imageio.imwrite(tmp_path / "a.png", array)
    same_pixels(read_image(tmp_path / "a.png"), ImageFile(array[..., 0], "YX"))


@pytest.mark.parametrize(
    ("shape", "axes"), [((32, 40), "YX"), ((32, 40, 3), "YXS")], ids=["grey", "colour"]
)
@pytest.mark.parametrize("suffix", [".jpg", ".jpeg"])
def test_jpeg_is_read(shape, axes, suffix, tmp_path):
    array = np.full(shape, 120, np.uint8)
    imageio.imwrite(tmp_path / f"a{suffix}", array, quality=95)
    image = read_image(tmp_path / f"a{suffix}")
    assert (image.axes, image.array.shape) == (axes, shape)
    np.testing.assert_allclose(image.array, array, atol=2)


# Files that cannot be read


def test_missing_file_is_told(tmp_path):
    assert "check the path" in failure_of_reading(tmp_path / "none.tif")


def test_folder_is_no_file(tmp_path):
    (tmp_path / "a.tif").mkdir()
    assert "check the path" in failure_of_reading(tmp_path / "a.tif")


@pytest.mark.parametrize("name", ["a.czi", "a.txt", "a"])
def test_unsupported_suffix_lists_the_choices(name, tmp_path):
    (tmp_path / name).write_bytes(b"1")
    assert "TIFF, PNG or JPEG" in failure_of_reading(tmp_path / name)


@pytest.mark.parametrize("suffix", [".tif", ".tiff", ".png", ".jpg"])
@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "is empty"), (b"I am a text.\nNo image.\n", "damaged or of another kind")],
)
def test_text_and_empty_files_are_told(content, words, suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    assert words in failure_of_reading(path)
    gc.collect()  # a file that is left open gives a ResourceWarning here


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((64, 64), {}),
        ((64, 64), {"compression": "zlib"}),
        ((64, 64), {"imagej": True}),
        ((5, 64, 64), {}),
        ((5, 64, 64), {"imagej": True, "metadata": {"axes": "ZYX"}}),
        ((5, 64, 64), {"ome": True, "metadata": {"axes": "ZYX"}}),
        ((5, 64, 64), {"metadata": None}),
    ],
    ids=[
        "plane",
        "zlib-plane",
        "imagej-plane",
        "plain-stack",
        "imagej-stack",
        "ome-stack",
        "pages",
    ],
)
def test_truncated_tiff_is_told_as_damaged(shape, options, tmp_path, rng):
    path = tmp_path / "a.tif"
    array = rng.integers(0, 65536, shape).astype(np.uint16)
    tifffile.imwrite(path, array, photometric="minisblack", **options)
    np.testing.assert_array_equal(read_image(path).array, array)
    assert "damaged" in failure_of_reading(half_of(path))


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_truncated_picture_is_told_as_damaged(suffix, tmp_path, rng):
    path = tmp_path / f"a{suffix}"
    imageio.imwrite(path, rng.integers(0, 256, (64, 64)).astype(np.uint8))
    assert "damaged" in failure_of_reading(half_of(path))


def test_image_larger_than_the_memory_is_told(tmp_path, monkeypatch):
    def exhausted(*_, **__):
        raise MemoryError

    tifffile.imwrite(tmp_path / "a.tif", pixels((7, 8)))
    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", exhausted)
    assert "larger than the free memory" in failure_of_reading(tmp_path / "a.tif")


# Files that cannot be written


def refused_outputs(results):
    """Return outputs that cannot be written, with what is said of them."""
    (results / "folder.tif").mkdir()
    (results / "file").write_text("a file")
    cases = {
        results / "none" / "a.tif": "choose another folder",
        results / "folder.tif": "it is a folder",
        results / "file" / "a.tif": "choose another folder",
        results / "a.png": "does not end in .tif",
        results / "a": "does not end in .tif",
        results / "a.jpg": "does not end in .tif",
    }
    if sys.platform == "linux":
        cases["/proc/a.tif"] = "choose another folder"
    return {type(results)(path): said for path, said in cases.items()}


@pytest.mark.parametrize("how", ["asked", "written"])
def test_output_that_cannot_be_written_is_told_and_leaves_nothing(how, results):
    cases = refused_outputs(results)
    before = sorted(results.rglob("*"))
    for path, said in cases.items():
        with pytest.raises(ImageFileError) as caught:
            image = ImageFile(pixels((7, 8)), "YX")
            if how == "asked":
                require_writable(path, image)
            else:
                write_image(path, image)
        assert str(path) in str(caught.value)
        assert said in str(caught.value)
    assert sorted(results.rglob("*")) == before


@pytest.mark.parametrize("name", ["a.tif", "a.tiff", "A.TIF", "a.ome.tif"])
def test_output_that_can_be_written_is_accepted_and_not_touched(name, results):
    require_writable(results / name)
    assert list(results.iterdir()) == []


def test_file_of_the_same_name_is_replaced(results):
    for value in (1, 2):
        array = np.full((7, 8), value, np.uint8)
        write_image(results / "a.tif", ImageFile(array, "YX"))
    assert (read_image(results / "a.tif").array == 2).all()
    assert [path.name for path in results.iterdir()] == ["a.tif"]


def full_disk(file, array, _):
    file.write(array.tobytes()[: array.nbytes // 2])
    raise OSError(28, "No space left on device")


def interrupted(file, array, _):
    file.write(array.tobytes()[: array.nbytes // 2])
    raise KeyboardInterrupt


@pytest.mark.parametrize("existing", [True, False], ids=["replacing", "new"])
@pytest.mark.parametrize(
    ("writer", "error"),
    [(full_disk, ImageFileError), (interrupted, KeyboardInterrupt)],
)
def test_failure_in_the_middle_of_writing_leaves_things_as_they_were(
    writer, error, existing, results, monkeypatch
):
    if existing:
        write_image(results / "a.tif", ImageFile(pixels((7, 8)), "YX"))
    before = {path: path.read_bytes() for path in results.iterdir()}
    monkeypatch.setattr(files, "write_blocks", writer)
    with pytest.raises(error):
        write_image(results / "a.tif", ImageFile(pixels((70, 80)), "YX"))
    assert {path: path.read_bytes() for path in results.iterdir()} == before


def test_full_disk_is_told_in_its_own_words(results, monkeypatch):
    monkeypatch.setattr(files, "write_blocks", full_disk)
    with pytest.raises(ImageFileError) as caught:
        write_image(results / "a.tif", ImageFile(pixels((7, 8)), "YX"))
    assert "No space left on device" in str(caught.value)
    assert "make room" in str(caught.value)


@pytest.mark.parametrize(("mode", "said"), [("P", "palette"), ("CMYK", "inks")])
def test_tiffs_of_colour_indices_and_inks_are_refused(mode, said, tmp_path, rng):
    image = Image.fromarray(rng.integers(0, 255, (8, 9, 3)).astype(np.uint8))
    image.convert(mode).save(tmp_path / "a.tif")
    with pytest.raises(ImageFileError, match=f"{said}.*convert it to RGB"):
        read_image(tmp_path / "a.tif")


def test_jpeg_of_inks_is_read_as_colours(tmp_path):
    red = Image.new("RGB", (16, 16), (200, 30, 30)).convert("CMYK")
    red.save(tmp_path / "a.jpg", quality=100)
    image = read_image(tmp_path / "a.jpg")
    assert (image.axes, image.array.shape) == ("YXS", (16, 16, 3))
    assert abs(int(image.array[8, 8, 0]) - 200) < 12


def test_an_odd_tag_is_no_damage(tmp_path):
    array = np.arange(72, dtype=np.uint16).reshape(8, 9)
    tifffile.imwrite(tmp_path / "a.tif", array, extratags=[(65000, 3, 1, 7, True)])
    content = bytearray((tmp_path / "a.tif").read_bytes())
    at = content.index(struct.pack("<HH", 65000, 3))
    content[at + 2 : at + 4] = struct.pack("<H", 99)  # a type that does not exist
    (tmp_path / "a.tif").write_bytes(content)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").array, array)
