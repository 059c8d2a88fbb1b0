"""A folder of small images, and a quick batch of it that is watched."""

import numpy as np
import pytest
import tifffile

from napari_mpi.batch.request import BatchRequest, Folders
from napari_mpi.batch.work import one_file
from napari_mpi.engine.denoising import file as file_denoising
from napari_mpi.engine.networks.weight_files import save_weights
from napari_mpi.engine.settings.method import Method
from napari_mpi.engine.settings.presets import preset


@pytest.fixture
def source(tmp_path, rng):
    """Return a folder of four small images."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(4):
        noisy = rng.normal(1000, 100, (20, 24)).astype(np.uint16)
        tifffile.imwrite(folder / f"cell {number}.tif", noisy)
    return folder


@pytest.fixture
def request_(source, small_weights, tmp_path):
    """Return what is asked for: a quick run."""
    weights = tmp_path / "small.safetensors"
    save_weights(small_weights, weights)
    method = Method(preset("blind-fast", iterations=2), str(weights), "cpu")
    return BatchRequest(Folders(source, tmp_path / "results", recursive=True), method)


@pytest.fixture
def denoised(monkeypatch):
    """Return the names of the files that are denoised, in order."""
    names = []
    open_file = file_denoising.open_file

    def opened(source, *args, **kwargs):
        names.append(source.name)
        return open_file(source, *args, **kwargs)

    monkeypatch.setattr(one_file, "open_file", opened)
    return names


@pytest.fixture(scope="package")
def cluster():
    """Return a cluster of two processes, which are not profiled."""
    import dask
    import distributed

    with (
        dask.config.set({"distributed.worker.profile.enabled": False}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
    ):
        yield cluster
