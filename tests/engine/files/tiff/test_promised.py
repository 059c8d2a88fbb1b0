"""TIFF files that say one thing and hold another: what is there is read, and told."""

import uuid

import numpy as np
import pytest
import tifffile

from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.files.output import write_image
from napari_mpi.engine.files.tiff.sets import set_of
from napari_mpi.engine.runtime.errors import ImageFileError

OME = "http://www.openmicroscopy.org/Schemas/OME/2016-06"


def ome(names, *, depth, own=None, pixel_size=0.5):
    """Return OME-XML of a stack, each plane in a file of its own."""
    planes = "".join(
        f'<TiffData FirstC="0" FirstT="0" FirstZ="{n}" IFD="0" PlaneCount="1">'
        f'<UUID FileName="{name}">urn:uuid:{uuid.UUID(int=n + 1)}</UUID></TiffData>'
        for n, name in enumerate(names)
    )
    identity = f' UUID="urn:uuid:{own}"' if own else ""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><OME xmlns="{OME}"{identity}>'
        '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT"'
        f' Type="uint16" SizeX="20" SizeY="16" SizeZ="{depth}" SizeC="1" SizeT="1"'
        f' PhysicalSizeX="{pixel_size}" PhysicalSizeY="{pixel_size}">'
        f'<Channel ID="Channel:0:0" SamplesPerPixel="1"/>{planes}</Pixels></Image>'
        "</OME>"
    )


@pytest.fixture
def stack(rng):
    return rng.integers(100, 4000, (5, 16, 20)).astype(np.uint16)


@pytest.fixture
def ome_set(tmp_path, stack):
    names = [f"cell_Z{n}.ome.tif" for n in range(5)]
    for n, name in enumerate(names):
        own = uuid.UUID(int=n + 1)
        tifffile.imwrite(
            tmp_path / name, stack[n], metadata=None, software=None,
            description=ome(names, depth=5, own=own),
        )  # fmt: skip
    return [tmp_path / name for name in names]


def test_a_set_is_read_from_any_of_its_files(ome_set, stack):
    for path in (ome_set[0], ome_set[3]):
        image = read_image(path, lazy=True)
        assert (image.axes, image.notes) == ("ZYX", ())
        np.testing.assert_array_equal(np.asarray(image.array), stack)
        assert set_of(path) == tuple(ome_set)


def test_a_file_missing_from_a_set_is_named_and_its_plane_is_empty(ome_set, stack):
    ome_set[2].unlink()
    image = read_image(ome_set[0], lazy=True)
    (note,) = image.notes
    assert "1 of 5 planes is missing" in note
    assert "cell_Z2.ome.tif" in note
    stack[2] = 0
    np.testing.assert_array_equal(np.asarray(image.array), stack)


@pytest.mark.parametrize("there", [True, False])
def test_a_set_that_another_file_describes(there, tmp_path, stack):
    names = [f"s{n}.ome.tif" for n in range(5)]
    for n, name in enumerate(names):
        only = (
            f'<OME xmlns="{OME}" UUID="urn:uuid:{uuid.UUID(int=n + 1)}"><BinaryOnly'
            f' MetadataFile="all.companion.ome" UUID="urn:uuid:{uuid.UUID(int=99)}"/>'
            "</OME>"
        )
        tifffile.imwrite(tmp_path / name, stack[n], metadata=None, description=only)
    if there:
        (tmp_path / "all.companion.ome").write_text(ome(names, depth=5))
    image = read_image(tmp_path / "s1.ome.tif")
    if there:
        np.testing.assert_array_equal(image.array, stack)
        assert image.calibration.steps["X"] == (0.5, "um")
        assert image.notes == ()
        write_image(tmp_path / "result.ome.tif", image)
        np.testing.assert_array_equal(
            read_image(tmp_path / "result.ome.tif").array, stack
        )
    else:
        np.testing.assert_array_equal(image.array, stack[1])
        assert "all.companion.ome" in image.notes[0]


@pytest.mark.parametrize("lazy", [True, False])
def test_an_acquisition_that_was_stopped_is_read_as_far_as_it_came(
    lazy, tmp_path, stack
):
    header = "ImageJ=1.53t\nimages=9\nslices=9\nunit=micron\nspacing=2.0\n"
    tifffile.imwrite(tmp_path / "a.tif", stack, metadata=None, description=header)
    image = read_image(tmp_path / "a.tif", lazy=lazy)
    np.testing.assert_array_equal(np.asarray(image.array), stack)
    assert image.axes == "ZYX"
    assert image.calibration.steps["Z"] == (2.0, "um")
    assert "speaks of 9 planes but has 5" in image.notes[0]


