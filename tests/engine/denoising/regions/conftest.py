"""A small OME-Zarr volume, and what denoises it in a second."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from napari_mpi.engine.denoising.file import open_file
from napari_mpi.engine.denoising.regions import grid
from napari_mpi.engine.denoising.regions.volume import Volume
from napari_mpi.engine.networks.weight_files import save_weights
from napari_mpi.engine.runtime.jobs import run
from napari_mpi.engine.settings.method import Method
from napari_mpi.engine.settings.presets import preset

zarr = pytest.importorskip("zarr", reason="the extra is not installed")

SHAPE = (2, 4, 70, 90)
"""Channels, planes, rows and columns."""


def written(path, array, *, axes="czyx", chunks=(1, 1, 32, 32), shards=None):
    """Write an OME-Zarr of two levels, as other programs do."""
    group = zarr.open_group(str(path), mode="w", zarr_format=3)
    kinds = {"c": "channel", "t": "time"}
    datasets = []
    for level, factor in enumerate((1, 2)):
        data = array[..., ::factor, ::factor]
        group.create_array(
            f"s{level}",
            data=data,
            chunks=tuple(map(min, chunks, data.shape)),
            shards=shards if level == 0 else None,
            dimension_names=list(axes),
            compressors=zarr.codecs.ZstdCodec(level=3),
        )
        scale = [1.0] * (len(axes) - 2) + [0.5 * factor] * 2
        told = [{"type": "scale", "scale": scale}]
        datasets.append({"path": f"s{level}", "coordinateTransformations": told})
    named = [{"name": axis, "type": kinds.get(axis, "space")} for axis in axes]
    multiscale = {"name": "cells", "axes": named, "datasets": datasets}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [multiscale]}
    return array


@pytest.fixture(scope="package")
def noisy():
    """Return two channels of four noisy planes; the second has an empty area."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[: SHAPE[2], : SHAPE[3]]
    clean = 600 + 300 * np.sin(rows / 9) * np.cos(columns / 11)
    noisy = rng.poisson(np.broadcast_to(clean, SHAPE)).astype(np.uint16)
    noisy[1, :, 10:40, 20:60] = 0
    return noisy


@pytest.fixture(scope="package")
def write_volume():
    """Return what writes an OME-Zarr."""
    return written


@pytest.fixture(scope="package")
def source(tmp_path_factory, noisy):
    """Return the volume."""
    path = tmp_path_factory.mktemp("source") / "raw.zarr"
    written(path, noisy)
    return path


@pytest.fixture(scope="package")
def method(tmp_path_factory, small_grey_weights):
    """Return how to denoise it: quickly, with neighbours, alike on every machine."""
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_weights(small_grey_weights, path)
    changed = {"precision": "float32", "neighbours": "1", "guard": False}
    return Method(preset("blind-fast", iterations=2, **changed), str(path), "cpu")


@pytest.fixture(scope="package")
def made(tmp_path_factory, source, method):
    """Return a folder with an adaptation, and the result of one run in regions."""
    folder = tmp_path_factory.mktemp("made")
    image, task = open_file(source, folder / "whole.zarr", method)
    with pytest.MonkeyPatch.context() as patch:
        cut_up(patch)
        volume = Volume(image, task, folder / "whole.zarr")
        run(volume.adapt(folder / "adapted.safetensors"))
        run(volume.denoise())
    return folder


@pytest.fixture
def adaptation(made, tmp_path):
    """Return the file of an adaptation."""
    return Path(shutil.copy(made / "adapted.safetensors", tmp_path))


@pytest.fixture
def several(monkeypatch):
    """Cut planes into several regions, and stacks too."""
    cut_up(monkeypatch)


def cut_up(patch):
    patch.setattr(grid, "_SIDE", 32)
    patch.setattr(grid, "READ_TWICE", 12.0)


@pytest.fixture
def volume(source, method, tmp_path):
    """Return what makes a new volume of that name, as a program of its own would."""

    def opened(name="out.zarr"):
        image, task = open_file(source, tmp_path / name, method)
        return Volume(image, task, tmp_path / name)

    return opened
