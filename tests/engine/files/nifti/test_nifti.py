"""NIfTI there and back: voxels as stored, orientation, scaling and units kept."""

import json
import sys

import numpy as np
import pytest

from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.files.metadata import Calibration, ImageFile, Metadata
from napari_mpi.engine.files.nifti import files
from napari_mpi.engine.files.output import output_problem, write_image
from napari_mpi.engine.images.arrays import LazyArray
from napari_mpi.engine.runtime.errors import ImageFileError

nibabel = pytest.importorskip("nibabel")

MADE = {"version": "1.2", "settings": {"seed": 3}, "note": "5 µm"}
AFFINE = np.array(
    [[0.1, -0.5, 0, 9], [0.7, 0.1, 0.2, 8], [0, 0.3, 2, 7], [0, 0, 0, 1]], float
)
SUFFIXES = (".nii", ".nii.gz")


def pixels(shape, dtype="int16"):
    return (1 + np.arange(np.prod(shape)) % 250).reshape(shape).astype(dtype)


def scanned(path, array, *, units=("mm", "sec"), kind=nibabel.Nifti1Image, endian="<"):
    """Write a volume as a scanner's software does: scaled, oriented, commented."""
    header = kind.header_class(endianness=endian)
    header.set_data_dtype(array.dtype)
    image = kind(array.astype(np.float64) * 2.5 - 7, None, header)
    header = image.header
    header.set_data_shape(array.shape)
    header.set_qform(AFFINE, 1, strip_shears=True)
    header.set_sform(AFFINE, 2)
    header.set_zooms((0.5, 0.25, 2.0, 1.5)[: array.ndim])
    header.set_xyzt_units(*units)
    header["descrip"] = b"knee"
    header["cal_max"] = 900
    header["scl_slope"], header["scl_inter"], header["vox_offset"] = 2.5, -7, 0
    comment = nibabel.nifti1.Nifti1Extension(6, b"as scanned")
    header.extensions.append(comment)
    with nibabel.openers.ImageOpener(str(path), "wb") as file:
        header.write_to(file)
        file.write(bytes(header.get_data_offset() - file.tell()))
        file.write(array.astype(header.get_data_dtype()).tobytes(order="F"))
    return path


def raw_header(path, kind=nibabel.Nifti1Header):
    with nibabel.openers.ImageOpener(str(path)) as file:
        return kind.from_fileobj(file)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("lazy", [True, False], ids=["lazy", "whole"])
@pytest.mark.parametrize("endian", ["<", ">"], ids=["little", "big"])
def test_voxels_are_read_as_stored(endian, lazy, suffix, tmp_path):
    array = pixels((7, 8, 5))
    path = scanned(tmp_path / f"a{suffix}", array, endian=endian)
    image = read_image(path, lazy=lazy)
    assert isinstance(image.array, LazyArray if lazy else np.ndarray)
    assert image.axes == "XYZ"
    assert image.array.dtype == array.dtype
    np.testing.assert_array_equal(image.array, array)
    np.testing.assert_array_equal(image.array[2:6:2, 3, 1:], array[2:6:2, 3, 1:])
    assert image.calibration.steps == {
        "X": (0.5, "mm"), "Y": (0.25, "mm"), "Z": (2.0, "mm"),
    }  # fmt: skip


@pytest.mark.parametrize("lazy", [True, False], ids=["lazy", "whole"])
@pytest.mark.parametrize("target", SUFFIXES)
@pytest.mark.parametrize("source", SUFFIXES)
@pytest.mark.parametrize("endian", ["<", ">"], ids=["little", "big"])
def test_a_copy_keeps_all_of_the_header(endian, source, target, lazy, tmp_path):
    before = scanned(tmp_path / f"a{source}", pixels((7, 8, 5, 2)), endian=endian)
    after = tmp_path / f"b{target}"
    write_image(after, read_image(before, lazy=lazy), provenance=MADE)
    old, new = nibabel.load(before), nibabel.load(after)
    np.testing.assert_array_equal(new.get_fdata(), old.get_fdata())
    np.testing.assert_array_equal(new.affine, old.affine)
    one, other = raw_header(before), raw_header(after)
    assert one.endianness == other.endianness == endian
    for name in set(one.keys()) - {"vox_offset"}:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)
    assert (other["scl_slope"], other["scl_inter"]) == (2.5, -7)
    said, made = (extension.text for extension in other.extensions)
    assert said.rstrip("\0") == "as scanned"
    assert json.loads(made.rstrip("\0").removeprefix("napari-mpi: ")) == MADE


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((7, 8), "XY"), ((7, 8, 5, 2), "XYZT"), ((7, 8, 5, 1, 3), "XYZTC")],
)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_any_number_of_dimensions_comes_back(shape, axes, suffix, tmp_path):
    array = pixels(shape, "float32")
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), tmp_path / f"a{suffix}")
    before = read_image(tmp_path / f"a{suffix}", lazy=True)
    write_image(tmp_path / f"b{suffix}", before)
    after = read_image(tmp_path / f"b{suffix}")
    assert before.axes == after.axes == axes
    np.testing.assert_array_equal(after.array, array)


