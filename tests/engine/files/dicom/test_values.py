"""Values of DICOM mean what they meant, whatever they are written to."""

import numpy as np
import pytest

pydicom = pytest.importorskip("pydicom")

from napari_mpi.engine.denoising.file import denoise_file, open_file  # noqa: E402
from napari_mpi.engine.files.formats import read_image  # noqa: E402
from napari_mpi.engine.files.output import write_image  # noqa: E402
from napari_mpi.engine.files.scaling import with_true_values  # noqa: E402
from napari_mpi.engine.runtime.jobs import run  # noqa: E402
from napari_mpi.engine.settings.method import Method  # noqa: E402
from napari_mpi.engine.settings.presets import preset  # noqa: E402

SLOPES = (0.5, 2, 8)


@pytest.fixture
def volume(rng):
    return rng.integers(50, 4000, (3, 20, 24)).astype(np.int16)


@pytest.fixture
def pet(tmp_path, scanned, saved, volume):
    """Return a folder whose slices have slopes of their own."""
    folder = scanned(tmp_path / "pet", volume, RescaleIntercept=0)
    for file in folder.iterdir():
        data = pydicom.dcmread(file)
        place = round(-data.ImagePositionPatient[0] / 2)
        data.RescaleSlope = SLOPES[place]
        saved(file, data)
    return folder


def true(volume):
    return volume * np.array(SLOPES)[:, None, None]


def test_slices_with_slopes_of_their_own_are_told(pet, volume):
    image = read_image(pet, lazy=True)
    np.testing.assert_array_equal(np.asarray(image.array), volume)
    assert "slopes of their own" in image.notes[0]
    whole = with_true_values(image).array
    np.testing.assert_array_equal(whole[1, 3:9, 4], true(volume)[1, 3:9, 4])


@pytest.mark.parametrize("suffix", [".tif", ".zarr", ".nii"])
def test_they_keep_their_meaning_in_other_formats(pet, volume, suffix, tmp_path):
    pytest.importorskip({".zarr": "zarr", ".nii": "nibabel"}.get(suffix, "numpy"))
    write_image(tmp_path / f"a{suffix}", read_image(pet, lazy=True))
    found = read_image(tmp_path / f"a{suffix}")
    order = [found.axes.index(letter) for letter in "ZYX"]
    np.testing.assert_array_equal(found.array.transpose(order), true(volume))


def test_they_are_stored_as_they_were_in_a_derived_series(pet, volume, tmp_path):
    write_image(tmp_path / "b", read_image(pet, lazy=True))
    files = [pydicom.dcmread(file) for file in (tmp_path / "b").iterdir()]
    for data in files:
        place = round(-data.ImagePositionPatient[0] / 2)
        assert data.RescaleSlope == SLOPES[place]
        np.testing.assert_array_equal(data.pixel_array, volume[place])


@pytest.mark.parametrize(
    ("slope", "intercept", "dtype"),
    [(1, -1024, "int32"), (1, 0, "int16"), (2, -1024, "float32"), (0.1, 0, "float32")],
)
def test_one_slope_is_applied_where_no_header_keeps_it(
    slope, intercept, dtype, scanned, volume, tmp_path
):
    scanned(tmp_path / "ct", volume, RescaleSlope=slope, RescaleIntercept=intercept)
    image = read_image(tmp_path / "ct", lazy=True)
    np.testing.assert_array_equal(np.asarray(image.array), volume)
    write_image(tmp_path / "a.tif", image)
    found = read_image(tmp_path / "a.tif").array
    assert found.dtype == dtype
    np.testing.assert_allclose(found, volume * slope + intercept, rtol=1e-6)


def test_the_values_written_are_told_and_the_uncertainty_has_their_unit(
    scanned, volume, tmp_path
):
    folder = scanned(tmp_path / "ct", volume, RescaleSlope=20, RescaleIntercept=-5)
    method = Method(preset("auto-fast", learning_rate=0.0), "grey", "cpu")

    def spread(output):
        image, task = open_file(folder, output, method)
        beside = output.with_name(f"{output.name}-spread.tif")
        made = run(denoise_file(image, task, output, uncertainty=beside))
        return made, read_image(beside).array

    (to_tiff, in_tiff), (to_dicom, beside_dicom) = (
        spread(tmp_path / name) for name in ("a.tif", "derived")
    )
    assert any("20 x stored + -5), of type float32" in note for note in to_tiff.notes)
    assert not any("true ones" in note for note in to_dicom.notes)
    np.testing.assert_array_equal(in_tiff, beside_dicom)  # true units in both
    removed = volume * 20.0 - 5 - read_image(tmp_path / "a.tif").array
    assert 0.02 < np.nanmedian(in_tiff) / removed.std() < 2


