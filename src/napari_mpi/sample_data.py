"""Noisy samples with a clean partner, from images that scikit-image carries along."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_mpi.engine.noise import poisson_gaussian


@dataclass(frozen=True, slots=True)
class Sample:
    """A clean image and one noisy measurement of it.

    Parameters
    ----------
    name : str
        What it shows.
    axes : str
        'YX' or 'YXS'.
    clean, noisy : NDArray
        Of equal shape and type.
    """

    name: str
    axes: str
    clean: NDArray[np.generic]
    noisy: NDArray[np.generic]


def cell(*, seed: int = 0) -> Sample:
    """Return a cell as a 16-bit camera sees it in dim light, 256 x 256."""
    from skimage import data

    clean = 200.0 + 12.0 * data.cell()[140:396, 180:436].astype(np.float64)
    return _measured(
        "cell", "YX", clean, np.uint16, gain=30.0, read_noise=60.0, seed=seed
    )


def tissue(*, seed: int = 0) -> Sample:
    """Return stained tissue in 8-bit colour, 256 x 256."""
    from skimage import data

    clean = data.immunohistochemistry()[128:384, 128:384].astype(np.float64)
    return _measured(
        "tissue", "YXS", clean, np.uint8, gain=2.0, read_noise=15.0, seed=seed
    )


SAMPLES = {"cell": cell, "tissue": tissue}
"""Makers of samples by name."""


def noisy_cell() -> list[tuple[Any, dict[str, Any], str]]:
    """Return napari layers: a noisy cell and its clean partner."""
    return _layers(cell())


def noisy_tissue() -> list[tuple[Any, dict[str, Any], str]]:
    """Return napari layers: noisy stained tissue and its clean partner."""
    return _layers(tissue())


def _measured(
    name: str,
    axes: str,
    clean: NDArray[np.float64],
    dtype: Any,
    *,
    gain: float,
    read_noise: float,
    seed: int,
) -> Sample:
    rng = np.random.default_rng(seed)
    noisy = poisson_gaussian(clean, gain=gain, read_noise=read_noise, rng=rng)
    limits = np.iinfo(dtype)
    kept = [
        np.rint(values).clip(limits.min, limits.max).astype(dtype)
        for values in (clean, noisy)
    ]
    return Sample(name, axes, *kept)


def _layers(sample: Sample) -> list[tuple[Any, dict[str, Any], str]]:
    colour = sample.axes.endswith("S")
    clean = {"name": f"{sample.name} (clean)", "rgb": colour, "visible": False}
    noisy = {"name": f"{sample.name} (noisy)", "rgb": colour}
    return [(sample.clean, clean, "image"), (sample.noisy, noisy, "image")]
