"""The command line's file of uncertainty: beside the result, whole or not at all."""

import json

import numpy as np
import pytest
import tifffile

from napari_mpi.cli.main import main
from napari_mpi.engine.denoising import file as file_denoising
from napari_mpi.engine.denoising.denoise import denoise
from napari_mpi.engine.denoising.state import DenoisingState
from napari_mpi.engine.denoising.task import prepare
from napari_mpi.engine.files import output
from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.runtime.errors import ImageFileError
from napari_mpi.engine.runtime.jobs import run
from napari_mpi.engine.settings.presets import preset

FEW = ["--iterations", "3", "--device", "cpu", "--preset", "independent-fast", "-q"]


@pytest.fixture
def noisy(tmp_path, rng):
    """Return a small calibrated stack of ImageJ, with the range that it is shown in."""
    path = tmp_path / "noisy.tif"
    array = rng.normal(1000, 100, (2, 16, 20)).astype(np.uint16)
    metadata = {"axes": "ZYX", "unit": "micron", "spacing": 2.0, "min": 0, "max": 4000}
    tifffile.imwrite(path, array, imagej=True, resolution=(4.0, 8.0), metadata=metadata)
    return path


def run_cli(noisy, weights, result, uncertainty, *options):
    """Denoise quickly and quietly; return the exit status."""
    words = [noisy, "-o", result, "--uncertainty", uncertainty, "--weights", weights]
    return main(["denoise", *map(str, words), *FEW, *map(str, options)])


def test_it_is_the_engine_s_with_axes_and_calibration(
    noisy, weights, small_weights, tmp_path
):
    result, uncertainty = tmp_path / "result.tif", tmp_path / "uncertainty.tif"
    assert run_cli(noisy, weights, result, uncertainty) == 0
    state = DenoisingState(wants_spread=True)
    source = read_image(noisy)
    config = preset("independent-fast", iterations=3)
    run(
        denoise(
            prepare(
                source.array, "ZYX", weights=small_weights, config=config, device="cpu"
            ),
            state,
        )
    )
    written = read_image(uncertainty)
    np.testing.assert_array_equal(written.array, state.spread)
    assert written.array.dtype == np.float32
    assert written.axes == "ZYX"
    assert written.calibration == source.calibration
    with tifffile.TiffFile(uncertainty) as file:
        said = file.imagej_metadata
    assert "max" not in said  # of the source's intensities
    made = json.loads(said["Info"].partition("napari-mpi: ")[2])
    assert "standard deviation" in made["shows"]
    assert made["settings"]["iterations"] == 3


def test_the_result_is_what_it_is_without(noisy, weights, tmp_path):
    plain, result = tmp_path / "plain.tif", tmp_path / "result.tif"
    words = [noisy, "-o", plain, "--weights", weights]
    assert main(["denoise", *map(str, words), *FEW]) == 0
    assert run_cli(noisy, weights, result, tmp_path / "uncertainty.tif") == 0
    assert plain.read_bytes() == result.read_bytes()


def test_that_of_colours_has_no_colours(weights, rng, tmp_path):
    noisy, uncertainty = tmp_path / "noisy.tif", tmp_path / "uncertainty.tif"
    tifffile.imwrite(noisy, rng.integers(0, 256, (16, 20, 3), "uint8"), ome=True,
                     photometric="rgb", metadata={"PhysicalSizeX": 0.5,
                     "PhysicalSizeXUnit": "µm"})  # fmt: skip
    assert run_cli(noisy, weights, tmp_path / "result.tif", uncertainty) == 0
    written = read_image(uncertainty)
    assert (written.axes, written.array.shape) == ("YX", (16, 20))
    assert written.calibration.steps["X"] == (0.5, "um")


@pytest.mark.parametrize(
    ("result", "uncertainty", "told"),
    [
        ("result.tif", "uncertainty.png", "does not end in .tif"),
        ("result.tif", "result.tif", "cannot both be"),
        ("result.tif", "noisy.tif", "is the input itself"),
        ("result.tif", "nowhere/uncertainty.tif", "cannot be written"),
    ],
)
def test_a_name_that_will_not_do_is_told_before_the_work(
    result, uncertainty, told, noisy, weights, tmp_path, capsys
):
    before = noisy.read_bytes()
    status = run_cli(noisy, weights, tmp_path / result, tmp_path / uncertainty)
    assert status == 1
    assert told in capsys.readouterr().err
    assert noisy.read_bytes() == before
    assert not (tmp_path / "result.tif").exists()


def test_one_that_cannot_be_written_leaves_the_result(
    noisy, weights, tmp_path, monkeypatch
):
    true_write = output.write_image

    def write(path, *arguments, **options):
        if path.name == "uncertainty.tif":
            raise ImageFileError("the disk is full: make room")
        true_write(path, *arguments, **options)

    monkeypatch.setattr(file_denoising, "write_image", write)
    result, uncertainty = tmp_path / "result.tif", tmp_path / "uncertainty.tif"
    assert run_cli(noisy, weights, result, uncertainty) == 1
    assert read_image(result).array.shape == (2, 16, 20)
    assert not uncertainty.exists()
