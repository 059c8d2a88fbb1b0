"""Small weights, a noisy image, and a folder for results."""

import pytest
import tifffile

from napari_mpi.engine.networks.weight_files import save_weights


@pytest.fixture
def weights(small_weights, tmp_path):
    """Return the file of small weights."""
    path = tmp_path / "small.safetensors"
    save_weights(small_weights, path)
    return path


def write_noisy(path, rng, *, axes="YX", shape=(16, 20), dtype="uint16"):
    array = rng.normal(1000, 100, shape).clip(0, None)
    array = (array if dtype == "uint16" else array / 10).astype(dtype)
    metadata = {"axes": axes, "unit": "micron"}
    tifffile.imwrite(path, array, imagej=True, resolution=(4.0, 8.0), metadata=metadata)
    return array


@pytest.fixture
def noisy(tmp_path, rng):
    """Return a small calibrated image."""
    path = tmp_path / "noisy.tif"
    write_noisy(path, rng)
    return path


@pytest.fixture
def results(tmp_path):
    """Return an empty folder."""
    path = tmp_path / "results"
    path.mkdir()
    return path
