"""What pre-training buys: quality and seconds by iterations, from four starts.

Starts: our network at random, with the shipped weights, and the paper's network with
its authors' weights. Images: 192 x 192 from the middle of each of the subset below.
"Fills" means no adaptation: the same masks and ensemble, and no gradient; "unmasked"
one pass that hides nothing.

Every method is timed on the same machine, images interleaved, so that the seconds of
one table may be compared with each other and with nothing else.
"""

import argparse
import dataclasses
import time
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import torch
from numpy.typing import NDArray

import tables
from cases import CHECKPOINTS, SEED, SIDE, Case, in_groups, scored, subset
from napari_mpi.engine.denoising.denoise import denoise
from napari_mpi.engine.denoising.task import effective_config, prepare
from napari_mpi.engine.images.axes import ImageAxes
from napari_mpi.engine.networks.loading import load_weights
from napari_mpi.engine.networks.weights import Weights, random_weights
from napari_mpi.engine.settings.filling import FillingConfig
from napari_mpi.engine.settings.presets import preset
from napari_mpi.engine.settings.recipes import RECIPES
from study import Study
from tables import Entry, Row

FIELDS = ("group", "image", "start", "iterations", "psnr", "ssim", "seconds")
READ_AT = (25, 50, 100, 200)
FILLS = 12
STARTS = ("random", "shipped", "authors")
# The ensemble of the iterations is read on the way, so there are no last passes.
ENSEMBLE = {
    "passes": 0,
    "crop": 0,
    "merge": False,
    "share": False,
    "weights_ema_decay": 0.0,
    "learning_rate": 3e-5,
    "precision": "float32",
}


def options(parser: argparse.ArgumentParser) -> None:
    """Add starts, images, and when to read."""
    parser.add_argument("--starts", nargs="+", choices=STARTS, default=STARTS)
    parser.add_argument("--side", type=int, default=SIDE, help="of the crops")
    parser.add_argument("--groups", nargs="+", help="of the images (default: all)")
    parser.add_argument("--read-at", nargs="+", type=int, default=READ_AT)


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """Yield the rows of every image."""
    for case in in_groups(subset(options.side), options.groups):
        yield from rows_of(case, options.starts, tuple(options.read_at))


def rows_of(
    case: Case, starts: tuple[str, ...], read_at: tuple[int, ...]
) -> Iterator[Row]:
    """Yield the quality of the noisy image, then of every start and iteration."""
    yield row(case, "noisy", 0, case.noisy, 0.0)
    for start in starts:
        weights, config = start_of(case, start, max(read_at))
        adapting = effective_config(config, ImageAxes(case.axes, case.noisy.shape),
                                    weights, torch.device("cpu"))  # fmt: skip
        filling = dataclasses.replace(adapting, learning_rate=0.0, iterations=FILLS)
        if start == "shipped":  # the only ones trained to see all pixels
            whole = dataclasses.replace(filling, mask_ratio=0.0, iterations=1)
            yield from measured(case, start, weights, whole, (1,), "unmasked")
        yield from measured(case, start, weights, filling, (FILLS,), "fills")
        yield from measured(case, start, weights, adapting, read_at)


def start_of(case: Case, start: str, iterations: int) -> tuple[Weights, FillingConfig]:
    """Return weights and settings of a start, for the kind of noise that a case has."""
    synthetic = case.group.startswith(("cset9", "kodak24"))
    if start == "shipped":
        weights = load_weights("auto")
        return weights, preset("blind-full", iterations=iterations, **ENSEMBLE)
    if start == "random":
        network = RECIPES["grey"].network
        # The paper's rate of 2e-3 is for a network with batch normalisation.
        config = preset("independent-fast", iterations=iterations, learning_rate=1e-3)
        return random_weights(network, seed=SEED), config
    file = "30_multchannel" if synthetic else "80_95_singlechannel"
    weights = load_weights(CHECKPOINTS / f"imgnet_{file}_skip.pth")
    name = "independent-fast" if synthetic else "real-fast"
    return weights, preset(name, iterations=iterations)


def measured(
    case: Case,
    start: str,
    weights: Weights,
    config: FillingConfig,
    read_at: tuple[int, ...],
    label: str = "",
) -> Iterator[Row]:
    """Run once and read the ensemble on the way; the reading is not timed."""
    job = denoise(
        prepare(case.noisy, case.axes, weights=weights, config=config, device="cpu"),
        snapshot_interval=0,
    )
    seconds, started = 0.0, time.perf_counter()
    with closing(job):
        for snapshot in job:
            if snapshot.iteration in read_at:
                seconds += time.perf_counter() - started
                made = label or snapshot.iteration
                yield row(case, start, made, snapshot.image, seconds)
                started = time.perf_counter()


def row(
    case: Case,
    start: str,
    iterations: object,
    image: NDArray[np.generic],
    seconds: float,
) -> Row:
    """Return one line of the file."""
    how = {"start": start, "iterations": iterations, "seconds": round(seconds, 1)}
    return {**scored(case, image), **how}


def table(entries: list[Entry]) -> None:
    """Print means of the groups, then every image."""
    _print_by("mean of", entries, "group")
    print()
    _print_by("image", entries, "group", "image")


def _print_by(title: str, entries: list[Entry], *fields: str) -> None:
    """Print PSNR / SSIM of every start and number of iterations."""
    columns = ["unmasked", "fills", *map(str, READ_AT)]
    tables.print_head(title, "start", *columns, "seconds for 100")
    for names, found in tables.grouped(entries, *fields).items():
        runs = tables.grouped(found, "start", "iterations")
        noisy = _cell(runs["noisy", "0"])
        tables.print_line(" ".join(names), "noisy", noisy, *[""] * len(columns))
        for start in STARTS:
            cells = [_cell(runs.get((start, at), [])) for at in columns]
            hundred = runs.get((start, "100"), [])
            last = f"{tables.mean(hundred, 'seconds'):.1f}" if hundred else ""
            tables.print_line("", start, *cells, last)


def _cell(entries: list[Entry]) -> str:
    if not entries:
        return ""
    return f"{tables.mean(entries, 'psnr'):.2f} / {tables.mean(entries, 'ssim'):.3f}"


STUDY = Study(FIELDS, rows, table, options)
