"""The command line with other formats than TIFF: what comes in comes out."""

import numpy as np
import pytest
import tifffile

from napari_mpi.cli.main import main
from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.files.metadata import Calibration, ImageFile, Metadata
from napari_mpi.engine.files.output import write_image as write
from napari_mpi.engine.networks.weight_files import save_weights

STEPS = {"X": (0.25, "mm"), "Y": (0.5, "mm"), "Z": (2.0, "mm")}


@pytest.fixture
def run(small_weights, tmp_path):
    """Return a function that denoises quickly and returns the exit status."""
    save_weights(small_weights, tmp_path / "small.safetensors")

    def run(source, target):
        given = [str(source), "-o", str(target), "-q", "--device", "cpu"]
        few = ["--weights", str(tmp_path / "small.safetensors"), "--iterations", "2"]
        return main(["denoise", *given, *few])

    return run


@pytest.fixture
def noisy(rng):
    """Return a small calibrated volume."""
    array = rng.normal(1000, 100, (2, 16, 20)).astype(np.uint16)
    return ImageFile(array, "ZYX", Metadata(calibration=Calibration(STEPS)))


@pytest.mark.parametrize("suffix", [".zarr", ".nii", ".nii.gz"])
def test_a_volume_comes_out_in_its_format(suffix, run, noisy, tmp_path):
    pytest.importorskip("zarr" if suffix == ".zarr" else "nibabel")
    write(tmp_path / f"a{suffix}", noisy)
    before = read_image(tmp_path / f"a{suffix}")
    assert run(tmp_path / f"a{suffix}", tmp_path / f"b{suffix}") == 0
    after = read_image(tmp_path / f"b{suffix}")
    assert (after.axes, after.array.shape) == (before.axes, before.array.shape)
    assert after.array.dtype == np.uint16
    assert after.calibration == before.calibration
    assert (after.array != before.array).any()


def test_a_volume_of_nifti_comes_out_as_tiff(run, noisy, tmp_path):
    pytest.importorskip("nibabel")
    write(tmp_path / "a.nii", noisy)
    assert run(tmp_path / "a.nii", tmp_path / "b.tif") == 0
    after = read_image(tmp_path / "b.tif")
    assert (after.axes, after.array.shape) == ("ZYX", (2, 16, 20))
    assert after.calibration.steps == STEPS


def test_what_the_output_cannot_hold_is_told_before_the_work(
    run, tmp_path, rng, capsys
):
    pytest.importorskip("nibabel")
    write(tmp_path / "a.tif", ImageFile(rng.random((2, 16, 20)), "CYX"))
    assert run(tmp_path / "a.tif", tmp_path / "b.nii") == 1
    assert "cannot hold axes C" in capsys.readouterr().err
    assert not (tmp_path / "b.nii").exists()


def test_a_series_is_chosen_and_the_choice_is_told(tmp_path, rng, capsys):
    image = rng.normal(100, 9, (24, 28)).astype(np.float32)
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(image[::3, ::3], metadata=None)
        file.write(image, metadata=None)
    source, output = str(tmp_path / "a.tif"), str(tmp_path / "b.tif")
    method = ["--preset", "blind-fast", "--weights", "grey", "--learning-rate", "0"]
    assert main(["denoise", source, "-o", output, *method]) == 0
    assert "number 1 is read: --series chooses among" in capsys.readouterr().err
    assert tifffile.imread(output).shape == (24, 28)
    assert main(["denoise", source, "-o", output, "--series", "0", *method]) == 0
    assert tifffile.imread(output).shape == (8, 10)
    assert main(["denoise", source, "-o", output, "--series", "5", *method]) != 0
    assert "has no series '5': it has 0 (8 x 10)" in capsys.readouterr().err
