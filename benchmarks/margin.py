"""How much of the network's range should stay free, on images with known truth.

For each margin: root mean square error, and how far the mean of a flat bright region
is off. Noise of 60 grey levels is ordinary for the network, noise of 40 on a range of
3,500 so weak that the network's own error exceeds it.

Usage: python benchmarks/margin.py
"""

import os
from pathlib import Path

import numpy as np

from napari_mpi.engine.denoising.denoise import denoise
from napari_mpi.engine.denoising.task import prepare
from napari_mpi.engine.images import intensity
from napari_mpi.engine.networks.loading import load_weights
from napari_mpi.engine.runtime.jobs import run
from napari_mpi.engine.settings.presets import preset

MARGINS = (0.0, 0.02, 0.05, 0.10)
DATA = Path(os.environ.get("NAPARI_MPI_DATA", "../shared"))


def main() -> None:
    """Print a table: image, weights, margin, error and bias."""
    cases = {
        "independent-fast": "imgnet_30_multchannel_skip.pth",
        "real-fast": "imgnet_80_95_singlechannel_skip.pth",
    }
    for name, clean, noise in (("square", square(), 60), ("disc", disc(), 40)):
        rng = np.random.default_rng(0)
        noisy = np.rint(rng.normal(clean, noise)).astype(np.uint16)
        for preset_name, file in cases.items():
            weights = load_weights(DATA / "weights" / file)
            for margin in MARGINS:
                intensity.NETWORK_MARGIN = margin
                job = denoise(
                    prepare(noisy, "YX", weights=weights, config=preset(preset_name))
                )
                print(
                    f"{name:7} {preset_name:17} {margin:.2f} "
                    f" {report(run(job), noisy, clean)}"
                )


def square() -> np.ndarray:
    """Return a bright square on a darker ground, 96 x 96."""
    image = np.full((96, 96), 400.0)
    image[24:72, 24:72] = 1200
    return image


def disc() -> np.ndarray:
    """Return a disc ten times as bright as its ground, 128 x 128."""
    y, x = np.mgrid[:128, :128]
    return np.where((y - 64) ** 2 + (x - 64) ** 2 < 30**2, 4000.0, 500.0)


def report(result: np.ndarray, noisy: np.ndarray, clean: np.ndarray) -> str:
    """Return error, and bias inside the bright region away from its edge."""
    middle = tuple(slice(size * 3 // 8, size * 5 // 8) for size in clean.shape)
    error = np.sqrt(((result - clean) ** 2).mean())
    bias = result[middle].mean() / noisy[middle].mean() - 1
    return f"error {error:6.1f}  bias of the bright region {100 * bias:+.2f} %"


if __name__ == "__main__":
    main()