@pytest.mark.parametrize(("padding", "limit"), [(-2000, None), (-2000, -1900)])
def test_padding_comes_back_and_counts_nowhere(
    padding, limit, scanned, volume, tmp_path
):
    volume[:, :, :6] = -2000
    volume[:, ::3, 6] = -2000  # too little to be known by itself
    volume[0, 0, 0] = -1950 if limit else -2000
    changes = {} if limit is None else {"PixelPaddingRangeLimit": limit}
    folder = scanned(
        tmp_path / "ct", volume, PixelPaddingValue=padding,
        RescaleSlope=1, RescaleIntercept=0, **changes,
    )  # fmt: skip
    method = Method(preset("blind-fast", iterations=1), "grey", "cpu")
    image, task = open_file(folder, tmp_path / "b", method)
    run(denoise_file(image, task, tmp_path / "b"))
    result = read_image(tmp_path / "b").array
    np.testing.assert_array_equal(result[volume <= -1900], volume[volume <= -1900])
    assert result[volume > 0].min() > -200


def test_what_is_shown_inverted_looks_so_as_tiff(scanned, volume, tmp_path):
    import tifffile

    scanned(tmp_path / "x", volume, PhotometricInterpretation="MONOCHROME1")
    write_image(tmp_path / "a.tif", read_image(tmp_path / "x", lazy=True))
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.pages.first.photometric == tifffile.PHOTOMETRIC.MINISWHITE


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_reals_stay_reals(dtype, data_set, tmp_path, rng):
    array = rng.normal(size=(20, 24)).astype(dtype)
    data = data_set(array)
    for name in ("PixelData", "BitsStored", "HighBit", "PixelRepresentation"):
        delattr(data, name)
    data.RescaleSlope, data.RescaleIntercept = 1, 0
    word = "FloatPixelData" if dtype == "float32" else "DoubleFloatPixelData"
    setattr(data, word, array.tobytes())
    pydicom.dcmwrite(
        tmp_path / "a.dcm", data, enforce_file_format=True, implicit_vr=False,
        little_endian=True,
    )  # fmt: skip
    image = read_image(tmp_path / "a.dcm", lazy=True)
    np.testing.assert_array_equal(np.asarray(image.array), array)
    write_image(tmp_path / "b.dcm", image)
    back = read_image(tmp_path / "b.dcm").array
    assert back.dtype == dtype
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize("lacks", ["syntax", "preamble"])
def test_files_without_the_usual_beginning_are_read(lacks, data_set, volume, tmp_path):
    data = data_set(volume[0])
    del data.file_meta.TransferSyntaxUID
    if lacks == "preamble":
        data.file_meta = pydicom.dataset.FileMetaDataset()
        data.preamble = None
    else:
        data.preamble = bytes(128)
    pydicom.dcmwrite(
        tmp_path / "a.dcm", data, implicit_vr=lacks == "preamble", little_endian=True,
        enforce_file_format=False,
    )  # fmt: skip
    image = read_image(tmp_path / "a.dcm")
    np.testing.assert_array_equal(image.array, volume[0])
    assert "does not say how it is packed" in image.notes[0]
    write_image(tmp_path / "b.dcm", image)
    np.testing.assert_array_equal(read_image(tmp_path / "b.dcm").array, volume[0])


def test_slices_that_are_missing_are_counted(scanned, volume, tmp_path):
    thick = np.concatenate([volume] * 3)
    folder = scanned(tmp_path / "ct", thick)
    for file in sorted(folder.iterdir()):
        place = round(-pydicom.dcmread(file).ImagePositionPatient[0] / 2)
        if place in (3, 4, 7):
            file.unlink()
    image = read_image(folder)
    assert image.array.shape[0] == 6
    assert any("3 slices seem to be missing" in note for note in image.notes)


def test_a_series_is_chosen_by_number_or_name_and_told(scanned, volume, tmp_path):
    scanned(tmp_path / "a", volume, series="1.2.3", SeriesDescription="T1")
    scanned(tmp_path / "a", volume[:2] + 1, series="1.2.4", SeriesDescription="T2")
    largest = read_image(tmp_path / "a")
    assert largest.array.shape[0] == 3
    assert "T1, 3 planes" in largest.notes[-1]
    assert "--series chooses among" in largest.notes[-1]
    for wanted in ("T2", 1, "1"):
        np.testing.assert_array_equal(
            read_image(tmp_path / "a", series=wanted).array, volume[:2] + 1
        )


@pytest.mark.parametrize("said", [2, 9])
def test_frames_are_read_as_many_as_there_are(said, data_set, saved, volume, tmp_path):
    frames = np.concatenate([volume] * 2)[:5]
    data = data_set(frames)
    data.NumberOfFrames = said
    saved(tmp_path / "a.dcm", data)
    image = read_image(tmp_path / "a.dcm", lazy=True)
    np.testing.assert_array_equal(np.asarray(image.array), frames)
    assert f"speaks of {said} frames but has 5" in image.notes[0]
    write_image(tmp_path / "b.dcm", image)
    assert pydicom.dcmread(tmp_path / "b.dcm").NumberOfFrames == 5
    np.testing.assert_array_equal(read_image(tmp_path / "b.dcm").array, frames)
