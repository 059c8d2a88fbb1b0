"""Which parts of the method matter: one at a time is changed, all else stays.

Families: random or pre-trained start; what becomes the result (hidden predictions,
whole outputs, the last one); loss on hidden or on all pixels; masks per channel or
shared; mask ratio; pre-training on noisy or clean input; with and without adaptation.
Networks: the paper's with its authors' weights and settings (fast), ours with the
weights that ship ('blind-full'), and small ones that are pre-trained here. Images:
96 x 96 from the middle of three photographs with Gaussian noise (sigma 25), in colour
or grey, and of three real confocal images; two seeds, for noise, masks, random weights.

Runs that the table has are passed over, so that it can be stopped at any time.
"""

import argparse
import dataclasses
import functools
import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ablation.loop import AFTER, PASSES, Settings, trace
from ablation.pretraining import STEPS, small_weights
from ablation.tables import print_tables
from ablation.variants import BASE, SEEDS, Variant, cases, variants
from cases import Case, scored
from study import Study
from tables import Row

FIELDS = (
    "family", "network", "variant", "reading", "group", "image", "seed", "iteration",
    "psnr", "ssim",
)  # fmt: skip
KEY = FIELDS[:3] + FIELDS[4:7]
WHOLLY_READ = (BASE, "loss", "start")  # families of which every reading is kept
RESULTS = ("filled", "filled, long", "whole, long", AFTER, PASSES)
Key = tuple[str, ...]


def options(parser: argparse.ArgumentParser) -> None:
    """Add what is asked for, and where small networks come from."""
    parser.add_argument("--families", nargs="+")
    parser.add_argument("--networks", nargs="+")
    parser.add_argument("--groups", nargs="+")
    cache = Path(tempfile.gettempdir()) / "napari-mpi-ablation"
    parser.add_argument("--cache", type=Path, default=cache, help="of small networks")
    parser.add_argument("--folder", type=Path, help="images to pre-train them on")
    parser.add_argument("--precision", default="auto", help="of the convolutions")
    parser.add_argument("--steps", type=int, default=STEPS, help="of pre-training")


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """Yield the rows of all runs that are asked for and not there yet."""
    options.cache.mkdir(parents=True, exist_ok=True)
    small = functools.cache(
        lambda name: small_weights(name, options.cache, options.folder, options.steps)
    )
    for variant, group, seed in _asked(options):
        for case in cases(group, seed):
            if key_of(variant, case, seed) in options.done:
                continue
            settings = variant.settings(group, seed, small)
            settings = dataclasses.replace(settings, precision=options.precision)
            # All at once: a run that was stopped leaves no line behind.
            yield from list(rows_of(variant, case, seed, settings))


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


def rows_of(
    variant: Variant, case: Case, seed: int, settings: Settings
) -> Iterator[Row]:
    """Yield the quality of the noisy image, once, and of every reading."""
    key = key_of(variant, case, seed)
    if variant.family == BASE:
        yield line(key, case, "noisy", 0, case.noisy)
    for iteration, reading, image in trace(case, settings):
        if variant.family in WHOLLY_READ or reading in RESULTS:
            yield line(key, case, reading, iteration, image)


def line(
    key: Key, case: Case, reading: str, iteration: int, image: NDArray[np.generic]
) -> Row:
    """Return one line of the table."""
    reached = scored(case, image)
    named = dict(zip(KEY, key, strict=True))
    values = {"psnr": reached["psnr"], "ssim": reached["ssim"]}
    return {**named, "reading": reading, "iteration": iteration, **values}


def key_of(variant: Variant, case: Case, seed: int) -> Key:
    """Return what tells a run from all others."""
    return (
        variant.family, variant.network, variant.name, case.group, case.name, str(seed)
    )  # fmt: skip


STUDY = Study(FIELDS, rows, print_tables, options, key=KEY)
