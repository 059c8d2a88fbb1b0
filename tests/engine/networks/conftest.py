"""Weights that were saved."""

import dataclasses

import pytest

from napari_mpi.engine.networks.weight_files import save_weights


@pytest.fixture
def saved(small_weights, tmp_path):
    """Return a file of small weights with a provenance."""
    path = tmp_path / "mine.safetensors"
    provenance = {"mask": {"mask_ratio": [0.1, 0.9]}, "source": "our laboratory"}
    save_weights(dataclasses.replace(small_weights, provenance=provenance), path)
    return path
