"""What is read of a volume, region by region: on paper, and counted."""

import math
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import numpy as np
import torch
import zarr

from napari_mpi.engine.denoising import planes
from napari_mpi.engine.denoising.adapted import tile_filling
from napari_mpi.engine.denoising.adapted.kept import Adapted, AdaptedChannel
from napari_mpi.engine.denoising.neighbours import reader
from napari_mpi.engine.denoising.neighbours.choice import Neighbourhood
from napari_mpi.engine.denoising.noisy import Noisy
from napari_mpi.engine.denoising.planes import Plane
from napari_mpi.engine.denoising.regions.filling import RegionFilling
from napari_mpi.engine.denoising.regions.grid import Extents, Grid, grid_of, needed
from napari_mpi.engine.denoising.regions.layout import cached, grid_for
from napari_mpi.engine.denoising.sampling.take import Sample
from napari_mpi.engine.denoising.task import Task, prepare
from napari_mpi.engine.files.formats import read_image
from napari_mpi.engine.filling.passes import Filled
from napari_mpi.engine.images.arrays import LazyArray
from napari_mpi.engine.images.intensity import IntensityMap
from napari_mpi.engine.images.marks import MarkRule
from napari_mpi.engine.networks.loading import load_weights
from napari_mpi.engine.noise.model import NoiseModel
from napari_mpi.engine.settings.presets import preset

HALO = {"Y": tile_filling.SEEN, "X": tile_filling.SEEN, "Z": 1}
MESSAGES = 5  # of dask for a task: submit, assign, started, finished, released

PETABYTES = (
    ("light sheet, chunks of planes", (60_000, 100_000, 83_000), (1, 512, 512), None),
    ("light sheet, cubes of 64", (80_000, 80_000, 80_000), (64, 64, 64), None),
    (
        "electron microscopy, cubes in shards",
        (80_000, 80_000, 80_000),
        (64, 64, 64),
        (64, 2048, 2048),
    ),
    ("time series of one plane", (2_000_000, 16_000, 16_000), (1, 1024, 1024), None),
)


