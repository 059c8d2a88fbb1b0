"""What the ensemble's start changes: PSNR of the paper's fast and slow averages.

The paper starts the ensemble at the noisy image, so that a pixel keeps the share
decay**fills of its noise. The other starts keep none. One colour crop (kate.png, noise
of sigma 25) with the authors' weights, all starts from the same seed.

Usage: python benchmarks/ensemble_start.py [--iterations 200 1000]
"""

import argparse
import os
from pathlib import Path
from typing import get_args

import numpy as np
import torch

from napari_mpi.engine.filling.iterative import iterative_filling
from napari_mpi.engine.images.axes import ImageAxes
from napari_mpi.engine.images.quality import quality
from napari_mpi.engine.networks.loading import load_weights
from napari_mpi.engine.runtime.jobs import run
from napari_mpi.engine.settings.filling import EnsembleStart
from napari_mpi.engine.settings.presets import preset

DATA = Path(os.environ.get("NAPARI_MPI_DATA", "../shared"))


def main() -> None:
    """Print PSNR and SSIM for every start, decay and number of iterations."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--iterations", type=int, nargs="+", default=[50, 200])
    options = parser.parse_args()
    case = np.load(DATA / "golden" / "psnr_kate.npz")
    noisy = torch.from_numpy(case["noisy"])[None]
    axes = ImageAxes("SYX", case["clean"].shape)
    weights = load_weights(DATA / "weights" / "imgnet_30_multchannel_skip.pth")
    for iterations in options.iterations:
        for decay in (0.90, 0.99):
            for start in get_args(EnsembleStart):
                config = preset(
                    "independent-fast",
                    iterations=iterations,
                    ema_decay=decay,
                    ensemble_start=start,
                )
                filled = run(iterative_filling(noisy, weights.to_network(), config))
                image = filled[0].numpy().clip(0, 1)
                reached = quality(image, case["clean"], axes, data_range=1.0)
                print(
                    f"{iterations:5} iterations, decay {decay}, {start:11} {reached}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
