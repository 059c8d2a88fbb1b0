"""Noisy samples with a clean partner, from images that scikit-image carries along."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_mpi.engine.noise.laws import PoissonGaussian


@dataclass(frozen=True, slots=True)
class SampleImage:
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


def retina(*, seed: int = 0) -> SampleImage:
    """Return the vessels of a retina as a dim 16-bit camera image, 256 x 256."""
    from skimage import data

    green = data.retina()[500:1012:2, 200:712:2, 1].astype(np.float64)
    clean = 200.0 + 12.0 * green
    return _measured(
        "retina", "YX", clean, np.uint16, gain=16.0, read_noise=60.0, seed=seed
    )


def tissue(*, seed: int = 0) -> SampleImage:
    """Return stained tissue in 8-bit colour, 256 x 256."""
    from skimage import data

    clean = data.immunohistochemistry()[128:384, 128:384].astype(np.float64)
    return _measured(
        "tissue", "YXS", clean, np.uint8, gain=2.0, read_noise=15.0, seed=seed
    )


SAMPLES = {"retina": retina, "tissue": tissue}
"""Makers of samples by name."""


def noisy_retina() -> list[tuple[Any, dict[str, Any], str]]:
    """Return napari layers: a noisy retina and its clean partner."""
    return _layers(retina())


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
) -> SampleImage:
    rng = np.random.default_rng(seed)
    noisy = PoissonGaussian(gain, read_noise).noisy(clean, rng=rng)
    limits = np.iinfo(dtype)
    kept = [
        np.rint(values).clip(limits.min, limits.max).astype(dtype)
        for values in (clean, noisy)
    ]
    return SampleImage(name, axes, *kept)


def _layers(sample: SampleImage) -> list[tuple[Any, dict[str, Any], str]]:
    colour = sample.axes.endswith("S")
    # As the docks know it: never offered first, see widgets/layers/roles.
    marked = {"napari-mpi": {"shows": "reference"}}
    clean = {
        "name": f"{sample.name} (clean)",
        "rgb": colour,
        "visible": False,
        "metadata": marked,
    }
    noisy = {"name": f"{sample.name} (noisy)", "rgb": colour}
    return [(sample.clean, clean, "image"), (sample.noisy, noisy, "image")]