def on_paper() -> None:
    """Print what volumes of a petabyte take."""
    print("| volume | region | regions | kept, GB | chunks read, times | chunks | "
          "files | dask's messages |")  # fmt: skip
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, shape, chunk, shard in PETABYTES:
        extents = Extents("ZYX", shape, shard or chunk, chunk, HALO, 2)
        grid = grid_of(extents)
        chunks, files = (
            math.prod(-(-n // c) for n, c in zip(shape, part, strict=True))
            for part in (chunk, shard or chunk)
        )
        kept = needed(extents, list(grid.steps)) / 1e9
        print(
            f"| {name}, {math.prod(shape) * 2 / 1e15:.2f} PB |"
            f" {' x '.join(map(str, grid.steps))} | {len(grid):,} | {kept:.1f} |"
            f" {grid.read:.2f} | {chunks:,} | {files + len(grid):,} |"
            f" {MESSAGES * len(grid):,} |"
        )


class Counted(LazyArray):
    """An array that counts how often each of its chunks is read."""

    def __init__(self, array: zarr.Array) -> None:
        self.shape, self.dtype = array.shape, np.dtype(array.dtype)
        self._array, self.reads = array, Counter[tuple[int, ...]]()

    def read(self, index: tuple) -> np.ndarray:
        """Return a part."""
        chunks = self._array.chunks
        starts = tuple(
            (part.start if isinstance(part, slice) else part) // chunk
            for part, chunk in zip(index, chunks, strict=True)
        )
        self.reads[starts] += 1
        return np.asarray(self._array[index])


def counted(folder: Path) -> None:
    """Go through 1 % of the regions of a volume of a terabyte, without its network.

    Parameters
    ----------
    folder : Path
        Where the store is made; it has no chunks, and takes no room.
    """
    path, shape = folder / "sparse.zarr", (2048, 16_384, 16_384)
    sparse(path, shape)
    image = read_image(path, lazy=True)
    task = prepare(
        image.array, "ZYX", weights=load_weights("grey", seed=0),
        config=preset("blind-fast", neighbours="1"), device="cpu",
    )  # fmt: skip
    adapted = an_adaptation(task)
    grid = grid_for(image, task, adapted)
    source = Counted(zarr.open_array(str(path / "0"), mode="r"))
    image.array.inside._array = source  # counts what is read from the store
    task = prepare(
        source, "ZYX", weights=task.weights, config=task.config, device="cpu"
    )
    some = grid.of_part(37, 100)
    begun = time.monotonic()
    with without_networks():
        done = sum(gone_through(grid, task, adapted, image, some))
    seconds = time.monotonic() - begun
    chunks = done * 2 / (2 * 1024 * 1024)
    print(
        f"{math.prod(shape) * 2 / 1e12:.2f} TB in chunks of 1 x 1024 x 1024:"
        f" {len(grid)} regions of {' x '.join(map(str, grid.steps))};"
        f" {len(source.reads):,} chunks were read {sum(source.reads.values()):,} times"
        f" for the {chunks:,.0f} chunks of {sum(len(s) for _, s in some)} of"
        f" {grid.slabs} slabs: {sum(source.reads.values()) / chunks:.2f} reads for each"
        f" chunk that is written ({grid.read:.2f} over all); {seconds:.0f} s"
    )


def gone_through(
    grid: Grid, task: Task, adapted: Adapted, image: object, some: list
) -> Iterator[int]:
    """Fill slabs; yield how many pixels they have."""
    filling = RegionFilling(task, adapted, cached(image, task, grid))
    for region, slabs in some:
        parts = region.slabs()
        for number in slabs:
            for _ in filling.fill(region, parts[number]):
                pass
            yield math.prod(part.stop - part.start for part in parts[number])


def an_adaptation(task: Task) -> Adapted:
    """Return one that nothing was adapted for."""
    sample = Sample(IntensityMap(0.0, 1000.0), MarkRule(), [])
    model = NoiseModel(0.0, 1e-4, 0.0, 1.0)
    beside = Neighbourhood({"Z": 1})
    channel = AdaptedChannel(sample, task.config, None, beside, ((model,),), images=1)
    return Adapted({0: channel}, {})


@contextmanager
def without_networks() -> Iterator[None]:
    """Leave out all that is computed; what is read is the same."""

    def as_noisy(values: np.ndarray, *_: object, **__: object) -> Noisy:
        return Noisy(torch.zeros(1, 1, 1, 1).expand(1, 1, *values.shape[-2:]))

    def finish(noisy: torch.Tensor, *_: object, **__: object) -> Iterator[Filled]:
        yield Filled(1.0, noisy)

    def restored(plane: Plane, filled: np.ndarray, *_: object, **__: object) -> object:
        return np.broadcast_to(np.uint16(0), filled.shape[-2:])

    compared = mock.Mock(nbytes=0)
    compared.reversed.return_value = compared
    with (
        mock.patch.object(reader, "averaged", lambda own, *_: own),
        mock.patch.object(reader, "agreement", lambda *_: compared),
        mock.patch.object(tile_filling, "finish", finish),
        mock.patch.object(planes, "as_noisy", as_noisy),
        mock.patch.object(Plane, "restored", restored),
    ):
        yield


def sparse(path: Path, shape: tuple[int, int, int]) -> None:
    """Write an OME-Zarr without a single chunk."""
    group = zarr.open_group(str(path), mode="w", zarr_format=3)
    names = ["z", "y", "x"]
    group.create_array(
        "0", shape=shape, dtype="u2", chunks=(1, 1024, 1024), dimension_names=names
    )
    scale = [{"type": "scale", "scale": [1.0, 1.0, 1.0]}]
    datasets = [{"path": "0", "coordinateTransformations": scale}]
    axes = [{"name": name, "type": "space"} for name in names]
    multiscale = {"name": "sparse", "axes": axes, "datasets": datasets}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [multiscale]}
