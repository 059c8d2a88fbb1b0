"""Fixtures of all tests: a home of their own, small weights, the evaluation data."""

import os
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Keep the user's own weights and cache out of the tests."""
    folder = tmp_path / "home"
    monkeypatch.setenv("NAPARI_MPI_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def shared_data():
    """Return the folder of evaluation data, or skip."""
    folder = Path(os.environ.get("NAPARI_MPI_DATA", ROOT.parent / "shared"))
    if not (folder / "golden").is_dir():
        pytest.skip(f"no evaluation data in {folder}: set NAPARI_MPI_DATA")
    return folder


@pytest.fixture(scope="session")
def authors_weights(shared_data):
    """Return the files of the authors' two checkpoints by our names for them."""
    folder = shared_data / "weights"
    return {
        "mpi-pixelwise-30": folder / "imgnet_30_multchannel_skip.pth",
        "mpi-shared-80-95": folder / "imgnet_80_95_singlechannel_skip.pth",
    }


@pytest.fixture(scope="session")
def small_weights():
    """Return random weights of a network that takes milliseconds an iteration."""
    from napari_mpi.engine.networks.weights import random_weights
    from napari_mpi.engine.settings.network import NetworkConfig

    return random_weights(NetworkConfig(width=8, scales=2), seed=0)


@pytest.fixture(scope="session")
def small_grey_weights():
    """Return random weights of a small network of our own kind, for grey images."""
    from napari_mpi.engine.networks.weights import random_weights
    from napari_mpi.engine.settings.network import NetworkConfig

    shape = {"channels": 1, "mask_channels": 1, "width": 8, "scales": 2}
    return random_weights(NetworkConfig(architecture="residual", **shape), seed=0)


@pytest.fixture
def rng():
    """Return a seeded numpy generator."""
    return np.random.default_rng(0)


def pytest_collection_modifyitems(items):
    """Skip tests that need a GPU where there is none, and say so."""
    needing = [item for item in items if item.get_closest_marker("gpu")]
    if needing:
        import torch

        if not torch.cuda.is_available():
            reason = pytest.mark.skip(reason="no CUDA device on this machine")
            for item in needing:
                item.add_marker(reason)


@pytest.fixture(autouse=True)
def one_thread():
    """Compute small images on one thread: two would mostly wait for each other.

    Before each test, since what compiles napari's labels sets it to all of them.
    """
    import torch

    torch.set_num_threads(1)


class Counted:
    """A lazy array that is not numpy's, and knows what was read of it."""

    def __init__(self, array):
        self._array, self.shape, self.dtype = array, array.shape, array.dtype
        self.reads = []

    def __getitem__(self, index):
        self.reads.append(index)
        return self._array[index]


@pytest.fixture(scope="session")
def counted():
    """Return what makes an array count its reads."""
    return Counted
