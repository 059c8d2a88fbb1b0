"""Write images that nobody has taken, to pre-train on: no licence, no camera, no noise.

Usage: python benchmarks/procedural.py OUT [--count 2000] [--seed 0] [--only cells ...]
                                           [--sheet] [--volumes 0]

Into the folder OUT go PNG images of 512 x 512 pixels and 16 bits, numbered and named
for what they show; the same seed gives the same images. With --sheet, also sheet.png
beside the folder: the first 16 of them, to look at. With --volumes, also so many TIFF
stacks of 14 planes of 256 x 256, for networks that see neighbours.
`napari-mpi pretrain OUT` takes them as they are.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import tifffile
from numpy.typing import NDArray

from drawn import micrographs, textures, volumes
from drawn.drawing import Plane

KINDS: dict[str, tuple[Callable[[np.random.Generator], Plane], float]] = {
    "leaves": (textures.dead_leaves, 0.30),
    "spectrum": (textures.spectrum, 0.08),
    "gratings": (textures.gratings, 0.06),
    "layers": (textures.layers, 0.04),
    "bark": (textures.bark, 0.04),
    "cells": (micrographs.cells, 0.14),
    "threads": (micrographs.threads, 0.12),
    "membranes": (micrographs.membranes, 0.10),
    "points": (micrographs.points, 0.06),
    "slices": (micrographs.slices, 0.06),
}
"""How each kind is made, and its share of the images: a third are leaves, since they
alone come close to photographs in what a network learns of them."""

_SHEET = 16
_CUT = 0.05  # percent of the pixels that are cut at black, and at white


def main() -> None:
    """Write a folder of images."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, metavar="OUT")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--sheet", action="store_true", help="also show the first 16")
    parser.add_argument("--volumes", type=int, default=0, help="stacks besides")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    shown = []
    for number in range(options.count):
        kind, image = procedural_image(options.seed, number, options.only)
        name = f"{number:05d}-{kind}.png"
        imageio.imwrite(options.folder / name, image, compress_level=1)
        if len(shown) < _SHEET:
            shown.append(image)
    for number in range(options.volumes):
        write_volume(options.folder, options.seed, number)
    if options.sheet:
        beside = options.folder.with_name(options.folder.name + "-sheet.png")
        imageio.imwrite(beside, contact_sheet(shown))


def procedural_image(
    seed: int, number: int, kinds: list[str] | None = None
) -> tuple[str, NDArray[np.uint16]]:
    """Return one image of a series, and its kind; it depends on nothing else."""
    rng = np.random.default_rng([seed, number])
    names = list(KINDS) if kinds is None else kinds
    shares = np.array([KINDS[name][1] for name in names])
    kind = str(rng.choice(names, p=shares / shares.sum()))
    plane = KINDS[kind][0](rng)
    if rng.random() < 0.5:
        plane = np.rot90(plane)  # what has a preferred direction
    return kind, exposed(plane)


def write_volume(folder: Path, seed: int, number: int) -> None:
    """Write one volume of a series, as an ImageJ stack along Z."""
    drawn = volumes.volume(np.random.default_rng([seed, number, 3]))
    path = folder / f"{number:05d}-volume.tif"
    stack = np.rint(65535 * drawn).astype(np.uint16)
    tifffile.imwrite(path, stack, imagej=True, metadata={"axes": "ZYX"})


def exposed(plane: Plane) -> NDArray[np.uint16]:
    """Map a plane to 16 bits, almost from its darkest to its brightest."""
    low, high = np.percentile(plane[::2, ::2], [_CUT, 100 - _CUT])
    level = np.clip((plane - low) / max(high - low, 1e-6), 0, 1)
    return np.rint(65535 * level).astype(np.uint16)


def contact_sheet(images: list[NDArray[np.uint16]]) -> NDArray[np.uint8]:
    """Return up to 16 images at half size, four in a row."""
    small = [(image[::2, ::2] >> 8).astype(np.uint8) for image in images]
    small += [np.zeros_like(small[0])] * (-len(small) % 4)
    rows = [np.hstack(small[first : first + 4]) for first in range(0, len(small), 4)]
    return np.vstack(rows)


if __name__ == "__main__":
    main()
