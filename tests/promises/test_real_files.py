"""Files that went wrong once: right values, or one clear sentence, by every door."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_mpi import denoise_file, denoise_folder, errors, read_image

CASES = Path(os.environ.get("NAPARI_MPI_DATA", "../shared")) / "cases" / "make.py"
HOW = {"preset": "blind-fast", "weights": "grey", "learning_rate": 0.0, "device": "cpu"}

pytestmark = [
    pytest.mark.skipif(not CASES.is_file(), reason=f"no {CASES}"),
    pytest.mark.filterwarnings("ignore"),
]

DENOISED = {
    "const_emptyplane.tif": "areas of one exact value",
    "const_roundfov.tif": "areas of one exact value",
    "const_saturated.tif": "are saturated",
    "range_hotclusters.tif": "far beyond all others",
    "range_scalebar.tif": "far beyond all others",
    "range_-9999.tif": "areas of one exact value",
    "range_fltmax.tif": "areas of one exact value",
    "range_subnormal.tif": "",
    "dicom_pet": "slopes of their own",
    "dicom_padding": "marked as no data",
    "ome_missingfile/s_Z0.ome.tif": "s_Z3.ome.tif",
    "ome_binaryonly/s_Z0.ome.tif": "",
    "tiff_ij10of6.tif": "10 planes but has 6",
    "tiff_stale_shape.tif": "does not fit its pixels",
    "tiff_qqyx.tif": "taken as TZYX; give --axes",
    "tiff_thumbnail_first.tif": "--series chooses",
    "tiff_miniswhite.tif": "",
    "jpeg_exif6.jpg": "EXIF orientation 6",
    "grey_as_rgb.png": "",
    "png_rgb16.png": "",
    "png_animated.png": "",
    "zarr_nounit.zarr": "",
    "dicom_nosyntax.dcm": "does not say how it is packed",
    "dicom_nopreamble.dcm": "does not say how it is packed",
}
"""Files and what is said of them; none if there is nothing to tell."""


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    """Return a folder with all files."""
    pytest.importorskip("pydicom")
    pytest.importorskip("zarr")
    folder = tmp_path_factory.mktemp("cases")
    names = {name.partition("/")[0].partition(".")[0] for name in DENOISED}
    names = [*names, "zarr_plate"]
    subprocess.run([sys.executable, CASES, *names, "-o", folder], check=True)
    return folder


def output_of(name):
    suffix = Path(name).suffix
    kept = suffix if suffix in (".tif", ".zarr") else ".tif"
    return f"{Path(name).name.removesuffix(suffix)}-denoised{kept}"


@pytest.fixture(scope="module")
def by_python(cases, tmp_path_factory):
    """Return what `denoise_file` makes of a file, once."""
    folder, made = tmp_path_factory.mktemp("python"), {}

    def made_of(name):
        if name not in made:
            output = folder / name.replace("/", "_") / output_of(name)
            output.parent.mkdir()
            made[name] = denoise_file(cases / name, output, **HOW), read_image(output)
        return made[name]

    return made_of


@pytest.mark.parametrize(("name", "said"), DENOISED.items())
def test_noise_goes_and_what_is_odd_is_told(name, said, cases, by_python):
    made, written = by_python(name)
    source = read_image(cases / name)
    assert said in "; ".join(made.notes)
    assert written.array.size == source.array.size
    # Of what is compared all is finite, whatever came in.
    noisy, clean = (np.asarray(a, np.float64) for a in (source.array, made.result))
    changed = noisy != clean
    assert changed.mean() > 0.3
    assert np.isfinite(clean[changed]).all()
    axis = source.axes.index("X")
    both = np.diff(changed.astype(int).cumsum(axis), axis=axis) > 0
    usual, left = (np.abs(np.diff(image, axis=axis))[both] for image in (noisy, clean))
    assert np.median(left) < 0.6 * np.median(usual)


@pytest.mark.parametrize("name", DENOISED)
def test_a_batch_makes_the_same(name, cases, by_python, tmp_path):
    whole = (cases / name).parent if "/" in name else cases / name
    inside = tmp_path / "in" / whole.name if whole.is_dir() else tmp_path / "in"
    if whole.is_dir():
        shutil.copytree(whole, inside)
    else:
        inside.mkdir()
        shutil.copy(whole, inside)
    source = inside if "/" in name else tmp_path / "in"
    outcomes = denoise_folder(source, tmp_path / "out", recursive=True, **HOW)
    done = [outcome for outcome in outcomes if outcome.status.value == "done"]
    assert len(done) == 1
    assert {o.status.value for o in outcomes} <= {"done", "skipped"}
    found = read_image(tmp_path / "out" / done[0].output)
    made, written = by_python(name)
    if name.startswith("dicom"):  # the batch keeps DICOM
        np.testing.assert_array_equal(np.asarray(made.result).shape, found.array.shape)
    else:
        np.testing.assert_array_equal(found.array, written.array)
        assert found.axes == written.axes


@pytest.mark.parametrize("name", [n for n in DENOISED if not n.startswith("dicom")])
def test_a_layer_gives_the_same(name, cases, by_python):
    pytest.importorskip("napari")
    from napari.layers import Image

    from napari_mpi.api.method import chosen
    from napari_mpi.widgets.denoise.jobs.asked import Prepared, Request
    from napari_mpi.widgets.denoise.jobs.job import denoise_job
    from napari_mpi.widgets.layers.axes import layer_axes
    from napari_mpi.widgets.layers.selection import select

    source = read_image(cases / name)
    layer = Image(source.array, rgb=source.axes.endswith("S"))
    if layer.ndim == 2 or "Z" in source.axes:  # T is no letter that anybody guesses
        assert layer_axes(layer) == source.axes
    method = chosen(None, **HOW)
    (first, *_) = events = list(
        denoise_job(Request(select(layer, axes=source.axes), method))
    )
    assert isinstance(first, Prepared)
    assert len(events) > 2
    made, _ = by_python(name)
    np.testing.assert_array_equal(np.asarray(first.state.result), made.result)


def test_a_plate_is_told_and_a_batch_takes_its_fields(cases, tmp_path):
    plate = cases / "zarr_plate.zarr"
    with pytest.raises(errors.ImageFileError, match=r"is a plate with 1 field.*A/1/0"):
        denoise_file(plate, tmp_path / "a.zarr", **HOW)
    (tmp_path / "in").mkdir()
    shutil.copytree(plate, tmp_path / "in" / plate.name)
    for source in (tmp_path / "in", plate):
        (outcome,) = denoise_folder(source, tmp_path / f"of {source.name}", **HOW)
        assert outcome.status.value == "done"
        assert outcome.output == "zarr_plate-denoised.zarr/A/1/0"


def test_grey_in_colour_s_clothes_stays_grey(by_python):
    made, _ = by_python("grey_as_rgb.png")
    np.testing.assert_array_equal(made.result[..., 0], made.result[..., 1])
    np.testing.assert_array_equal(made.result[..., 0], made.result[..., 2])