def test_pages_beyond_those_that_are_described_are_read_and_told(tmp_path, stack):
    header = "ImageJ=1.53t\nimages=3\nslices=3\n"
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for n, plane in enumerate(stack):
            file.write(
                plane, metadata=None, description=header if n == 0 else None,
                contiguous=False,
            )  # fmt: skip
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.array, stack)
    assert "speaks of 3 planes but has 5: these are read" in image.notes[0]


def test_a_shape_that_no_longer_fits_is_told(tmp_path, stack):
    tifffile.imwrite(
        tmp_path / "a.tif", stack[0], metadata=None, description='{"shape": [99, 7]}'
    )
    image = read_image(tmp_path / "a.tif", lazy=True)
    np.testing.assert_array_equal(np.asarray(image.array), stack[0])
    assert "does not fit its pixels" in image.notes[0]


@pytest.mark.parametrize("marked", [True, False])
def test_a_smaller_copy_is_passed_over_and_can_be_chosen(marked, tmp_path, stack):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        kind = 1 if marked else 0
        file.write(stack[0, ::4, ::4], metadata=None, subfiletype=kind)
        file.write(stack[0], metadata=None)
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.array, stack[0])
    assert (
        "number 1 is read: --series chooses among 0 (4 x 5), 1 (16 x 20)"
        in (image.notes[-1])
    )
    small = read_image(tmp_path / "a.tif", series="0")
    np.testing.assert_array_equal(small.array, stack[0, ::4, ::4])
    with pytest.raises(ImageFileError, match="has no series 7: it has 0"):
        read_image(tmp_path / "a.tif", series=7)


def test_series_are_chosen_by_name(tmp_path, stack):
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as file:
        file.write(stack[:2], metadata={"axes": "ZYX", "Name": "left"})
        file.write(stack[2:], metadata={"axes": "TYX", "Name": "right"})
    image = read_image(tmp_path / "a.ome.tif", series="right")
    np.testing.assert_array_equal(image.array, stack[2:])
    assert image.axes == "TYX"
    assert image.metadata.fields["Name"] == "right"


@pytest.mark.parametrize("suffix", [".btf", ".tf8", ".lsm", ".stk"])
def test_other_endings_are_tiff(suffix, tmp_path, stack):
    tifffile.imwrite(tmp_path / f"a{suffix}", stack[0])
    np.testing.assert_array_equal(read_image(tmp_path / f"a{suffix}").array, stack[0])


def test_what_is_shown_inverted_or_turned_stays_so(tmp_path, stack):
    tifffile.imwrite(
        tmp_path / "a.tif", stack[0], photometric="miniswhite", metadata=None,
        extratags=[(274, "H", 1, 6, True)],
    )  # fmt: skip
    write_image(tmp_path / "b.tif", read_image(tmp_path / "a.tif", lazy=True))
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        page = file.pages.first
        assert page.photometric == tifffile.PHOTOMETRIC.MINISWHITE
        assert page.tags["Orientation"].value == 6
        np.testing.assert_array_equal(page.asarray(), stack[0])


def test_a_value_that_stands_for_no_data_is_known_and_kept(tmp_path, stack):
    tifffile.imwrite(
        tmp_path / "a.tif", stack[0], metadata=None,
        extratags=[(42113, "s", 0, "-9999", True)],
    )  # fmt: skip
    image = read_image(tmp_path / "a.tif")
    assert image.metadata.nodata == ((-9999.0, -9999.0),)
    write_image(tmp_path / "b.tif", image)
    assert read_image(tmp_path / "b.tif").metadata.nodata == image.metadata.nodata


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((2, 3, 16, 20), "TZYX"), ((4, 16, 20), "ZYX"), ((2, 3, 2, 16, 20), "TZCYX")],
)
def test_axes_that_are_not_named_are_guessed_and_told(shape, axes, tmp_path, rng):
    array = rng.integers(0, 9, shape).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="minisblack")
    image = read_image(tmp_path / "a.tif")
    assert image.axes == axes
    assert f"taken as {axes}; give --axes for others" in image.notes[0]
    np.testing.assert_array_equal(image.array, array)
