"""DICOM in: series, frames, colours, packings, and damage that is told."""

import numpy as np
import pytest

from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.files.output import write_image
from napari_mpi.engine.images.arrays import LazyArray
from napari_mpi.engine.runtime.errors import ImageFileError

pydicom = pytest.importorskip("pydicom")
uid = pydicom.uid

MADE = {"version": "1.2", "settings": {"seed": 3}}


def pixels(shape, dtype="int16"):
    return (1 + np.arange(np.prod(shape)) % 250).reshape(shape).astype(dtype)


@pytest.fixture
def volume():
    return pixels((5, 7, 8)) * np.int16(3)


def failure_of(action):
    with pytest.raises(ImageFileError) as caught:
        action()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("lazy", [True, False], ids=["lazy", "whole"])
def test_slices_are_in_the_order_of_their_places(scanned, lazy, volume, tmp_path):
    image = read_image(scanned(tmp_path / "knee", volume), lazy=lazy)
    assert isinstance(image.array, LazyArray if lazy else np.ndarray)
    assert (image.axes, image.series) == ("ZYX", 1)
    assert image.array.dtype == volume.dtype
    np.testing.assert_array_equal(image.array, volume)
    np.testing.assert_array_equal(image.array[3, 1:5:2, -1], volume[3, 1:5:2, -1])
    assert image.calibration.steps == {
        "Z": (2.0, "mm"), "Y": (0.25, "mm"), "X": (0.5, "mm"),
    }  # fmt: skip


def test_without_places_they_are_in_the_order_of_their_numbers(
    data_set, saved, volume, tmp_path
):
    for n, slice_ in enumerate(volume):
        data = data_set(slice_, number=n + 8)
        data.SliceThickness = 3
        saved(tmp_path / "knee" / f"{9 - n}.dcm", data)
    image = read_image(tmp_path / "knee")
    np.testing.assert_array_equal(image.array, volume)
    assert image.calibration.steps["Z"] == (3.0, "mm")


def test_places_that_were_scanned_again_are_times(data_set, saved, tmp_path):
    array = pixels((2, 3, 7, 8))
    for t in range(2):
        for z in range(3):
            data = data_set(array[t, z], number=1 + 3 * t + z)
            data.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
            data.ImagePositionPatient = [5, 6, 4 * z]
            saved(tmp_path / "knee" / f"{z}{t}.dcm", data)
    image = read_image(tmp_path / "knee", lazy=True)
    assert image.axes == "TZYX"
    np.testing.assert_array_equal(image.array, array)
    assert image.calibration.steps["Z"] == (4.0, "mm")
    write_image(tmp_path / "result", image)
    np.testing.assert_array_equal(read_image(tmp_path / "result").array, array)


def test_of_two_series_the_longer_is_read_and_their_number_told(
    scanned, volume, tmp_path
):
    scanned(tmp_path / "knee", volume[:2, :3], series="1.2.1")
    scanned(tmp_path / "knee", volume, series="1.2.3")
    (tmp_path / "knee" / "notes.txt").write_text("left knee")
    image = read_image(tmp_path / "knee")
    assert image.series == 2
    np.testing.assert_array_equal(image.array, volume)


@pytest.mark.parametrize("name", ["a.dcm", "IM0001"])
def test_a_single_file_is_a_plane(data_set, saved, name, volume, tmp_path):
    path = saved(tmp_path / name, data_set(volume[0]))
    image = read_image(path, lazy=True)
    assert image.axes == "YX"
    np.testing.assert_array_equal(image.array, volume[0])
    assert image.calibration.steps == {"Y": (0.25, "mm"), "X": (0.5, "mm")}


@pytest.mark.parametrize(("timed", "axes"), [(True, "TYX"), (False, "ZYX")])
def test_a_file_of_frames_is_read_a_frame_at_a_time(
    data_set, saved, timed, axes, volume, tmp_path
):
    data = data_set(volume)
    data.NumberOfFrames = len(volume)
    if timed:
        data.FrameTime = 40
    path = saved(tmp_path / "a.dcm", data)
    image = read_image(path, lazy=True)
    assert image.axes == axes
    np.testing.assert_array_equal(image.array[2], volume[2])
    np.testing.assert_array_equal(image.array, volume)
    if timed:
        assert image.calibration.steps["T"] == (40.0, "ms")
    write_image(tmp_path / "b.dcm", image, provenance=MADE)
    np.testing.assert_array_equal(read_image(tmp_path / "b.dcm").array, volume)
    assert pydicom.dcmread(tmp_path / "b.dcm").NumberOfFrames == len(volume)


@pytest.mark.parametrize("planar", [0, 1])
def test_colours_are_read_and_written(data_set, saved, planar, tmp_path):
    array = pixels((7, 9, 3), "uint8")
    stored = np.ascontiguousarray(array.transpose(2, 0, 1)) if planar else array
    data = data_set(stored)
    data.Rows, data.Columns, data.SamplesPerPixel = 7, 9, 3
    data.PhotometricInterpretation, data.PlanarConfiguration = "RGB", planar
    saved(tmp_path / "skin" / "a.dcm", data)
    image = read_image(tmp_path / "skin", lazy=True)
    assert image.axes == "YXS"
    write_image(tmp_path / "b", image)
    after = read_image(tmp_path / "b")
    assert after.axes == "YXS"
    np.testing.assert_array_equal(after.array, array)


