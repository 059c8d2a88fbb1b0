"""How much of the network's range should stay free, on images with known truth.

For each margin: root mean square error, and by how many percent the mean of a flat
bright region is off. Noise of 60 grey levels is ordinary for the network, noise of 40
on a range of 3,500 so weak that the network's own error exceeds it.
"""

import argparse
import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

import tables
from cases import CHECKPOINTS
from napari_mpi.engine.denoising.denoise import denoise
from napari_mpi.engine.denoising.task import prepare
from napari_mpi.engine.images import intensity
from napari_mpi.engine.networks.loading import load_weights
from napari_mpi.engine.runtime.jobs import run
from napari_mpi.engine.settings.presets import preset
from study import Study
from tables import Entry, Row

FIELDS = ("image", "preset", "margin", "error", "bias in %")
MARGINS = (0.0, 0.02, 0.05, 0.10)
PAPERS = {
    "independent-fast": "imgnet_30_multchannel_skip.pth",
    "real-fast": "imgnet_80_95_singlechannel_skip.pth",
}
Image = NDArray[np.generic]


def rows(_: argparse.Namespace) -> Iterator[Row]:
    """Yield a row for every image, preset and margin."""
    scenes = (("square", square(), 60), ("disc", disc(), 40))
    for (name, clean, noise), chosen in itertools.product(scenes, PAPERS):
        rng = np.random.default_rng(0)
        noisy = np.rint(rng.normal(clean, noise)).astype(np.uint16)
        weights = load_weights(CHECKPOINTS / PAPERS[chosen])
        for margin in MARGINS:
            intensity.NETWORK_MARGIN = margin
            task = prepare(noisy, "YX", weights=weights, config=preset(chosen))
            values = measured(run(denoise(task)), noisy, clean)
            told = (name, chosen, margin, *values)
            yield dict(zip(FIELDS, told, strict=True))


def square() -> Image:
    """Return a bright square on a darker ground, 96 x 96."""
    image = np.full((96, 96), 400.0)
    image[24:72, 24:72] = 1200
    return image


def disc() -> Image:
    """Return a disc ten times as bright as its ground, 128 x 128."""
    y, x = np.mgrid[:128, :128]
    return np.where((y - 64) ** 2 + (x - 64) ** 2 < 30**2, 4000.0, 500.0)


def measured(result: Image, noisy: Image, clean: Image) -> tuple[str, str]:
    """Return error, and bias inside the bright region away from its edge."""
    middle = tuple(slice(size * 3 // 8, size * 5 // 8) for size in clean.shape)
    error = np.sqrt(((result - clean) ** 2).mean())
    bias = result[middle].mean() / noisy[middle].mean() - 1
    return f"{error:.1f}", f"{100 * bias:+.2f}"


def table(entries: list[Entry]) -> None:
    """Print every row."""
    tables.print_head(*FIELDS, numbers=3)
    for entry in entries:
        tables.print_line(*(entry[field] for field in FIELDS))


STUDY = Study(FIELDS, rows, table)
