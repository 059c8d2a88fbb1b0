"""Which network: what each has learnt by equal training, and what it costs to fill.

Every candidate is trained for the same number of steps on the same crops, noise and
masks, with the loss on all pixels. Then two grey images with Gaussian noise (sigma 25)
are filled without adaptation and with 50 iterations. The cost of a filling iteration
(forward, backward, Adam, float32, 256 x 256) is measured for all candidates in turns,
and told as a share of the paper's network.
"""

import argparse
import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import torch

import tables
from cases import photograph
from napari_mpi.engine.filling.iterative import iterative_filling
from napari_mpi.engine.filling.state import FillingState
from napari_mpi.engine.networks.weights import Weights, random_weights
from napari_mpi.engine.pretraining.images import TrainingImages, read_training_images
from napari_mpi.engine.pretraining.pretrain import pretrain
from napari_mpi.engine.runtime.jobs import run
from napari_mpi.engine.settings.network import NetworkConfig
from napari_mpi.engine.settings.presets import preset
from napari_mpi.engine.settings.recipes import RECIPES
from studies import pretrained
from study import Study
from tables import Entry, Row

GREY = {"channels": 1, "mask_channels": 1}
CANDIDATES = {
    "skip, width 64, 5 scales (paper)": NetworkConfig(**GREY),
    "skip, width 32, 5 scales": NetworkConfig(**GREY, width=32),
    **{
        f"residual, width {width}, {scales} scales": NetworkConfig(
            **GREY, architecture="residual", width=width, scales=scales
        )
        for width, scales in ((32, 4), (48, 4), (64, 4))
    },
}
# The rates that each kind of network is usually trained and adapted with.
RATES = {"skip": (2e-3, 2e-3), "residual": (1e-3, 3e-5)}
IMAGES = ("House", "kodim03")
ITERATIONS, MASK_RATIO, ROUNDS = 50, 0.10, 7


FIELDS = ("network", "weights", "cost", "held out", "fills", f"{ITERATIONS} iterations")


def options(parser: argparse.ArgumentParser) -> None:
    """Add what to train, on what, and for how long."""
    parser.add_argument("--images", type=Path, help="a folder to train on")
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--candidates", nargs="+", default=list(CANDIDATES))


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """Yield what each network has learnt by equal steps."""
    chosen = {name: CANDIDATES[name] for name in options.candidates}
    images = run(read_training_images(options.images, smallest_side=128))
    shares = cost_shares(chosen)
    for name, network in chosen.items():
        weights = trained(images, network, options.steps)
        size = sum(value.numel() for value in weights.state.values())
        held_out = weights.provenance["held_out_psnr"]
        reached = (held_out, *filled_psnr(weights))
        told = (f"{shares[name]:.2f}", *(f"{value:.2f}" for value in reached))
        yield dict(zip(FIELDS, (name, f"{size:,}", *told), strict=True))


def cost_shares(candidates: dict[str, NetworkConfig]) -> dict[str, float]:
    """Return seconds per filling iteration, divided by those of the first candidate."""
    noisy = torch.rand(1, 1, 256, 256, generator=torch.Generator().manual_seed(0))
    config = dataclasses.replace(
        preset("independent-fast"), iterations=10**6, shared_mask=True
    )
    jobs, seconds = {}, {name: [] for name in candidates}
    for name, network in candidates.items():
        filler = random_weights(network).to_network()
        state = FillingState(noisy, filler, config)
        jobs[name] = iterative_filling(
            noisy, filler, config, state=state, snapshot_interval=0
        )
    for _ in range(ROUNDS + 1):
        for name, job in jobs.items():
            started = time.perf_counter()
            next(job)
            seconds[name].append(time.perf_counter() - started)
    typical = {name: median(times[1:]) for name, times in seconds.items()}
    first = next(iter(typical.values()))
    return {name: value / first for name, value in typical.items()}


def trained(images: TrainingImages, network: NetworkConfig, steps: int) -> Weights:
    """Pre-train by our own recipe, cut short."""
    config = dataclasses.replace(
        RECIPES["grey"].pretraining,
        iterations=steps,
        batch_size=8,
        learning_rate=RATES[network.architecture][0],
        ema_decay=0.98,
    )
    return run(pretrain(images, network, config, device="cpu"))


def filled_psnr(weights: Weights) -> tuple[float, float]:
    """Return the mean PSNR of the images, without adaptation and with it."""
    rate = RATES[weights.network.architecture][1]
    # Unguarded: what 120 steps leave of an image is as much structure as noise.
    adapting = preset(
        "blind-full",
        **{**pretrained.ENSEMBLE, "learning_rate": rate},
        iterations=ITERATIONS,
        mask_ratio=MASK_RATIO,
        guard=False,
    )
    fills = dataclasses.replace(
        adapting, iterations=pretrained.FILLS, learning_rate=0.0
    )
    means = []
    for config in (fills, adapting):
        values = []
        for name in IMAGES:
            case = photograph(name, grey=True)
            read_at = (config.iterations,)
            (row,) = pretrained.measured(case, "", weights, config, read_at)
            values.append(row["psnr"])
        means.append(sum(values) / len(values))
    return means[0], means[1]


def table(entries: list[Entry]) -> None:
    """Print every row."""
    tables.print_head(*FIELDS)
    for entry in entries:
        tables.print_line(*(entry[field] for field in FIELDS))


STUDY = Study(FIELDS, rows, table, options)