def test_nifti_2_stays_nifti_2(tmp_path):
    scanned(tmp_path / "a.nii", pixels((7, 8, 5)), kind=nibabel.Nifti2Image)
    write_image(tmp_path / "b.nii", read_image(tmp_path / "a.nii"))
    assert isinstance(nibabel.load(tmp_path / "b.nii"), nibabel.Nifti2Image)


@pytest.mark.parametrize("name", ["CT_AVM", "MR_Gd"])
@pytest.mark.parametrize("lazy", [True, False], ids=["lazy", "whole"])
def test_a_scan_of_the_evaluation_data_comes_back(name, lazy, shared_data, tmp_path):
    source = shared_data / "data" / "eval" / "medical" / f"{name}.nii.gz"
    before = read_image(source, lazy=lazy)
    write_image(tmp_path / "b.nii", before, provenance=MADE)
    after = read_image(tmp_path / "b.nii", lazy=True)
    assert (after.axes, after.metadata) == (before.axes, before.metadata)
    assert after.array.dtype == before.array.dtype
    np.testing.assert_array_equal(after.array, before.array)
    old, new = nibabel.load(source), nibabel.load(tmp_path / "b.nii")
    np.testing.assert_array_equal(old.affine, new.affine)
    assert (old.dataobj.slope, old.dataobj.inter) == (
        new.dataobj.slope,
        new.dataobj.inter,
    )


# Into other formats and from them


@pytest.mark.parametrize("suffix", [".tif", ".zarr"])
def test_spacing_survives_other_formats(suffix, tmp_path):
    if suffix == ".zarr":
        pytest.importorskip("zarr")
    array = pixels((7, 8, 5, 3))
    scanned(tmp_path / "a.nii.gz", array, units=("micron", "msec"))
    image = read_image(tmp_path / "a.nii.gz", lazy=True)
    write_image(tmp_path / f"b{suffix}", image, provenance=MADE)
    other = read_image(tmp_path / f"b{suffix}", lazy=True)
    expected = {
        "X": (0.5, "um"), "Y": (0.25, "um"), "Z": (2.0, "um"), "T": (1.5, "ms"),
    }  # fmt: skip
    assert other.calibration.steps == expected
    if suffix == ".tif":
        assert (other.axes, other.metadata.flavour) == ("TZYX", "ome")
        np.testing.assert_array_equal(other.array, array.transpose() * 2.5 - 7)
    write_image(tmp_path / "c.nii", other)
    back = read_image(tmp_path / "c.nii")
    assert back.axes == "XYZT"
    np.testing.assert_array_equal(back.array, array * 2.5 - 7)
    steps = {axis: step for axis, (step, _) in back.calibration.steps.items()}
    assert steps == pytest.approx({"X": 0.5, "Y": 0.25, "Z": 2.0, "T": 0.0015})


def test_a_time_series_of_planes_gets_a_depth_of_one(tmp_path):
    known = Calibration({"X": (0.5, "mm"), "Y": (0.25, "mm"), "T": (3.0, "s")})
    image = ImageFile(pixels((4, 8, 7)), "TYX", Metadata(calibration=known))
    write_image(tmp_path / "a.nii", image)
    after = read_image(tmp_path / "a.nii")
    assert (after.axes, after.array.shape) == ("XYZT", (7, 8, 1, 4))
    np.testing.assert_array_equal(after.array[:, :, 0], image.array.transpose())
    assert after.calibration.steps["T"] == (3.0, "s")


def test_a_side_beyond_nifti_1_is_written_as_nifti_2(tmp_path):
    write_image(tmp_path / "a.nii", ImageFile(pixels((2, 40000), "uint8"), "YX"))
    assert isinstance(nibabel.load(tmp_path / "a.nii"), nibabel.Nifti2Image)
    np.testing.assert_array_equal(
        read_image(tmp_path / "a.nii", lazy=True).array[39000:, 1],
        pixels((2, 40000), "uint8")[1, 39000:],
    )


