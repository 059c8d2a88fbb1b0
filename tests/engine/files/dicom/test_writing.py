"""DICOM out: new derived series, and what cannot be one."""

import json
import sys

import numpy as np
import pytest

from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.files.metadata import ImageFile
from napari_mpi.engine.files.output import output_problem, require_writable, write_image
from napari_mpi.engine.runtime.errors import ImageFileError

pydicom = pytest.importorskip("pydicom")
uid = pydicom.uid

MADE = {"version": "1.2", "settings": {"seed": 3}}


def pixels(shape, dtype="int16"):
    return (1 + np.arange(np.prod(shape)) % 250).reshape(shape).astype(dtype)


def read_all(folder):
    """Return the data sets of a folder by the values of their first pixels."""
    return {path.name: pydicom.dcmread(path) for path in folder.iterdir()}


@pytest.fixture
def volume():
    return pixels((5, 7, 8)) * np.int16(3)


def failure_of(action):
    with pytest.raises(ImageFileError) as caught:
        action()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "syntax", [uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian]
)
def test_a_result_is_a_new_derived_series_of_the_same_patient(
    data_set, saved, syntax, volume, tmp_path
):
    for n, slice_ in enumerate(volume):
        data = data_set(slice_, number=n + 1, syntax=syntax)
        saved(tmp_path / "knee" / f"{n}.dcm", data)
    image = read_image(tmp_path / "knee", lazy=True)
    result = ImageFile(np.asarray(image.array) + np.int16(1), "ZYX", image.metadata)
    require_writable(tmp_path / "denoised", result)
    write_image(tmp_path / "denoised", result, provenance=MADE)
    after = read_image(tmp_path / "denoised")
    np.testing.assert_array_equal(after.array, volume + 1)
    assert after.calibration == image.calibration
    old, new = read_all(tmp_path / "knee"), read_all(tmp_path / "denoised")
    assert old.keys() == new.keys()
    assert len({data.SOPInstanceUID for data in new.values()}) == len(volume)
    assert len({data.SeriesInstanceUID for data in new.values()}) == 1
    for name, data in new.items():
        source = old[name]
        assert data.SeriesInstanceUID != source.SeriesInstanceUID
        assert data.SOPInstanceUID != source.SOPInstanceUID
        assert data.file_meta.MediaStorageSOPInstanceUID == data.SOPInstanceUID
        assert list(data.ImageType) == ["DERIVED", "SECONDARY", "AXIAL"]
        assert data.SeriesDescription == "knee denoised"
        assert "napari-mpi 1.2" in data.DerivationDescription
        assert json.loads(data.private_block(0x99, "napari-mpi")[1].value) == MADE
        (reference,) = data.SourceImageSequence
        assert reference.ReferencedSOPInstanceUID == source.SOPInstanceUID
        assert (data.RescaleSlope, data.RescaleIntercept) == (2, -1024)
        assert (data.PatientName, data.PatientID) == ("Doe^Jane", "17")
        assert data.file_meta.TransferSyntaxUID == uid.ExplicitVRLittleEndian


def test_long_words_are_kept_within_the_standard(scanned, volume, tmp_path):
    scanned(
        tmp_path / "knee",
        volume,
        SeriesDescription="x" * 64,
        DerivationDescription="y" * 900,
    )
    made = {"version": "1.2", "settings": ["long"] * 400}
    write_image(tmp_path / "b", read_image(tmp_path / "knee"), provenance=made)
    for data in read_all(tmp_path / "b").values():
        assert len(data.SeriesDescription) <= 64
        assert data.SeriesDescription.endswith("x denoised")
        assert data.DerivationDescription == "denoised by napari-mpi 1.2"
        assert json.loads(data.private_block(0x99, "napari-mpi")[1].value) == made


def test_values_stay_within_the_bits_that_are_stored(scanned, tmp_path):
    array = np.full((2, 7, 8), 4000, np.uint16)
    scanned(tmp_path / "knee", array, BitsStored=12, HighBit=11)
    image = read_image(tmp_path / "knee")
    write_image(
        tmp_path / "b", ImageFile(array + np.uint16(500), "ZYX", image.metadata)
    )
    assert (read_image(tmp_path / "b").array == 4095).all()


@pytest.mark.parametrize("suffix", [".tif", ".zarr", ".nii.gz"])
def test_spacing_survives_other_formats(scanned, suffix, volume, tmp_path):
    pytest.importorskip({".zarr": "zarr", ".nii.gz": "nibabel"}.get(suffix, "numpy"))
    image = read_image(scanned(tmp_path / "knee", volume), lazy=True)
    write_image(tmp_path / f"a{suffix}", image, provenance=MADE)
    other = read_image(tmp_path / f"a{suffix}")
    assert other.calibration == image.calibration
    nifti = suffix == ".nii.gz"
    assert other.axes == ("XYZ" if nifti else "ZYX")
    found = other.array.transpose() if nifti else other.array
    np.testing.assert_array_equal(found, volume * 2.0 - 1024)  # as its header says


def test_what_cannot_be_dicom_is_told_before_the_work(scanned, volume, tmp_path):
    image = read_image(scanned(tmp_path / "knee", volume), lazy=True)
    tiff = ImageFile(volume, "ZYX")
    floats = ImageFile(volume.astype("f4"), "ZYX", image.metadata)
    assert "from DICOM alone" in output_problem(tmp_path / "b", tiff)
    assert "write a TIFF" in output_problem(tmp_path / "b", floats)
    assert "is not empty" in output_problem(tmp_path / "knee", image)
    assert "new folder" in output_problem(tmp_path / "b.dcm", image)
    assert output_problem(tmp_path / "b", image) is None
    assert output_problem(tmp_path / "b") is None


def test_a_failure_half_way_leaves_no_folder(scanned, volume, tmp_path):
    class Failing:
        shape, dtype = volume.shape, volume.dtype

        def __getitem__(self, index):
            if index[0] == 3:
                raise KeyboardInterrupt
            return volume[index]

    image = read_image(scanned(tmp_path / "knee", volume), lazy=True)
    results = tmp_path / "results"
    results.mkdir()
    with pytest.raises(KeyboardInterrupt):
        write_image(results / "b", ImageFile(Failing(), "ZYX", image.metadata))
    assert list(results.iterdir()) == []


def test_without_the_package_the_extra_is_named(
    data_set, saved, volume, tmp_path, monkeypatch
):
    path = saved(tmp_path / "a.dcm", data_set(volume[0]))
    monkeypatch.setitem(sys.modules, "pydicom", None)
    message = failure_of(lambda: read_image(path))
    assert 'pip install "napari-mpi[medical]"' in message
