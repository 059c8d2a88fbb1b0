"""Which parts of the method matter: one at a time is changed, all else stays.

Families: random or pre-trained start; what becomes the result (hidden predictions,
whole outputs, the last one); loss on hidden or on all pixels; masks per channel or
shared; mask ratio; pre-training on noisy or clean input; with and without adaptation.
Networks: the paper's with its authors' weights and settings (fast), ours with the
weights that ship ('blind-full'), and small ones that are pre-trained here. Images:
96 x 96 from the middle of three photographs with Gaussian noise (sigma 25), in colour
or grey, and of three real confocal images; two seeds, for noise, masks, random weights.

Runs that the table has are passed over, so that it can be stopped at any time.

Usage: python benchmarks/ablation.py FILE [--families loss ...] [--networks paper ...]
                                     [--cache FOLDER] [--folder IMAGES] [--steps 2000]
       python benchmarks/ablation.py --table FILE
"""

import argparse
import csv
import dataclasses
import functools
import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import ablation_tables
import pretrained
from ablation_loop import AFTER, PASSES, Settings, trace
from ablation_pretraining import STEPS, small_weights
from ablation_variants import BASE, SEEDS, Variant, cases, variants
from pretrained import Case

FIELDS = (
    "family", "network", "variant", "reading", "group", "image", "seed", "iteration",
    "psnr", "ssim",
)  # fmt: skip
KEY = FIELDS[:3] + FIELDS[4:7]
WHOLLY_READ = (BASE, "loss", "start")  # families of which every reading is kept
RESULTS = ("filled", "filled, long", "whole, long", AFTER, PASSES)
Key = tuple[str, ...]


def main() -> None:
    """Measure and write, or print tables of what was written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, nargs="?", default=Path("ablation.csv"))
    parser.add_argument("--table", type=Path, help="print this file as tables")
    parser.add_argument("--families", nargs="+")
    parser.add_argument("--networks", nargs="+")
    parser.add_argument("--groups", nargs="+")
    cache = Path(tempfile.gettempdir()) / "napari-mpi-ablation"
    parser.add_argument("--cache", type=Path, default=cache, help="of small networks")
    parser.add_argument("--folder", type=Path, help="images to pre-train them on")
    parser.add_argument("--precision", default="auto", help="of the convolutions")
    parser.add_argument("--steps", type=int, default=STEPS, help="of pre-training")
    options = parser.parse_args()
    if options.table is not None:
        ablation_tables.print_tables(options.table)
        return
    options.cache.mkdir(parents=True, exist_ok=True)
    pretrained.write(options.file, FIELDS, lines(options))


def lines(options: argparse.Namespace) -> Iterator[dict[str, object]]:
    """Yield the lines of all runs that are asked for and not there yet."""
    small = functools.cache(
        lambda name: small_weights(name, options.cache, options.folder, options.steps)
    )
    done = already(options.file)
    for variant, group, seed in _asked(options):
        for case in cases(group, seed):
            if key_of(variant, case, seed) in done:
                continue
            settings = variant.settings(group, seed, small)
            settings = dataclasses.replace(settings, precision=options.precision)
            # All at once: a run that was stopped leaves no line behind.
            yield from list(rows(variant, case, seed, settings))


def _asked(options: argparse.Namespace) -> Iterator[tuple[Variant, str, int]]:
    """Yield variant, group of images and seed of what is asked for."""
    for variant in variants():
        for group, seed in itertools.product(variant.groups, SEEDS):
            wanted = (
                (variant.family, options.families),
                (variant.network, options.networks),
                (group, options.groups),
            )
            if all(not chosen or value in chosen for value, chosen in wanted):
                yield variant, group, seed


def rows(
    variant: Variant, case: Case, seed: int, settings: Settings
) -> Iterator[dict[str, object]]:
    """Yield the quality of the noisy image, once, and of every reading."""
    key = key_of(variant, case, seed)
    if variant.family == BASE:
        yield line(key, case, "noisy", 0, case.noisy)
    for iteration, reading, image in trace(case, settings):
        if variant.family in WHOLLY_READ or reading in RESULTS:
            yield line(key, case, reading, iteration, image)


def line(
    key: Key, case: Case, reading: str, iteration: int, image: NDArray[np.generic]
) -> dict[str, object]:
    """Return one line of the table."""
    reached = pretrained.row(case, "", iteration, image, 0.0)
    named = dict(zip(KEY, key, strict=True))
    values = {"psnr": reached["psnr"], "ssim": reached["ssim"]}
    return {**named, "reading": reading, "iteration": iteration, **values}


def key_of(variant: Variant, case: Case, seed: int) -> Key:
    """Return what tells a run from all others."""
    return (
        variant.family, variant.network, variant.name, case.group, case.name, str(seed)
    )  # fmt: skip


def already(path: Path) -> set[Key]:
    """Return the runs that a table has."""
    if not path.exists():
        return set()
    with path.open(newline="") as file:
        return {tuple(row[field] for field in KEY) for row in csv.DictReader(file)}


if __name__ == "__main__":
    main()