# Failures


def failure_of(action):
    with pytest.raises(ImageFileError) as caught:
        action()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("array", "axes", "said"),
    [
        (pixels((2, 7, 8)), "CYX", "axes C"),
        (pixels((7, 8, 3), "uint8"), "YXS", "axes S"),
        (pixels((7, 8), "float16"), "YX", "float16"),
    ],
)
def test_what_nifti_cannot_hold_is_told_before_the_work(array, axes, said, tmp_path):
    image = ImageFile(array, axes)
    message = output_problem(tmp_path / "a.nii.gz", image)
    assert said in message
    assert "write a TIFF" in message
    assert failure_of(lambda: write_image(tmp_path / "a.nii.gz", image)) == message
    assert list(tmp_path.iterdir()) == []


def test_colours_in_voxels_are_refused(tmp_path):
    colours = np.zeros((4, 5, 6), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    nibabel.save(nibabel.Nifti1Image(colours, np.eye(4)), tmp_path / "a.nii")
    assert "colours in each voxel" in failure_of(lambda: read_image(tmp_path / "a.nii"))


def test_a_file_cut_short_is_told(tmp_path, rng):
    array = rng.integers(0, 30000, (30, 30, 30)).astype(np.int16)
    for suffix in SUFFIXES:
        path = scanned(tmp_path / f"a{suffix}", array)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        assert "damaged" in failure_of(lambda path=path: read_image(path))
    image = read_image(tmp_path / "a.nii.gz", lazy=True)
    assert "damaged" in failure_of(lambda: image.array[0])
    assert "damaged" in failure_of(lambda: read_image(tmp_path / "a.nii", lazy=True))


@pytest.mark.parametrize("lazy", [True, False], ids=["lazy", "whole"])
def test_a_value_changed_in_a_packed_file_is_told_at_the_first_read(
    lazy, tmp_path, rng
):
    array = rng.integers(0, 30000, (30, 30, 30)).astype(np.int16)
    path = scanned(tmp_path / "a.nii.gz", array)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1  # packed noise unpacks all the same
    path.write_bytes(content)
    assert "damaged" in failure_of(
        lambda: np.array(read_image(path, lazy=lazy).array[:, :, 0])
    )


def test_another_file_of_that_name_is_told(tmp_path):
    for suffix in SUFFIXES:
        (tmp_path / f"a{suffix}").write_bytes(b"I am a text.")
        message = failure_of(lambda s=suffix: read_image(tmp_path / f"a{s}"))
        assert "damaged or of another kind" in message


def test_a_packed_file_is_unpacked_only_when_it_is_read_and_only_once(
    tmp_path, monkeypatch
):
    path = scanned(tmp_path / "a.nii.gz", pixels((7, 8, 5)))
    image = read_image(path, lazy=True)
    opened, open_ = [], files.read_nifti.__globals__["gzip"].open
    monkeypatch.setattr("gzip.open", lambda *args: opened.append(args) or open_(*args))
    assert opened == []
    image.array[:, :, 2], image.array[0]
    assert len(opened) == 1


def test_a_disk_too_small_to_unpack_is_told(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "no room on the disk")

    path = scanned(tmp_path / "a.nii.gz", pixels((7, 8, 5)))
    image = read_image(path, lazy=True)
    monkeypatch.setattr("napari_mpi.engine.images.results.require_room", full)
    assert "make room on the disk of temporary files" in failure_of(
        lambda: image.array[0]
    )


def test_without_the_package_the_extra_is_named(tmp_path, monkeypatch):
    path = scanned(tmp_path / "a.nii", pixels((7, 8, 5)))
    monkeypatch.setitem(sys.modules, "nibabel", None)
    image = ImageFile(pixels((7, 8)), "YX")
    for action in (
        lambda: read_image(path),
        lambda: write_image(tmp_path / "b.nii", image),
    ):
        assert 'pip install "napari-mpi[medical]"' in failure_of(action)


class Failing:
    shape, dtype = (400, 200, 300), np.dtype("i2")

    def __getitem__(self, index):
        if index[2].start == 0:
            return np.zeros(self.shape, self.dtype)[index]
        raise ImageFileError("damaged")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_failure_half_way_leaves_no_file(suffix, tmp_path):
    with pytest.raises(ImageFileError, match="damaged"):
        write_image(tmp_path / f"a{suffix}", ImageFile(Failing(), "XYZ"))
    assert list(tmp_path.iterdir()) == []
