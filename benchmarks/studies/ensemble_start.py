"""What the ensemble's start changes: PSNR of the paper's fast and slow averages.

The paper starts the ensemble at the noisy image, so that a pixel keeps the share
decay**fills of its noise. The other starts keep none. One colour crop (kate.png, noise
of sigma 25) with the authors' weights, all starts from the same seed.
"""

import argparse
import itertools
from collections.abc import Iterator
from typing import get_args

import numpy as np
import torch

import tables
from cases import CHECKPOINTS, SHARED
from napari_mpi.engine.filling.iterative import iterative_filling
from napari_mpi.engine.images.axes import ImageAxes
from napari_mpi.engine.images.quality import quality
from napari_mpi.engine.networks.loading import load_weights
from napari_mpi.engine.runtime.jobs import run
from napari_mpi.engine.settings.filling import EnsembleStart
from napari_mpi.engine.settings.presets import preset
from study import Study
from tables import Entry, Row

FIELDS = ("iterations", "decay", "start", "psnr", "ssim")


def options(parser: argparse.ArgumentParser) -> None:
    """Add how long."""
    parser.add_argument("--iterations", type=int, nargs="+", default=[50, 200])


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """Yield a row for every number of iterations, decay and start."""
    case = np.load(SHARED / "golden" / "psnr_kate.npz")
    noisy = torch.from_numpy(case["noisy"])[None]
    axes = ImageAxes("SYX", case["clean"].shape)
    weights = load_weights(CHECKPOINTS / "imgnet_30_multchannel_skip.pth")
    ways = (options.iterations, (0.90, 0.99), get_args(EnsembleStart))
    for iterations, decay, start in itertools.product(*ways):
        changes = {"iterations": iterations, "ema_decay": decay}
        config = preset("independent-fast", **changes, ensemble_start=start)
        filled = run(iterative_filling(noisy, weights.to_network(), config))
        image = filled[0].numpy().clip(0, 1)
        reached = quality(image, case["clean"], axes, data_range=1.0)
        values = (
            iterations,
            decay,
            start,
            f"{reached.psnr:.2f}",
            f"{reached.ssim:.3f}",
        )
        yield dict(zip(FIELDS, values, strict=True))


def table(entries: list[Entry]) -> None:
    """Print every row."""
    tables.print_head(*FIELDS, numbers=2)
    for entry in entries:
        tables.print_line(*(entry[field] for field in FIELDS))


STUDY = Study(FIELDS, rows, table, options)
