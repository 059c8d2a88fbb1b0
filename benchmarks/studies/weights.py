"""Weights against each other: quality and processor seconds, in turns in one run.

The middle 512 x 512 of photographs in grey under Gaussian noise of 25 and of real
micrographs, one thread. "first look" is what `auto-fast` predicts before it adapts, and
"auto-fast" what it ends with; all weights take their turn at each image, so that the
seconds of one table may be compared with each other. Seconds are told as multiples of
the first weights' too: medians over the images.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np
import torch

import tables
from cases import CSET, Case, fmd, photograph, scored
from napari_mpi import denoise
from study import Study
from tables import Entry, Row

FIELDS = ("group", "image", "weights", "way", "psnr", "ssim", "seconds")
WAYS = {
    "first look": {"preset": "blind-fast", "learning_rate": 0.0},
    "auto-fast": {"preset": "auto-fast"},
}
SIDE, MICROGRAPHS = 512, 3


def options(parser: argparse.ArgumentParser) -> None:
    """Add which weights, and how much of the images."""
    parser.add_argument("--weights", nargs="+", default=["grey"])
    parser.add_argument("--side", type=int, default=SIDE)


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """Yield a row for every image, way and weights."""
    torch.set_num_threads(1)
    images = list(cases(options.side))
    for name in options.weights:  # what is loaded or measured once
        measured(images[0], name, "auto-fast")
    for case in images:
        for way in WAYS:
            for name in options.weights:
                yield measured(case, name, way)


def cases(side: int) -> Iterator[Case]:
    """Yield photographs, then micrographs."""
    for name in CSET:
        yield photograph(name, grey=True, side=side)
    for case, _ in zip(fmd(side), range(MICROGRAPHS), strict=False):
        yield case


def measured(case: Case, weights: str, way: str) -> Row:
    """Return the row of one run."""
    started = time.process_time()
    how = {"weights": weights, "device": "cpu", **WAYS[way]}
    result = np.asarray(denoise(case.noisy, case.axes, **how))
    seconds = round(time.process_time() - started, 2)
    named = {"weights": Path(weights).stem, "way": way, "seconds": seconds}
    return {**scored(case, result), **named}


def table(entries: list[Entry]) -> None:
    """Print means of the groups, and medians of the seconds."""
    groups = [name for (name,) in tables.grouped(entries, "group")]
    names = [name for (name,) in tables.grouped(entries, "weights")]
    tables.print_head("weights", "way", *groups, "seconds", "times the first's")
    found = tables.grouped(entries, "way", "weights")
    for way in WAYS:
        first = [float(entry["seconds"]) for entry in found[way, names[0]]]
        for name in names:
            own = found[way, name]
            seconds = [float(entry["seconds"]) for entry in own]
            by_group = tables.grouped(own, "group")
            means = [f"{tables.mean(by_group[group,], 'psnr'):.2f}" for group in groups]
            times = median(a / b for a, b in zip(seconds, first, strict=True))
            told = (f"{median(seconds):.1f}", f"{times:.2f}")
            tables.print_line(name, way, *means, *told)


STUDY = Study(FIELDS, rows, table, options)