def test_a_packed_series_is_unpacked_and_written_without_packing(
    data_set, saved, tmp_path
):
    array = pixels((3, 16, 16), "uint16")
    for n, slice_ in enumerate(array):
        data = data_set(slice_, number=n + 1)
        data.compress(uid.RLELossless, generate_instance_uid=False)
        saved(tmp_path / "knee" / f"{n}.dcm", data)
    image = read_image(tmp_path / "knee", lazy=True)
    np.testing.assert_array_equal(image.array, array)
    write_image(tmp_path / "b", image)
    np.testing.assert_array_equal(read_image(tmp_path / "b").array, array)
    written = pydicom.dcmread(tmp_path / "b" / "0.dcm")
    assert written.file_meta.TransferSyntaxUID == uid.ExplicitVRLittleEndian


def test_sizes_that_are_mixed_in_a_series_are_told(
    data_set, saved, scanned, volume, tmp_path
):
    scanned(tmp_path / "knee", volume)
    saved(tmp_path / "knee" / "scout.dcm", data_set(pixels((9, 9)), number=99))
    message = failure_of(lambda: read_image(tmp_path / "knee"))
    assert "7 x 8" in message
    assert "9 x 9" in message
    assert "keep those of one kind" in message


def test_a_folder_without_dicom_is_told(tmp_path):
    (tmp_path / "knee").mkdir()
    (tmp_path / "knee" / "notes.txt").write_text("left knee")
    assert "no DICOM image" in failure_of(lambda: read_image(tmp_path / "knee"))


def test_a_packing_that_cannot_be_undone_is_told_with_the_way_out(
    data_set, saved, volume, tmp_path
):
    path = saved(tmp_path / "a.dcm", data_set(volume[0]))
    data = pydicom.dcmread(path)
    data.file_meta.TransferSyntaxUID = uid.MPEG4HP42STEREO
    data["PixelData"].is_undefined_length = True
    data.PixelData = pydicom.encaps.encapsulate([b"1234"])
    data.save_as(path, enforce_file_format=True)
    message = failure_of(lambda: read_image(path))
    assert "MPEG-4" in message
    assert "pip install pylibjpeg" in message


def test_a_packing_that_turns_out_odd_is_told_when_it_is_opened(
    data_set, saved, tmp_path
):
    data = data_set(pixels((16, 16), "uint16"))
    data.compress(uid.RLELossless, generate_instance_uid=False)
    data.PixelData = pydicom.encaps.encapsulate([b"1234"])
    path = saved(tmp_path / "a.dcm", data)
    message = failure_of(lambda: read_image(path, lazy=True))
    assert "damaged" in message
    assert "pip install pylibjpeg" in message


def test_a_series_of_the_other_byte_order_is_read_and_written(data_set, tmp_path):
    array = pixels((7, 8))
    data = data_set(array.astype(">i2"), syntax=uid.ExplicitVRBigEndian)
    data.save_as(
        tmp_path / "a.dcm",
        enforce_file_format=True,
        implicit_vr=False,
        little_endian=False,
    )
    image = read_image(tmp_path / "a.dcm", lazy=True)
    np.testing.assert_array_equal(image.array, array)
    write_image(tmp_path / "b.dcm", image)
    after = read_image(tmp_path / "b.dcm")
    np.testing.assert_array_equal(after.array, array)
    assert after.calibration == image.calibration


def test_spacing_of_a_file_of_frames_is_found_where_all_share_it(
    data_set, saved, volume, tmp_path
):
    data = data_set(volume)
    measures, shared = pydicom.Dataset(), pydicom.Dataset()
    measures.PixelSpacing, measures.SliceThickness = [0.1, 0.2], 1.5
    shared.PixelMeasuresSequence = pydicom.Sequence([measures])
    data.SharedFunctionalGroupsSequence = pydicom.Sequence([shared])
    data.NumberOfFrames = len(volume)
    image = read_image(saved(tmp_path / "a.dcm", data), lazy=True)
    assert image.calibration.steps == {
        "Z": (1.5, "mm"), "Y": (0.1, "mm"), "X": (0.2, "mm"),
    }  # fmt: skip


def test_a_slice_that_is_gone_or_cut_short_is_told(scanned, volume, tmp_path):
    scanned(tmp_path / "knee", volume, order=range(5))
    image = read_image(tmp_path / "knee", lazy=True)
    cut = tmp_path / "knee" / "I3002"
    cut.write_bytes(cut.read_bytes()[:-40])
    np.testing.assert_array_equal(image.array[1], volume[1])
    assert str(cut) in failure_of(lambda: image.array[2])
    (tmp_path / "knee" / "I3003").unlink()
    assert "damaged or was changed" in failure_of(lambda: image.array[3])


def test_palettes_are_refused(data_set, saved, volume, tmp_path):
    data = data_set(volume[0].astype(np.uint8))
    data.PhotometricInterpretation = "PALETTE COLOR"
    path = saved(tmp_path / "a.dcm", data)
    assert "convert it to RGB" in failure_of(lambda: read_image(path))
