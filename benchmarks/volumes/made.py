"""Volumes to be denoised: drawn, with noise, some planes at a time."""

from pathlib import Path

import numpy as np
import zarr

from napari_mpi.engine.files.ngff.levels import made_levels


def make_volume(
    path: Path, shape: tuple[int, int, int], chunks: tuple[int, int, int], seed: int = 0
) -> None:
    """Write a volume of rings and threads under photon noise, of two levels.

    Parameters
    ----------
    path : Path
        The OME-Zarr.
    shape, chunks : tuple of int
        Planes, rows and columns.
    seed : int
        Source of the randomness.
    """
    group = zarr.open_group(str(path), mode="w", zarr_format=3)
    names, levels = ["z", "y", "x"], []
    for number, factor in enumerate((1, 2)):
        lengths = (shape[0], *(-(-side // factor) for side in shape[1:]))
        levels.append(
            group.create_array(
                str(number),
                shape=lengths,
                dtype="u2",
                chunks=tuple(map(min, chunks, lengths)),
                dimension_names=names,
            )
        )
    rng = np.random.default_rng(seed)
    for plane in range(shape[0]):
        levels[0][plane] = rng.poisson(scene(plane, shape[1:])).astype("u2")
    for _ in made_levels(levels):
        pass
    datasets = [
        {
            "path": str(number),
            "coordinateTransformations": [
                {"type": "scale", "scale": [1.0, 0.2 * factor, 0.2 * factor]}
            ],
        }
        for number, factor in enumerate((1, 2))
    ]
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in names]
    multiscale = {"name": "drawn", "axes": axes, "datasets": datasets}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [multiscale]}


def scene(plane: int, sides: tuple[int, ...]) -> np.ndarray:
    """Return a plane without noise, in photons: it changes slowly along depth."""
    rows, columns = np.ogrid[: sides[0], : sides[1]]
    depth = plane / 5
    rings = np.sin(np.hypot(rows % 256 - 128, columns % 256 - 128) / 7 + depth)
    threads = np.cos((rows + 2 * columns) / 31 + depth / 2) ** 8
    photons: np.ndarray = 40 + 30 * rings + 120 * threads
    return photons
